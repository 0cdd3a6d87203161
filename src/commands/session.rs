//! What `exec` and `credentials` have in common: the session of a service account's pods, for a program on this machine.

use std::cell::RefCell;

use crate::{
    commands::subject,
    context::Context,
    failure::{Failure, Kind, Result},
    local::environment::{ASKED, MARK},
    model::{
        names::ServiceAccount,
        subject::{ObjectRef, Subject},
        workload::Pod,
    },
    observe::session,
    ports::Credentials,
};

/// Where sessions come from: a service account, and the pod in whose name EKS Auth is asked.
pub struct Source<'a> {
    ctx: &'a Context,
    /// The service account.
    pub subject: ServiceAccount,
    object: Option<ObjectRef>,
    cluster: &'a str,
    /// The cluster's.
    pub region: &'a str,
    pod: RefCell<Pod>,
}

/// A session that EKS Auth gave.
#[derive(Debug)]
pub struct Session {
    /// Its ARN, which CloudTrail records.
    pub arn: String,
    /// Name of the pod.
    pub pod: String,
    /// Its credentials.
    pub credentials: Credentials,
}

impl Session {
    /// The role's part of the ARN; each session has a name of its own.
    pub fn role(&self) -> &str {
        self.arn.rsplit_once('/').map_or(&self.arn, |(role, _)| role)
    }
}

/// Refuses what runs inside of `podid exec` or of `podid credentials`: its AWS credentials would be a pod's, or its own.
///
/// # Errors
/// Usage, with what to do instead.
pub fn refuse_nested() -> Result<()> {
    let mark = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    if let Some(subject) = mark(MARK) {
        return Err(Failure::usage(format!("already running under `podid exec`, as {subject} (`{MARK}` is set)"))
            .because("podid would sign in with the credentials of that pod")
            .hint("leave that shell or command first"));
    }
    if mark(ASKED).is_some_and(|process| process != std::process::id().to_string()) {
        return Err(Failure::usage("podid's own AWS credentials come from `podid credentials` too")
            .because("the AWS profile that podid uses has `podid credentials` as its `credential_process`")
            .hint("name the profile that podid is to use: add `--profile NAME` to the `credential_process` line"));
    }
    Ok(())
}

/// What Kubernetes forbids is one of a few permissions.
fn permitted(failure: Failure) -> Failure {
    if failure.from_kubernetes() && failure.is(Kind::Forbidden) {
        return failure.hint("print the Kubernetes roles that this needs: `podid iam-policy exec --rbac`");
    }
    failure
}

impl<'a> Source<'a> {
    /// Finds a running pod.
    ///
    /// # Errors
    /// There is none, or it cannot be read.
    pub async fn find(ctx: &'a Context, subject: &Subject) -> Result<Self> {
        let cluster = ctx.cluster().await?;
        let found = async {
            let (subject, object) = subject::one(ctx, subject).await?;
            let kube = ctx.kube().await?;
            let read = session::running_pod(kube, &subject, object.as_ref(), None);
            let pod = ctx.deadline.within("reading the pods", read).await?;
            Ok((subject, object, pod))
        };
        match found.await {
            Ok((subject, object, pod)) => {
                let (cluster, region) = (cluster.name.as_str(), cluster.arn.region.as_str());
                Ok(Self { ctx, subject, object, cluster, region, pod: RefCell::new(pod) })
            }
            Err(failure) => Err(permitted(ctx.explain_kube(failure, false).await)),
        }
    }

    /// Prints whose credentials a session has, and under which name its calls are recorded.
    pub fn announce(&self, session: &Session) {
        self.ctx.term.status(format!("acting as {} (pod {})", self.subject, session.pod));
        self.ctx.term.status(format!("CloudTrail shows the calls as {}", session.arn));
    }

    /// Name of the pod.
    pub fn pod(&self) -> String {
        self.pod.borrow().name.clone()
    }

    /// A session, within the command's time limit.
    ///
    /// # Errors
    /// No token is issued, or EKS Auth refuses.
    pub async fn session(&self) -> Result<Session> {
        self.ctx.deadline.within("requesting credentials from EKS Auth", Box::pin(self.ask())).await
    }

    /// Another session, whatever time it is; with another pod, where the one of before no longer runs.
    ///
    /// # Errors
    /// As [`Self::session`], and no pod runs.
    pub async fn renew(&self) -> Result<Session> {
        let (kube, kept) = (self.ctx.kube().await?, self.pod());
        let pod = session::running_pod(kube, &self.subject, self.object.as_ref(), Some(&kept)).await?;
        *self.pod.borrow_mut() = pod;
        Box::pin(self.ask()).await
    }

    async fn ask(&self) -> Result<Session> {
        let (kube, auth) = (self.ctx.kube().await?, self.ctx.eks_auth()?);
        let pod = self.pod.borrow().clone();
        let session = session::session(auth, kube, self.cluster, &self.subject, &pod).await;
        let session = session.map_err(|failure| {
            if failure.from_kubernetes() || failure.service_message().contains("is not authorized to perform") {
                return permitted(failure);
            }
            failure.hint(format!("see what is wrong: `podid verify {}`", self.subject))
        })?;
        Ok(Session { arn: session.session().to_owned(), pod: pod.name, credentials: session.credentials()? })
    }
}
