//! `podid wait`: until a condition of a service account holds; for scripts. Writes nothing.

mod alone;
mod document;

use std::time::Duration;

use clap::{Args, ValueEnum};
use schemars::JsonSchema;
use serde::Serialize;

pub(crate) use self::document::Document;
use crate::{
    args::SubjectArg,
    commands::{shared::count, subject},
    context::Context,
    failure::{Code, Failure, Result},
    model::{
        agent::Reach,
        association::Association,
        have::{Observed, ServiceAccountState},
        names::ServiceAccount,
        staleness,
        subject::ObjectRef,
        workload::{Injection, Pod, Workload},
    },
    observe,
    output::{Format, Progress},
    plan,
    ports::Kubernetes,
    prove::{
        effective::{self, Change, Effect},
        injected,
    },
    wait::Backoff,
};

/// Wait until a service account is ready to use
///
/// ready: it is associated, and new pods get credentials. injected: it is associated, and all its running pods
/// are injected; pods that are yet to be created count as not injected. agent: the agent is ready on the nodes where
/// its pods run or could run. Exits at once when the condition holds, and with 5 and what is missing when --timeout
/// is over. Changes nothing.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Wait {
    #[command(flatten)]
    subject: SubjectArg,
    /// What to wait for
    #[arg(long = "for", value_enum, value_name = "CONDITION")]
    condition: Condition,
    /// With --for injected: also count pods that started before the association's last change
    #[arg(long)]
    allow_stale: bool,
    /// With --for ready: make no AWS call, and check only that dry-run pods are injected; connects by kubeconfig or --in-cluster
    #[arg(long)]
    kubernetes_only: bool,
}

/// Examples of this command.
pub const EXAMPLES: &str = "\
Examples:
  podid wait carts/carts --for ready
  podid wait carts/carts --for injected --timeout 10m
  podid wait deployment/carts -n carts --for injected
  podid wait carts/carts --for agent -o json
  podid wait carts/carts --for ready --kubernetes-only --in-cluster";

/// `--for`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Condition {
    /// New pods get credentials
    #[value(alias = "effective")]
    Ready,
    /// All running pods are injected
    Injected,
    /// The agent is ready where the pods run or could run
    Agent,
}

/// One look.
enum Look {
    /// It holds; how that is known.
    Holds(String),
    /// It does not yet.
    Lacks(Lack),
}

/// What is missing so far.
#[derive(Default)]
struct Lack {
    /// One line each.
    missing: Vec<String>,
    /// It is the association itself.
    unassociated: bool,
    /// What helps where pods are not injected.
    advice: Vec<String>,
}

impl Look {
    fn missing(missing: Vec<String>) -> Self {
        Self::Lacks(Lack { missing, ..Lack::default() })
    }
}

/// What is known so far.
#[derive(Default)]
struct SoFar {
    lack: Lack,
    /// The service account, looked up when it turned out not to be associated.
    account: Observed<ServiceAccountState>,
}

/// Reads that may fail in a row before the wait is given up: API servers are replaced now and then.
const FAULTS: u32 = 3;

/// Of what is missing, in an error.
const SHOWN: usize = 10;

/// What is waited for, of whom.
struct Awaited {
    subject: ServiceAccount,
    /// Of its pods only those of this one.
    object: Option<ObjectRef>,
    condition: Condition,
    allow_stale: bool,
    kubernetes_only: bool,
}

impl Wait {
    /// Runs the command.
    ///
    /// # Errors
    /// The deadline, with what is missing; a read that failed.
    pub async fn run(self, ctx: &Context) -> Result<Code> {
        if self.allow_stale && self.condition != Condition::Injected {
            return Err(Failure::usage("--allow-stale is only for `--for injected`"));
        }
        if self.kubernetes_only && self.condition != Condition::Ready {
            return Err(Failure::usage("--kubernetes-only is only for `--for ready`"));
        }
        if self.kubernetes_only {
            // Before anything asks for the EKS cluster.
            ctx.kube_alone().await?;
        }
        let (subject, object) = subject::one(ctx, &self.subject.0).await?;
        let Self { condition, allow_stale, kubernetes_only, .. } = self;
        Awaited { subject, object, condition, allow_stale, kubernetes_only }.run(ctx).await
    }
}

impl Awaited {
    async fn run(self, ctx: &Context) -> Result<Code> {
        let line = ctx.term.progress(self.subject.to_string());
        let mut so_far = SoFar::default();
        match self.until(ctx, &line, &mut so_far).await {
            Ok(how) => {
                line.done(&how);
                self.render(ctx, Some(&how), &[])?;
                Ok(Code::Ok)
            }
            Err(failure) => {
                line.clear();
                if failure.code == Code::TimedOut {
                    self.render(ctx, None, &so_far.lack.missing)?;
                }
                Err(failure)
            }
        }
    }

    async fn until(&self, ctx: &Context, line: &Progress, so_far: &mut SoFar) -> Result<String> {
        let what = format!("waiting until {} is {}", self.subject, self.words());
        let mut backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(5));
        // Who cannot be asked at all is told at once, and not after the whole deadline.
        let (mut faults, mut answered) = (0, false);
        loop {
            match self.read_state(ctx, line).await {
                Ok(Look::Holds(how)) => return Ok(how),
                Ok(Look::Lacks(lack)) => {
                    (faults, answered) = (0, true);
                    line.update(lack.missing.first().map_or_else(String::new, |first| match lack.missing.len() {
                        1 => first.clone(),
                        more => format!("{first}, and {} more", more - 1),
                    }));
                    so_far.lack = lack;
                    self.look_up(ctx, so_far).await;
                }
                Err(failure) if failure.code == Code::Failed && answered && faults < FAULTS => {
                    faults += 1;
                    line.update(format!("a refresh failed: {failure}"));
                }
                Err(failure) if failure.code == Code::TimedOut => return Err(self.late(failure, so_far)),
                Err(failure) => return Err(ctx.explain_kube(failure, false).await),
            }
            if let Err(failure) = ctx.deadline.pause(&what, backoff.step()).await {
                return Err(self.late(failure, so_far));
            }
        }
    }

    /// The deadline's failure, with what is missing.
    fn late(&self, failure: Failure, so_far: &mut SoFar) -> Failure {
        if failure.code != Code::TimedOut {
            return failure;
        }
        // What a probe waited for is said by its own failure.
        if !failure.causes.is_empty() {
            so_far.lack = Lack { missing: failure.causes.clone(), ..Lack::default() };
            return self.hinted(failure, so_far);
        }
        let missing = &so_far.lack.missing;
        let more = missing.len().saturating_sub(SHOWN);
        let mut failure = missing.iter().take(SHOWN).cloned().fold(failure, Failure::because);
        if more > 0 {
            failure = failure.because(format!("and {more} more"));
        }
        self.hinted(failure, so_far)
    }

    /// Whether it exists at all, looked up once: Kubernetes tells what was probably meant. Not being able to tell is no fault.
    async fn look_up(&self, ctx: &Context, so_far: &mut SoFar) {
        let due = matches!(so_far.account, Observed::NotRequested) && so_far.lack.unassociated;
        let (true, Ok(kube)) = (due, ctx.kube().await) else { return };
        let read = ctx.deadline.within("reading the service account", kube.service_account(&self.subject)).await;
        so_far.account = match read {
            Ok(state) => Observed::Known(state),
            Err(failure) => Observed::Unreadable(failure.to_string()),
        };
    }

    fn hinted(&self, failure: Failure, so_far: &SoFar) -> Failure {
        let subject = &self.subject;
        if let Some(near) = so_far.account.meant() {
            let missing = so_far.account.known().and_then(|state| state.missing(subject));
            let failure = missing.into_iter().fold(failure, Failure::because);
            let command = match self.condition {
                Condition::Ready => format!("`podid wait {near} --for ready`"),
                Condition::Injected => format!("`podid wait {near} --for injected`"),
                Condition::Agent => format!("`podid wait {near} --for agent`"),
            };
            return failure.hint(format!("did you mean {command}?"));
        }
        if so_far.lack.unassociated {
            return failure.hint(format!("associate it with `podid associate {subject} --create-role`"));
        }
        if !so_far.lack.advice.is_empty() {
            return so_far.lack.advice.iter().fold(failure, Failure::hint);
        }
        match self.condition {
            Condition::Ready => failure.hint(format!("check it with `podid show {subject}`")),
            Condition::Injected => failure
                .hint(format!("restart the pods that are not injected with `podid recycle {subject}`"))
                .hint(format!("if new pods are not injected either, {}", injected::LOOK)),
            Condition::Agent => failure.hint("see why with `podid agent status`"),
        }
    }

    fn words(&self) -> &'static str {
        match self.condition {
            Condition::Ready => "ready",
            Condition::Injected => "injected in all its pods",
            Condition::Agent => "served by a ready agent",
        }
    }

    async fn read_state(&self, ctx: &Context, line: &Progress) -> Result<Look> {
        match self.condition {
            Condition::Ready if self.kubernetes_only => alone::injected(ctx, line, &self.subject).await,
            Condition::Ready => self.effective(ctx, line).await,
            Condition::Injected => self.injected(ctx).await,
            Condition::Agent => self.agent(ctx).await,
        }
    }

    async fn effective(&self, ctx: &Context, line: &Progress) -> Result<Look> {
        let (cluster, eks, kube) = (ctx.cluster().await?, ctx.eks()?, ctx.kube().await?);
        // Without an association nothing of the pods matters: they are not read in each round.
        let read = observe::association(eks, &cluster.name, &self.subject);
        let Some(association) = ctx.deadline.within("reading the association", read).await? else {
            return Ok(Self::not_associated(&cluster.name));
        };
        // A pod of it would be proof at once; without the permission to see one, a probe is.
        let pods = async {
            match kube.pods(&self.subject).await {
                Err(failure) if observe::forbidden(&failure) => Ok(None),
                pods => pods.map(Some),
            }
        };
        let pods = ctx.deadline.within("listing the pods", pods).await?;
        let pods = pods.as_deref();
        let proved =
            effective::prove(kube, &ctx.deadline, line, &self.subject, &association, Change::Nothing, pods).await;
        let proved = proved.map_err(|failure| match failure.code {
            Code::TimedOut if failure.causes.is_empty() => {
                failure.because(format!("not every API server injects new pods of {} yet", self.subject))
            }
            _ => failure,
        })?;
        Ok(match proved.effect {
            Effect::Observed => Look::Holds(format!("ready: {}", proved.how)),
            Effect::Assumed => Look::Holds(format!("probably ready: {}", proved.how)),
            Effect::No | Effect::NoAgent => Look::missing(vec![proved.how]),
            Effect::Blocked => Look::missing(vec![format!("no new pods can be created now: {}", proved.how)]),
            // Nothing that waiting changes.
            Effect::Never => {
                let never = Failure::failed(format!("no new pods of {} can be created", self.subject));
                return Err(proved.failure(&self.subject).unwrap_or(never));
            }
        })
    }

    async fn injected(&self, ctx: &Context) -> Result<Look> {
        let (cluster, eks, kube) = (ctx.cluster().await?, ctx.eks()?, ctx.kube().await?);
        let read = observe::association(eks, &cluster.name, &self.subject);
        let Some(association) = ctx.deadline.within("reading the association", read).await? else {
            return Ok(Self::not_associated(&cluster.name));
        };
        let read = users(kube, &self.subject);
        let (mut pods, mut workloads) = ctx.deadline.within("reading the workloads and pods", read).await?;
        if let Some(object) = &self.object {
            object.narrow(&mut pods, &mut workloads);
        }
        let live: Vec<&Pod> = pods.iter().filter(|pod| pod.live()).collect();
        let mut missing: Vec<String> =
            live.iter()
                .filter_map(|pod| match pod.injection() {
                    Injection::Injected if self.allow_stale => None,
                    Injection::Injected => staleness::stale(pod, &association)
                        .map(|why| format!("pod {} needs a restart: {why}", pod.name)),
                    Injection::No => Some(format!("pod {} is not injected", pod.name)),
                    Injection::Partly(lacking) => Some(format!(
                        "new pods get credentials (pod {} was injected) but for {}",
                        pod.name,
                        lacking.join(", ")
                    )),
                })
                .collect();
        let waited = workloads.iter().filter(|w| w.replicas > 0 && !live.iter().any(|pod| w.owns(pod)));
        missing.extend(waited.map(|workload| format!("{} has no pods yet", workload.id)));
        if !missing.is_empty() {
            return Ok(Look::Lacks(Lack {
                missing,
                advice: self.advice(&workloads, &pods, &association),
                ..Lack::default()
            }));
        }
        Ok(Look::Holds(match live.len() {
            0 => "no pods run, and none are expected".to_owned(),
            1 => "its pod is injected".to_owned(),
            n => format!("all {n} pods are injected"),
        }))
    }

    /// What helps pods that are not injected: a restart does not help where nothing restarts them.
    fn advice(&self, workloads: &[Workload], pods: &[Pod], association: &Association) -> Vec<String> {
        let stale = |pod: &Pod| !self.allow_stale && staleness::stale(pod, association).is_some();
        let lacks = |pod: &Pod| pod.injection() != Injection::Injected || stale(pod);
        let (skipped, restarts) = plan::skipped(workloads, pods, &lacks);
        let empty = workloads.iter().filter(|w| w.paused && w.replicas > 0 && !pods.iter().any(|pod| w.owns(pod)));
        let empty = empty.map(|Workload { id, .. }| {
            format!(
                "{id} is paused and creates no pods: resume it with `kubectl rollout resume {id} -n {}`",
                id.namespace
            )
        });
        let reasons: Vec<String> = skipped.into_iter().map(|skipped| skipped.reason).chain(empty).collect();
        if reasons.is_empty() {
            return Vec::new();
        }
        let recycle = restarts.then(|| format!("restart the others with `podid recycle {}`", self.subject));
        reasons.into_iter().chain(recycle).collect()
    }

    async fn agent(&self, ctx: &Context) -> Result<Look> {
        let (cluster, eks, kube) = (ctx.cluster().await?, ctx.eks()?, ctx.kube().await?);
        let (state, (pods, workloads)) = futures::try_join!(
            ctx.deadline.within("reading the agent", observe::agent(eks, kube, cluster)),
            ctx.deadline.within("reading the workloads and pods", users(kube, &self.subject)),
        )?;
        let state = match state {
            Observed::Known(state) => state,
            Observed::Unreadable(why) => {
                return Err(Failure::new(Code::Denied, format!("the agent could not be read: {why}")));
            }
            Observed::NotRequested => return Err(Failure::failed("the agent was not read")),
        };
        let lacking = |nodes: Vec<(String, String)>| {
            Look::missing(nodes.into_iter().map(|(node, why)| format!("{node}: {why}")).collect())
        };
        Ok(match state.reach(&pods, &workloads) {
            Reach::Everywhere(nodes) => {
                Look::Holds(format!("ready on {} where its pods run or could run", count(nodes, "node")))
            }
            Reach::Lacking(nodes) => lacking(nodes),
            Reach::NoNodes => Look::missing(vec!["there is no node that its pods could run on".to_owned()]),
            Reach::NoPods(nodes) if !nodes.is_empty() => lacking(nodes),
            Reach::NoPods(_) if !state.installed() && !state.auto_mode => {
                Look::missing(vec!["the agent is not installed".to_owned()])
            }
            Reach::NoPods(_) => Look::Holds("no pods use it yet; ready on every node that needs it".to_owned()),
        })
    }

    fn not_associated(cluster: &str) -> Look {
        let missing = vec![format!("no association in cluster {cluster}")];
        Look::Lacks(Lack { missing, unassociated: true, ..Lack::default() })
    }

    fn render(&self, ctx: &Context, how: Option<&str>, missing: &[String]) -> Result<()> {
        let document = Document {
            account: &self.subject,
            condition: self.condition,
            holds: how.is_some(),
            how,
            missing,
            object: self.object.as_ref(),
        };
        match ctx.term.format() {
            Format::Json => ctx.term.emit_json(&document),
            Format::Yaml => ctx.term.emit_yaml(&document),
            Format::Name if how.is_some() => ctx.term.emit_line(&self.subject),
            Format::Name | Format::Table | Format::Wide => Ok(()),
        }
    }
}

/// The pods and workloads that use a service account. Not being allowed to list the pods, or any kind of workload, is a failure:
/// nothing holds of what was not seen.
async fn users(kube: &dyn Kubernetes, subject: &ServiceAccount) -> Result<(Vec<Pod>, Vec<Workload>)> {
    let namespace = Some(subject.namespace.as_str());
    let (pods, mut workloads) = futures::try_join!(kube.pods(subject), kube.all_workloads(namespace))?;
    workloads.extend(observe::rollouts(kube, &pods, namespace).await?);
    workloads.retain(|workload| workload.service_account == subject.name);
    Ok((pods, workloads))
}
