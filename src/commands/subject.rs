//! What the subjects of a command stand for: service accounts, and the service account of a pod or workload, which is read from
//! its namespace.

use std::fmt;

use crate::{
    context::Context,
    failure::{Failure, Result},
    model::{
        glob::{Glob, Pattern},
        names::ServiceAccount,
        subject::{ObjectKind, ObjectRef, Subject},
        text,
        workload::WorkloadKind,
    },
    observe::objects::objects,
};

/// Service accounts, and the object that they were named by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// Which service accounts.
    pub accounts: Pattern,
    /// Of the pods of this one only those of this object.
    pub object: Option<ObjectRef>,
}

impl From<Pattern> for Named {
    fn from(accounts: Pattern) -> Self {
        Self { accounts, object: None }
    }
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.object {
            Some(object) => write!(f, "{}/{object}", object.namespace),
            None => self.accounts.fmt(f),
        }
    }
}

/// The namespace of names, as `-n` gives it.
///
/// # Errors
/// Usage, when it is a pattern.
pub fn namespace_of_names(namespace: Option<&Glob>) -> Result<Option<&str>> {
    let Some(namespace) = namespace else { return Ok(None) };
    let pattern = || Failure::usage(format!("--namespace: `{namespace}` is a pattern; names need one namespace"));
    namespace.literal().map(Some).ok_or_else(pattern)
}

/// What is meant, each once; Kubernetes is asked only about objects.
///
/// # Errors
/// Usage, an object that does not exist, and what kept podid from reading it.
pub async fn resolve(ctx: &Context, subjects: &[Subject]) -> Result<Vec<Named>> {
    let mut all: Vec<Named> = Vec::new();
    for subject in subjects {
        let named = match subject {
            Subject::Accounts(accounts) => Named::from(accounts.clone()),
            Subject::Object(object) => {
                let account = match owner(ctx, object).await {
                    Ok(account) => account,
                    Err(failure) => {
                        let failure = ctx.explain_kube(failure, false).await;
                        let lacking = "print the permissions that podid needs: `podid iam-policy --rbac`";
                        return Err(if failure.denied() { failure.hint(lacking) } else { failure });
                    }
                };
                Named { accounts: Pattern::from(&account), object: Some(object.clone()) }
            }
        };
        if !all.contains(&named) {
            all.push(named);
        }
    }
    Ok(all)
}

/// The same for a command about one service account.
///
/// # Errors
/// As [`resolve`], and when it is a pattern.
pub async fn one(ctx: &Context, subject: &Subject) -> Result<(ServiceAccount, Option<ObjectRef>)> {
    let named = resolve(ctx, std::slice::from_ref(subject)).await?;
    let one = named.into_iter().find_map(|named| Some((named.accounts.literal()?, named.object)));
    one.ok_or_else(|| Failure::usage("a pattern is not accepted here: name one service account"))
}

/// The service account that an object runs as.
async fn owner(ctx: &Context, object: &ObjectRef) -> Result<ServiceAccount> {
    let ObjectRef { kind, namespace, name } = object;
    let read = objects(ctx.kube().await?, *kind, namespace);
    let space = ctx.deadline.within(&format!("reading {object} of namespace {namespace}"), read).await?;
    if let Some(account) = object.account(&space) {
        return Ok(account);
    }
    let failure = Failure::failed(match kind {
        ObjectKind::Job | ObjectKind::ReplicaSet => format!("no pods of {object} in namespace `{namespace}`"),
        _ => format!("{object} does not exist in namespace `{namespace}`"),
    });
    let names = space.names(*kind);
    let near = text::nearest(name, names.iter().map(String::as_str));
    let near: Vec<String> = near.iter().map(|near| format!("{namespace}/{}/{near}", kind.word())).collect();
    let look = || format!("list them with `kubectl get {} -n {namespace}`", plural(*kind));
    Err(failure.hint(text::meant(&near).unwrap_or_else(look)))
}

/// kubectl's resource of a kind.
fn plural(kind: ObjectKind) -> String {
    match kind {
        // `rollouts` of another API group may be there too.
        ObjectKind::Workload(WorkloadKind::Rollout) => "rollouts.argoproj.io".to_owned(),
        kind => format!("{}s", kind.word()),
    }
}
