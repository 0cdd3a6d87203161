//! An association of a file: made, or changed in the keys that the file has.

use super::{Expanded, Work, named, tag_changes};
use crate::{
    model::{
        arn::{Arn, RoleRef},
        association::Association,
        document::Document,
        have::{Have, Observed},
        manifest::{self, Source},
        names::ServiceAccount,
        ownership,
        role::{Role, tags as keys},
        trust::{self, Request},
        want::{Field, Want, WantRole},
    },
    plan::{
        Plan, Refusal, RoleOwnership, Step, agent, associate, association, migrate::beside_in, missing, restart, role,
        role::Planned, target,
    },
};

impl Work<'_> {
    pub(super) fn association(&mut self, expanded: &Expanded<'_>, installing: bool) -> Result<(), Refusal> {
        let (subject, entry) = expanded;
        let present = self.ask.have.associations.get(subject);
        let want = self.want(expanded, present)?;
        let around = self.ask.have.around.get(subject).cloned().unwrap_or_default();
        let outside = match &want.role.role {
            RoleRef::Arn(arn) => self.ask.have.roles.get(arn.name()),
            RoleRef::Name(_) => None,
        };
        let have = Have {
            association: Observed::Known(present.cloned()),
            role: outside.map_or(Observed::NotRequested, |role| role.role.clone()),
            service_account: around.service_account,
            pods: around.pods,
            workloads: around.workloads,
            ..Have::default()
        };
        let mut plan = Plan::default();
        self.service_account(expanded, &have, &mut plan)?;
        if present.is_none() {
            self.agent_around(&want, &have, installing, &mut plan)?;
        }
        let planned = match self.ask.defined(&entry.value.role) {
            Some(defined) => match self.planned.get(defined.value.name.as_str()) {
                Some(planned) => Planned { name: planned.name.clone(), arn: planned.arn.clone(), ..*planned },
                // Why it is not is said where it stands.
                None => return Ok(()),
            },
            None => self.outside(&want, &have, present, &mut plan)?,
        };
        target::plan(&want, &have, &planned, role::session_tags(&want, &have), &mut plan)?;
        association::plan(&want, &have, &planned, &mut plan)?;
        associate::irsa(&have, &planned, &mut plan);
        if let Some(present) = present {
            let (_, gone) = tag_changes(&entry.value.tags, &present.tags);
            if !gone.is_empty() {
                plan.steps.push(Step::UntagAssociation {
                    association_arn: present.summary.association_arn.clone(),
                    subject: subject.clone(),
                    keys: gone,
                });
            }
        }
        restart::plan(&want, &have, &mut plan);
        self.plan.merge(plan);
        Ok(())
    }

    /// The entry as `associate` wants it.
    fn want(&mut self, (subject, entry): &Expanded<'_>, present: Option<&Association>) -> Result<Want, Refusal> {
        let value: &manifest::Association = &entry.value;
        let role = match value.role.parse::<Arn>() {
            Ok(arn) => RoleRef::Arn(arn),
            Err(_) => RoleRef::Name(value.role.clone()),
        };
        let arn = |text: &String| text.parse::<Arn>().map_err(|e| Refusal::new(format!("targetRole: {e}")));
        let target_role = match &value.target_role {
            Field::Set(text) => Field::Set(arn(text)?),
            Field::Cleared => Field::Cleared,
            Field::Unmanaged => Field::Unmanaged,
        };
        let session_policy = match &value.session_policy {
            Field::Set(Source::Document(document)) => Field::Set(document.clone()),
            Field::Set(source @ Source::File(_)) => {
                return Err(Refusal::new(format!("sessionPolicy: {source} was not read")));
            }
            Field::Cleared => Field::Cleared,
            Field::Unmanaged => Field::Unmanaged,
        };
        let none = std::collections::BTreeMap::new();
        let mut tags = tag_changes(&value.tags, present.map_or(&none, |a| &a.tags)).0;
        match present {
            Some(a) if ownership::is_created_for(&a.tags, &self.ask.cluster.arn) => {
                tags.extend(named(
                    entry.name.as_ref(),
                    &a.tags,
                    &format!("the association of {subject}"),
                    &mut self.plan,
                ));
            }
            Some(_) => {}
            None => tags.extend(entry.name.clone().map(|name| (keys::MANIFEST.to_owned(), name))),
        }
        Ok(Want {
            cluster: self.ask.cluster.clone(),
            subject: subject.clone(),
            addon: None,
            role: WantRole {
                role,
                create: false,
                adopt: false,
                derived: false,
                path: None,
                scope: None,
                boundary: None,
                tables: Vec::new(),
                grants: Vec::new(),
                policy_arns: Vec::new(),
                add_ons: Vec::new(),
                policy_files: Vec::new(),
                exact: false,
            },
            disable_session_tags: value.disable_session_tags.clone(),
            target_role,
            fix_target_trust: false,
            session_policy,
            replace: false,
            tags,
            create_service_account: false,
            allow: self.ask.allow,
            install_agent: None,
            allow_missing_agent: self.ask.allow_missing_agent,
            recycle: self.ask.recycle,
        })
    }

    /// The service account of an entry, as far as it was looked at.
    fn service_account(&self, (subject, entry): &Expanded<'_>, have: &Have, plan: &mut Plan) -> Result<(), Refusal> {
        let ask = missing::Account {
            subject,
            state: &have.service_account,
            associated: have.association.known().is_some_and(Option::is_some),
            create: entry.value.create_service_account == Some(true),
            allow: self.ask.allow.service_account,
            creating: match self.ask.copied_from {
                None => "set `createServiceAccount: true` in its entry".to_owned(),
                Some(_) => format!("run `kubectl create serviceaccount {} -n {}`", subject.name, subject.namespace),
            },
        };
        missing::service_account(&ask, plan)
    }

    /// What a new association finds around it: an agent where its pods run.
    fn agent_around(&self, want: &Want, have: &Have, installing: bool, plan: &mut Plan) -> Result<(), Refusal> {
        let (Observed::Known(state), Some(pods), Some(workloads)) =
            (&self.ask.have.agent, have.pods.known(), have.workloads.known())
        else {
            let unread = [self.ask.have.agent.unreadable(), have.pods.unreadable(), have.workloads.unreadable()];
            if let Some(why) = unread.into_iter().flatten().next() {
                plan.warn(format!("agent not checked: {why}"));
            }
            return Ok(());
        };
        agent::reach(state, pods, workloads, installing, want.allow_missing_agent, plan).map_err(|refusal| {
            let refusal = if state.installed() {
                refusal.hint("find out why: `podid agent status`")
            } else if self.ask.copied_from.is_some() {
                refusal.hint("to install it, pass `--install-agent`")
            } else {
                refusal.hint("to install it, add `agent: {}` to the manifest, or run `podid agent install`")
            };
            refusal.hint("to continue without it, pass `--allow-missing-agent`")
        })
    }

    /// A role that the file does not define: its trust is looked at where something changes, as `associate` does it.
    fn outside(
        &mut self,
        want: &Want,
        have: &Have,
        present: Option<&Association>,
        plan: &mut Plan,
    ) -> Result<Planned, Refusal> {
        let RoleRef::Arn(arn) = &want.role.role else {
            return Err(Refusal::new(format!("role `{}` is not defined in the manifest", want.role.role.name())));
        };
        let name = arn.name().to_owned();
        let settled = present.is_some_and(|a| a.role_arn == arn.to_string() && !tags_change(want, a));
        if settled && self.ask.copied_from.is_none() {
            return Ok(Planned { name, arn: arn.clone(), holder: RoleOwnership::Shared });
        }
        let mut have = have.clone();
        if let (Observed::Known(Some(role)), Some((_, after))) = (&mut have.role, self.outside.get(&name)) {
            role.trust = after.clone();
        }
        self.beside(want, &mut have)?;
        let planned = role::plan(want, &have, plan)?;
        // One write for all of them: the second would find the first's instead of what it was planned from.
        plan.steps.retain(|step| match step {
            Step::PutTrust { role, before, after } => {
                let both = self.outside.entry(role.clone()).or_insert_with(|| (before.clone(), before.clone()));
                both.1 = after.clone();
                false
            }
            _ => true,
        });
        Ok(planned)
    }
}

impl Work<'_> {
    /// Lets the role of a copied association trust the service account in this cluster too, as widely as podid's statement for
    /// the other cluster does. No statement that is there changes, so that its pods keep the role at every moment.
    fn beside(&mut self, want: &Want, have: &mut Have) -> Result<(), Refusal> {
        let (Some(other), session_tags) = (self.ask.copied_from, role::session_tags(want, have)) else { return Ok(()) };
        let Observed::Known(Some(role)) = &mut have.role else { return Ok(()) };
        let (cluster, subject, name) = (self.ask.cluster, &want.subject, role.name.clone());
        let request = Request { cluster, subject, session_tags, now: None, pod: None };
        let before = self.outside.get(&role.name).map_or_else(|| role.trust.clone(), |(before, _)| before.clone());
        let scope = trust::own_scope(&before, other, subject, session_tags);
        let scope = scope.unwrap_or_else(|| trust::default_scope(session_tags));
        let now = Role { trust: before.clone(), ..role.clone() };
        let Some(with) = beside_in(&now, &role.trust, &request, scope) else { return Ok(()) };
        let after = with.map_err(|why| {
            Refusal::new(format!("cannot add podid's statement to the trust policy of role `{}`: {why}", role.name))
                .hint(format!("see its statements: `podid role trust {name} --service-account {subject}`"))
        })?;
        self.outside.insert(role.name.clone(), (before, after.clone()));
        role.trust = after;
        Ok(())
    }
}

/// Session tags decide what a trust policy sees.
fn tags_change(want: &Want, present: &Association) -> bool {
    matches!(want.disable_session_tags, Field::Set(off) if off != present.disable_session_tags)
}

/// The documents of podid's roles outside the file, without the statements of service accounts that leave them.
pub(super) fn without(
    document: &Document,
    cluster: &crate::model::cluster::Cluster,
    leaving: &ServiceAccount,
) -> Document {
    trust::without_statement(document, cluster, leaving)
}
