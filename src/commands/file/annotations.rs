//! `podid apply --from-annotations`: what is wanted is read from service accounts in the cluster, and from no file.

use clap::Args;

use crate::{
    context::Context,
    failure::{Failure, Result},
    model::{
        irsa::{Annotation, ROLE_ARN},
        manifest::{Entries, RolePattern, annotated},
        names::ServiceAccount,
        subject,
    },
};

/// Service accounts instead of files.
#[derive(Debug, Args)]
pub(super) struct OfServiceAccounts {
    /// Instead of a manifest: associate each service account with the role of its annotation eks.amazonaws.com/role-arn
    #[arg(long, conflicts_with = "file", requires = "allow_role")]
    from_annotations: bool,
    /// With --from-annotations: roles that annotations may name, as a pattern for names or ARNs (can be repeated)
    #[arg(long, value_name = "PATTERN", requires = "from_annotations", conflicts_with = "file")]
    allow_role: Vec<RolePattern>,
    /// With --from-annotations: only the service accounts of this namespace
    #[arg(long, short, value_name = "NAMESPACE", requires = "from_annotations", conflicts_with = "file", value_parser = subject::namespace)]
    namespace: Option<String>,
}

impl OfServiceAccounts {
    pub(super) fn are_wanted(&self) -> bool {
        self.from_annotations
    }

    /// Reads the annotations. What is passed over is said, with the reason.
    ///
    /// # Errors
    /// When Kubernetes may not be asked, or does not answer.
    pub(super) async fn read(&self, ctx: &Context, no_wait: bool) -> Result<Entries> {
        if no_wait {
            return Err(Failure::usage(
                "`--from-annotations` reads service accounts, and `--no-wait` makes no call to Kubernetes",
            )
            .hint("omit `--no-wait`"));
        }
        let (cluster, kube) = (ctx.cluster().await?, ctx.kube().await?);
        let list = kube.all_service_accounts(self.namespace.as_deref());
        let all = match ctx.deadline.within("reading the service accounts", list).await {
            Ok(all) => all,
            Err(failure) => return Err(ctx.explain_kube(failure, false).await),
        };
        let annotation = |(subject, annotation): (ServiceAccount, Option<Annotation>)| Some((subject, annotation?));
        let all: Vec<(ServiceAccount, Annotation)> = all.into_iter().filter_map(annotation).collect();
        if all.is_empty() {
            let place = self.namespace.as_ref().map_or(String::new(), |namespace| format!(" in namespace {namespace}"));
            ctx.term.note(format!("no service accounts with the annotation {ROLE_ARN}{place}"));
        }
        let (entries, passed_over) = annotated(&all, &self.allow_role, &cluster.arn);
        for it in passed_over {
            ctx.term.warn(format!("{} is passed over: {}", it.subject, it.why));
        }
        Ok(entries)
    }
}
