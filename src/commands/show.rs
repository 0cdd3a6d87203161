//! `podid show`: one association in full, with what hangs on it: role, trust, policies, workloads and pods.

mod document;
mod pods;
mod way;

use std::sync::Arc;

use clap::Args;

pub(crate) use self::document::Document;
use crate::{
    args::SubjectArg,
    checks::{self, Identity, Source},
    commands::{causes::Look, subject},
    context::Context,
    failure::{Code, Failure, Result},
    model::{
        arn::last,
        association::{Association, AssociationFilter},
        cluster::Cluster,
        have::{Observed, ServiceAccountState},
        names::ServiceAccount,
        policy,
        role::Role,
        snapshot::Snapshot,
        staleness,
        subject::{ObjectRef, Subject},
        text,
        trust::{self, Verdict},
        workload::Pod,
    },
    observe::{self, SubjectView},
    output::{Format, block::Block},
    plan,
};

/// Show a service account: association, role, policies and pods
///
/// For a service account without an association, podid shows the credentials that its pods use instead. Each running
/// pod is shown as injected, not injected, partly injected (with the containers that are not), or needs restart:
/// injected, but started before the association's last change took effect.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Show {
    #[command(flatten)]
    subject: SubjectArg,
    /// Read AWS only: no Kubernetes calls, no workloads and pods
    #[arg(long)]
    no_pods: bool,
}

/// Examples of this command.
pub const EXAMPLES: &str = "\
Examples:
  podid show carts/carts
  podid show deployment/carts -n carts
  podid show carts/carts -o json
  podid show carts/carts --no-pods -o yaml";

/// What is to be shown.
struct Shown {
    account: ServiceAccount,
    /// Of its pods only those of this one.
    object: Option<ObjectRef>,
    no_pods: bool,
}

/// Everything that is shown.
struct View {
    account: ServiceAccount,
    object: Option<ObjectRef>,
    association: Option<Association>,
    role: Observed<Option<Role>>,
    attached: Observed<Vec<String>>,
    inline: Observed<Vec<String>>,
    subject: SubjectView,
    verdict: Option<Verdict>,
    /// What helps where Kubernetes could not be read.
    hints: Vec<String>,
}

impl Show {
    /// Runs the command.
    ///
    /// # Errors
    /// What failed, with its exit code.
    pub async fn run(self, ctx: &Context) -> Result<Code> {
        if self.no_pods && matches!(self.subject.0, Subject::Object(_)) {
            return Err(Failure::usage("--no-pods does not read Kubernetes: name the service account itself"));
        }
        let (account, object) = subject::one(ctx, &self.subject.0).await?;
        Box::pin(Shown { account, object, no_pods: self.no_pods }.run(ctx)).await
    }
}

impl Shown {
    async fn run(self, ctx: &Context) -> Result<Code> {
        let cluster_name = &ctx.target()?.cluster.value;
        let eks = ctx.eks()?;
        let association =
            ctx.deadline.within("reading the association", observe::association(eks, cluster_name, &self.account));
        let (cluster, association, (subject, hints)) = futures::join!(ctx.cluster(), association, self.kube(ctx));
        let cluster = cluster?;
        let association = association?;
        if association.is_none() && !uses_something(&subject) {
            return Err(self.missing(ctx, &subject).await);
        }
        let (role, attached, inline) = match &association {
            Some(association) => self.role(ctx, association).await?,
            None => RoleParts::default(),
        };
        let verdict = role.known().and_then(Option::as_ref).map(|role| {
            let request = trust::Request {
                cluster,
                subject: &self.account,
                session_tags: association.as_ref().is_none_or(|association| !association.disable_session_tags),
                now: Some(ctx.term.now()),
                pod: None,
            };
            trust::evaluate(&role.trust, &request)
        });
        let (account, object) = (self.account.clone(), self.object.clone());
        let view = View { account, object, association, role, attached, inline, subject, verdict, hints };
        match ctx.term.format() {
            Format::Json => ctx.term.emit_json(&Document::of(&view))?,
            Format::Yaml => ctx.term.emit_yaml(&Document::of(&view))?,
            Format::Name => ctx.term.emit_line(&self.account)?,
            Format::Table | Format::Wide => self.render(ctx, cluster, &view)?,
        }
        Ok(Code::Ok)
    }

    /// Kubernetes' part. Without it the association is still shown, and what is missing is said.
    async fn kube(&self, ctx: &Context) -> (SubjectView, Vec<String>) {
        if self.no_pods {
            return Default::default();
        }
        let read = async {
            let kube = ctx.kube().await?;
            ctx.deadline.within("reading the workloads and pods", observe::subject(kube, &self.account)).await
        };
        match read.await {
            Ok(mut view) => {
                if let Some(object) = &self.object {
                    view.narrow(object);
                }
                (view, Vec::new())
            }
            Err(failure) => {
                let failure = ctx.explain_kube(failure, false).await;
                let unread = failure.to_string();
                let view = SubjectView {
                    service_account: Observed::Unreadable(unread.clone()),
                    pods: Observed::Unreadable(unread.clone()),
                    workloads: Observed::Unreadable(unread),
                };
                (view, failure.hints)
            }
        }
    }

    async fn role(&self, ctx: &Context, association: &Association) -> Result<RoleParts> {
        let iam = ctx.iam()?;
        let name = last(&association.role_arn);
        let inline = async {
            match iam.inline_policies(name).await {
                Ok(names) => Ok(Observed::Known(names)),
                Err(failure) if observe::forbidden(&failure) => {
                    Ok(Observed::Unreadable("not allowed: iam:ListRolePolicies".to_owned()))
                }
                Err(failure) => Err(failure),
            }
        };
        let read = async {
            let (role, inline) = futures::join!(observe::role(iam, name, true, false), inline);
            let role = role?;
            Ok((role.role, role.attached, inline?))
        };
        ctx.deadline.within("reading the role", read).await
    }

    /// There is no association: say so, with near names and the command that makes one.
    async fn missing(&self, ctx: &Context, view: &SubjectView) -> Failure {
        let Ok(target) = ctx.target() else { return Failure::failed("no association") };
        let cluster = &target.cluster.value;
        let mut failure = Failure::failed(format!("no association for `{}` in cluster `{cluster}`", self.account));
        let mut near = None;
        if let Ok(eks) = ctx.eks()
            && let Ok(all) = ctx
                .deadline
                .within("searching for similar names", eks.associations(cluster, &AssociationFilter::default()))
                .await
        {
            let known: Vec<String> = all.iter().map(|a| a.subject.to_string()).collect();
            near = text::nearest(&self.account.to_string(), known.iter().map(String::as_str)).into_iter().next();
        }
        let meant = view.service_account.meant();
        if let Some(near) = &near {
            failure = failure.hint(format!("did you mean `podid show {near}`?"));
        } else if let Some(near) = meant {
            let what = view.service_account.known().and_then(|state| state.missing(&self.account));
            let failure = what.map_or(failure.clone(), |what| failure.because(what));
            return failure.hint(format!("did you mean `podid show {near}`?"));
        }
        // Nothing is proposed for a name that does not exist where a similar one does.
        if meant.is_some()
            || near.is_some() && view.service_account.known().is_some_and(|s| s.missing(&self.account).is_some())
        {
            return failure;
        }
        failure.hint(self.associate())
    }

    fn associate(&self) -> String {
        format!("associate it with `podid associate {} --role NAME`", self.account)
    }

    fn render(&self, ctx: &Context, cluster: &Cluster, view: &View) -> Result<()> {
        let Some(a) = &view.association else {
            let block = Block::new()
                .field("Service account", account_line(&self.account, &view.subject))
                .field("Association", "none");
            ctx.term.emit_block(&block)?;
            self.render_pods(ctx, view)?;
            // Pods with an IRSA role lack nothing.
            if !view.identities().iter().any(|it| it.source == Source::Irsa) {
                ctx.term.hint(self.associate());
            }
            return Ok(());
        };
        let (streams, paint) = (ctx.term.streams(), ctx.term.out_paint());
        if streams.out_tty {
            let look = Look { paint, width: streams.width };
            ctx.term.emit(&way::picture(view, a, streams.unicode, look))?;
        }
        let mut role = vec![a.role_arn.clone()];
        match &view.role {
            Observed::Known(None) => role.push("the role does not exist".to_owned()),
            Observed::Unreadable(why) => role.push(format!("could not be read ({why})")),
            Observed::Known(Some(_)) | Observed::NotRequested => {}
        }
        let owner =
            a.summary.owner_arn.as_ref().map(|owner| format!("{owner} (an EKS add-on: change it through the add-on)"));
        let mut block = Block::new()
            .field("Service account", account_line(&self.account, &view.subject))
            .field("Association", &a.summary.association_id)
            .field("ARN", &a.summary.association_arn)
            .maybe("Owner", owner)
            .list("Role", role)
            .maybe("Target role", a.target_role_arn.clone())
            .maybe("External id", a.external_id.clone());
        if !matches!(view.role, Observed::Known(None)) {
            block =
                block.list("Trust", trust_lines(cluster, &self.account, view)).list("Policies", view.policy_lines());
        }
        block = block
            .field("Session tags", if a.disable_session_tags { "disabled" } else { "sent" })
            .maybe("Session policy", a.policy.clone())
            .list("Tags", a.tags.iter().map(|(key, value)| format!("{key}={value}")))
            .time("Created", a.created_at)
            .time("Modified", a.modified_at.filter(|modified| Some(*modified) != a.created_at));
        ctx.term.emit_block(&block)?;
        self.render_pods(ctx, view)
    }

    fn render_pods(&self, ctx: &Context, view: &View) -> Result<()> {
        let (workloads, pods) = (&view.subject.workloads, &view.subject.pods);
        match (workloads.unreadable(), pods.unreadable()) {
            (Some(why), Some(_)) => ctx.term.warn(format!("workloads and pods could not be read: {why}")),
            (Some(why), None) => ctx.term.warn(format!("workloads could not be read: {why}")),
            (None, Some(why)) => ctx.term.warn(format!("pods could not be read: {why}")),
            (None, None) => {}
        }
        if let (Some(workloads), Some(pods)) = (workloads.known(), pods.known())
            && let Some(unread) = plan::unread_rollouts(pods, workloads)
        {
            ctx.term.warn(unread);
        }
        for hint in &view.hints {
            ctx.term.hint(hint);
        }
        if let Observed::Known(workloads) = workloads {
            ctx.term.emit_block(&Block::new().table("Workloads", pods::workloads_table(workloads)))?;
        }
        let Observed::Known(pods) = pods else { return Ok(()) };
        if pods.is_empty() {
            ctx.term.note(match &self.object {
                Some(object) => format!("{object} has no pods now"),
                None => format!("no pods use {}", self.account),
            });
            return Ok(());
        }
        let association = view.association.as_ref();
        ctx.term.emit_block(&Block::new().table("Pods", pods::pods_table(pods, association, &view.identities())))?;
        let Some(association) = association else { return Ok(()) };
        let stale = pods.iter().filter(|p| p.live() && staleness::stale(p, association).is_some()).count();
        let needs = |pod: &Pod| staleness::stale(pod, association).is_some();
        let (skipped, restarts) = plan::skipped(workloads.known().map_or(&[][..], Vec::as_slice), pods, &needs);
        if stale > 0 && (restarts || skipped.is_empty()) {
            ctx.term.hint(format!(
                "{} without the association: restart with `podid recycle {}`",
                crate::prove::agent::count(stale, "pod"),
                self.account
            ));
        }
        for skipped in skipped {
            ctx.term.hint(skipped.reason);
        }
        Ok(())
    }
}

/// Without an association there is something to show where something runs as the service account.
fn uses_something(view: &SubjectView) -> bool {
    let pods = view.pods.known().is_some_and(|pods| !pods.is_empty());
    pods || view.workloads.known().is_some_and(|workloads| !workloads.is_empty())
}

type RoleParts = (Observed<Option<Role>>, Observed<Vec<String>>, Observed<Vec<String>>);

impl View {
    /// What the containers act as, as far as the pods' specs tell.
    fn identities(&self) -> Vec<Identity> {
        let mut snapshot = Snapshot::unread(self.account.clone(), jiff::Timestamp::default(), Arc::default());
        snapshot.association = Observed::Known(self.association.clone());
        snapshot.service_account = self.subject.service_account.clone();
        snapshot.pods = self.subject.pods.clone();
        checks::identities(&snapshot)
    }

    fn policy_lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        match &self.attached {
            Observed::Known(arns) => lines.extend(arns.iter().cloned()),
            Observed::Unreadable(why) => lines.push(format!("attached policies could not be read ({why})")),
            Observed::NotRequested => {}
        }
        match &self.inline {
            Observed::Known(names) => lines.extend(names.iter().map(|name| {
                let whose = if policy::is_podids(name) { "inline, from podid" } else { "inline" };
                format!("{name} ({whose})")
            })),
            Observed::Unreadable(why) => lines.push(format!("inline policies could not be read ({why})")),
            Observed::NotRequested => {}
        }
        if lines.is_empty() {
            lines.push("none: AWS denies every call of the role".to_owned());
        }
        lines
    }
}

fn account_line(subject: &ServiceAccount, view: &SubjectView) -> String {
    match &view.service_account {
        Observed::Known(ServiceAccountState::Missing { .. }) => format!("{subject} (does not exist in Kubernetes)"),
        Observed::Known(ServiceAccountState::NoNamespace { .. }) => {
            format!("{subject} (namespace {} does not exist in Kubernetes)", subject.namespace)
        }
        Observed::Known(ServiceAccountState::Exists { irsa_role: Some(role) }) => {
            format!("{subject} (IRSA annotation {role}: the association takes precedence)")
        }
        // What keeps everything from being read is said once, with the pods.
        Observed::Unreadable(why) if view.pods.unreadable() != Some(why) => {
            format!("{subject} (could not be read: {why})")
        }
        _ => subject.to_string(),
    }
}

/// The trust policy in a line or a few: whom it admits, or why not.
fn trust_lines(cluster: &Cluster, subject: &ServiceAccount, view: &View) -> Vec<String> {
    let Some(role) = view.role.known().and_then(Option::as_ref) else { return vec!["not read".to_owned()] };
    match &view.verdict {
        Some(Verdict::Admits) => {
            let own = trust::has_podid_statement(&role.trust, cluster, subject);
            vec![format!("allows this service account{}", if own { " (podid's statement)" } else { "" })]
        }
        Some(Verdict::Refuses(why)) => {
            let mut lines = vec!["does not allow this service account:".to_owned()];
            lines.extend(why.iter().map(|why| format!("- {why}")));
            lines
        }
        Some(Verdict::Unknown(why)) => vec![format!("cannot be determined: {}", why.join("; "))],
        None => vec!["not read".to_owned()],
    }
}
