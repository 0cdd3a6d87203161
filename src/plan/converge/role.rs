//! A role of a file: created, or brought to what the file says. Whom it trusts follows from the file's associations.

use super::{Expanded, Work, named, own_tags, tag_changes};
use crate::{
    model::{
        adoption::Asked,
        arn::Arn,
        document::Document,
        have::Observed,
        manifest::{Entry, Role, RoleState},
        names::ServiceAccount,
        ownership,
        role::{self, NewRole, PATH},
        trust::{self, Request, Verdict},
        want::{Field, Scope},
    },
    plan::{
        Refusal, RoleOwnership, Step,
        role::{Planned, as_created, opening},
        sid_taken,
    },
};

impl<'a> Work<'a> {
    pub(super) fn role(&mut self, entry: &'a Entry<Role>) -> Result<Planned, Refusal> {
        let name = &entry.value.name;
        let users = self.users.get(name.as_str()).cloned().unwrap_or_default();
        let unread = RoleState::default();
        let have = self.ask.have.roles.get(name).unwrap_or(&unread);
        let planned = match &have.role {
            Observed::Known(Some(role)) => self.existing(entry, role, &users)?,
            Observed::Known(None) => self.create(entry, &users)?,
            Observed::Unreadable(why) => {
                return Err(Refusal::denied(format!("cannot determine whether role `{name}` exists: {why}"))
                    .hint("allow iam:GetRole, or reference the role by its ARN"));
            }
            Observed::NotRequested => return Err(Refusal::new(format!("role `{name}` was not read"))),
        };
        let targets = users.iter().filter_map(|(_, user)| user.value.target_role.set().map(String::as_str));
        let mut targets: Vec<&str> = targets.collect();
        targets.sort_unstable();
        targets.dedup();
        self.policies(entry, &planned, have, &targets)?;
        Ok(planned)
    }

    fn create(&mut self, entry: &Entry<Role>, users: &[&Expanded<'_>]) -> Result<Planned, Refusal> {
        let (wanted, cluster) = (&entry.value, self.ask.cluster);
        let path = wanted.path.as_deref().unwrap_or(PATH);
        let trust = self.trust(entry, users, &Document::to_extend(None))?;
        opening(&wanted.name, None, &trust, &cluster.arn, &mut self.plan);
        let mut tags = own_tags(cluster, entry.name.as_ref());
        tags.extend(tag_changes(&wanted.tags, &tags).0);
        let arn = Arn::iam(&cluster.arn.partition, &cluster.arn.account, "role", path, &wanted.name);
        self.plan.steps.push(Step::CreateRole(Box::new(NewRole {
            name: wanted.name.clone(),
            path: path.to_owned(),
            arn: arn.clone(),
            trust,
            tags,
            permissions_boundary: wanted.permissions_boundary.set().cloned(),
            description: format!("For EKS cluster {}, created by podid", cluster.name),
        })));
        Ok(Planned { name: wanted.name.clone(), arn, holder: RoleOwnership::New })
    }

    fn existing(
        &mut self,
        entry: &Entry<Role>,
        role: &role::Role,
        users: &[&Expanded<'_>],
    ) -> Result<Planned, Refusal> {
        let (wanted, name) = (&entry.value, &role.name);
        if !ownership::is_created_for(&role.tags, &self.ask.cluster.arn) {
            return Err(Refusal::new(format!(
                "role `{name}` already exists, and podid did not create it for cluster {}",
                self.ask.cluster.name
            ))
            .hint(format!("to use it unchanged, remove it from `roles` and reference it by its ARN: {}", role.arn))
            .hint(format!("to take it over and add podid's tags: `podid role create {name} --adopt`")));
        }
        if let Some(path) = wanted.path.as_ref().filter(|path| **path != role.path) {
            return Err(Refusal::new(format!(
                "role `{name}` has path {}, and IAM cannot change it to {path}",
                role.path
            ))
            .hint(format!("set `path: {}`, or choose another role name", role.path)));
        }
        self.adopt(entry, role, users)?;
        let after = self.trust(entry, users, &role.trust)?;
        if after != role.trust {
            opening(name, Some(&role.trust), &after, &role.arn, &mut self.plan);
            self.plan.steps.push(Step::PutTrust { role: name.clone(), before: role.trust.clone(), after });
        }
        let boundary = match &wanted.permissions_boundary {
            Field::Unmanaged => role.permissions_boundary.as_ref(),
            Field::Set(arn) => Some(arn),
            Field::Cleared => None,
        };
        if boundary != role.permissions_boundary.as_ref() {
            let (before, after) = (role.permissions_boundary.clone(), boundary.cloned());
            self.plan.steps.push(Step::PutBoundary { role: name.clone(), before, after });
        }
        let (mut set, gone) = tag_changes(&wanted.tags, &role.tags);
        set.extend(named(entry.name.as_ref(), &role.tags, &format!("role `{name}`"), &mut self.plan));
        if !set.is_empty() {
            self.plan.steps.push(Step::TagRole { role: name.clone(), tags: set });
        }
        if !gone.is_empty() {
            self.plan.steps.push(Step::UntagRole { role: name.clone(), keys: gone });
        }
        Ok(Planned { name: name.clone(), arn: role.arn.clone(), holder: RoleOwnership::Shared })
    }

    /// A role with podid's tags that a service account is about to use may be anybody's work: what the file does not say
    /// about it must be as podid creates it. What the file says is brought about and shown.
    fn adopt(&self, entry: &Entry<Role>, role: &role::Role, users: &[&Expanded<'_>]) -> Result<(), Refusal> {
        let arn = role.arn.to_string();
        if self.ask.adopt || users.is_empty() || self.ask.have.associations.values().any(|a| a.role_arn == arn) {
            return Ok(());
        }
        let nobody = ServiceAccount { namespace: String::new(), name: String::new() };
        let subjects: Vec<&ServiceAccount> = users.iter().map(|user| &user.0).chain([&nobody]).collect();
        let (policies, unread) = (&entry.value.policies, RoleState::default());
        let have = self.ask.have.roles.get(&role.name).unwrap_or(&unread);
        as_created(
            role,
            (&have.attached, &have.inline),
            &Asked {
                cluster: self.ask.cluster,
                scoped: entry.value.scope.map_or(&[], |_| &subjects),
                boundary: None,
                policy_arns: policies.managed.is_unmanaged().then_some(&[]),
                inline: policies.inline.is_unmanaged().then_some(&[]),
                // A role of a file is shared by its name.
                requested: None,
            },
        )
    }

    /// The trust policy as the file's associations need it: podid's statements for them are of the scope that the file
    /// says, what already admits one is not said twice, and those of associations that are pruned go. All others stay.
    /// Who uses the role, is in no file, and was admitted by a wider statement than stays, gets one of its own.
    fn trust(&self, entry: &Entry<Role>, users: &[&Expanded<'_>], before: &Document) -> Result<Document, Refusal> {
        let (cluster, name) = (self.ask.cluster, &entry.value.name);
        let nobody = ServiceAccount { namespace: String::new(), name: String::new() };
        let mut wanted: Vec<(&ServiceAccount, bool)> =
            users.iter().map(|user| (&user.0, self.ask.session_tags(user))).collect();
        if wanted.is_empty() {
            wanted.push((&nobody, true));
        }
        let mut after = before.clone();
        for subject in self.leaving(name) {
            after = trust::without_statement(&after, cluster, subject);
        }
        let scope = entry.value.scope;
        let statement = |subject: &ServiceAccount, tags: bool| {
            trust::statement(cluster, subject, scope.unwrap_or(trust::default_scope(tags)), tags)
        };
        let admits = |document: &Document, subject: &ServiceAccount, session_tags: bool| {
            trust::evaluate(document, &Request { cluster, subject, session_tags, now: None, pod: None })
        };
        let with = |document: &Document, subject: &ServiceAccount, statement| {
            trust::with_statement(document, cluster, subject, statement).map_err(|taken| sid_taken(name, &taken))
        };
        // Those that are there first: what a wide one admits today, it may not admit once it is narrowed.
        for (subject, tags) in &wanted {
            let statement = statement(subject, *tags);
            let Some(own) = trust::podid_statement(&after, cluster, subject) else { continue };
            if *own == statement || scope.is_none() && admits(&after, subject, *tags) == Verdict::Admits {
                continue;
            }
            let bare = trust::without_statement(&after, cluster, subject);
            after =
                if admits(&bare, subject, *tags) == Verdict::Admits { bare } else { with(&after, subject, statement)? };
        }
        for (subject, tags) in &wanted {
            let there = trust::podid_statement(&after, cluster, subject).is_some();
            let admitted = !users.is_empty() && admits(&after, subject, *tags) == Verdict::Admits;
            if !there && !admitted {
                after = with(&after, subject, statement(subject, *tags))?;
            }
        }
        for &(subject, tags) in self.other_users.get(name.as_str()).into_iter().flatten() {
            if admits(before, subject, tags) == Verdict::Admits && admits(&after, subject, tags) != Verdict::Admits {
                let narrow = trust::statement(cluster, subject, trust::default_scope(tags), tags);
                after = with(&after, subject, narrow)?;
            }
        }
        for (subject, tags) in wanted.iter().filter(|_| !users.is_empty()) {
            if let Verdict::Refuses(reasons) = admits(&after, subject, *tags) {
                let why = trust::in_words(&reasons);
                return Err(Refusal::new(format!(
                    "the trust policy of role `{name}` would not allow {subject}: {why}"
                ))
                .hint("remove the statement that denies it, or use another role"));
            }
        }
        if let Some(long) = trust::too_long(Some(before), &after) {
            let refusal = Refusal::new(format!("the trust policy of role `{name}` {long}"));
            return Err(match scope {
                Some(Scope::Cluster | Scope::None) => refusal.hint("use another role for some of its associations"),
                _ => refusal.hint("set the wider `scope: namespace` or `scope: cluster`, or use several roles"),
            });
        }
        Ok(after)
    }
}
