//! Whose a session is: the service accounts of a cluster whose association, or IRSA annotation, names the session's role.

use futures::{StreamExt, TryStreamExt};

use super::{describe_all, seen_or_why};
use crate::{
    failure::Result,
    model::{
        arn::{account, last},
        association::{Association, AssociationFilter, AssociationSummary},
        have::Observed,
        names::ServiceAccount,
        session_name,
        workload::Pod,
    },
    ports::{Eks, Kubernetes},
};

/// The role of a session, by the ARN of the session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    partition: String,
    account: String,
    role: String,
    name: String,
}

impl Session {
    /// By `arn:PARTITION:sts::ACCOUNT:assumed-role/ROLE/NAME`.
    pub fn of(arn: &str) -> Option<Self> {
        let (head, resource) = arn.split_once(":assumed-role/")?;
        let (role, name) = resource.split_once('/')?;
        let [_, partition, _, _, account] = head.split(':').collect::<Vec<_>>()[..] else { return None };
        Some(Self {
            partition: partition.to_owned(),
            account: account.to_owned(),
            role: role.to_owned(),
            name: name.to_owned(),
        })
    }

    /// Whether a role is its role. People black out accounts in what they paste, so that only a whole one counts.
    fn is_of(&self, role_arn: &str) -> bool {
        let account = account(role_arn).unwrap_or_default();
        let whole = self.account.len() == 12 && self.account.bytes().all(|b| b.is_ascii_digit());
        let same_partition = role_arn.split(':').nth(1) == Some(&self.partition);
        last(role_arn) == self.role && same_partition && (!whole || account == self.account)
    }
}

/// A service account that has the session's role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The service account.
    pub account: ServiceAccount,
    /// Its association; `None` where an IRSA annotation names the role.
    pub association: Option<Association>,
    /// Its pods that the session's name fits.
    pub pods: Vec<String>,
}

/// Who has the role of a session by an association. Where the session's name fits pods, only their service accounts are read.
/// The second value tells whether pods could be read.
///
/// # Errors
/// When the associations cannot be read.
pub async fn by_association(
    eks: &dyn Eks,
    kube: Result<&dyn Kubernetes>,
    cluster: &str,
    session: &Session,
) -> Result<(Vec<Holder>, Observed<()>)> {
    let pods = async {
        let read = match kube {
            Ok(kube) => kube.all_pods(None).await,
            Err(failure) => Err(failure),
        };
        seen_or_why(read, "list pods")
    };
    let filter = AssociationFilter::default();
    let (pods, summaries) = futures::try_join!(pods, eks.associations(cluster, &filter))?;
    let none = Vec::new();
    let fitting = |pod: &&Pod| session_name::may_be_of(&session.name, cluster, &pod.name);
    let named: Vec<&Pod> = pods.known().unwrap_or(&none).iter().filter(fitting).collect();
    let runs_as =
        |subject: &ServiceAccount, pod: &Pod| pod.namespace == subject.namespace && pod.service_account == subject.name;
    let (first, others): (Vec<_>, Vec<_>) =
        summaries.into_iter().partition(|summary| named.iter().any(|pod| runs_as(&summary.subject, pod)));
    let mut holders = holders(eks, cluster, first, session).await?;
    if holders.is_empty() {
        holders = self::holders(eks, cluster, others, session).await?;
    }
    for holder in &mut holders {
        let own = named.iter().filter(|pod| runs_as(&holder.account, pod));
        holder.pods = own.map(|pod| pod.name.clone()).collect();
    }
    Ok((holders, pods.map(|_| ())))
}

/// Who has the role of a session by an association, whatever the session is called.
///
/// # Errors
/// When the associations cannot be read.
pub async fn by_role(eks: &dyn Eks, cluster: &str, session: &Session) -> Result<Vec<Holder>> {
    let summaries = eks.associations(cluster, &AssociationFilter::default()).await?;
    holders(eks, cluster, summaries, session).await
}

/// Those of some associations that name the session's role, as role or as target role.
async fn holders(
    eks: &dyn Eks,
    cluster: &str,
    summaries: Vec<AssociationSummary>,
    session: &Session,
) -> Result<Vec<Holder>> {
    let described: Vec<Option<Association>> = describe_all(eks, cluster, summaries).boxed().try_collect().await?;
    let names_it = |association: &Association| {
        let target = association.target_role_arn.as_deref();
        session.is_of(&association.role_arn) || target.is_some_and(|arn| session.is_of(arn))
    };
    let found = described.into_iter().flatten().filter(names_it);
    Ok(found
        .map(|association| Holder {
            account: association.summary.subject.clone(),
            association: Some(association),
            pods: Vec::new(),
        })
        .collect())
}

/// Who has the role of a session by an IRSA annotation.
///
/// # Errors
/// When the service accounts cannot be read.
pub async fn by_annotation(kube: &dyn Kubernetes, session: &Session) -> Result<Vec<Holder>> {
    let all = kube.all_service_accounts(None).await?;
    let annotated = all
        .into_iter()
        .filter(|(_, annotation)| annotation.as_ref().is_some_and(|annotation| session.is_of(&annotation.role)));
    Ok(annotated.map(|(account, _)| Holder { account, association: None, pods: Vec::new() }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_the_sessions_by_name_and_by_a_whole_account() {
        let session =
            |account: &str| Session::of(&format!("arn:aws:sts::{account}:assumed-role/carts/eks-c-p")).unwrap();
        assert!(session("111122223333").is_of("arn:aws:iam::111122223333:role/team/carts"));
        assert!(!session("111122223333").is_of("arn:aws:iam::444455556666:role/carts"));
        assert!(!session("111122223333").is_of("arn:aws:iam::111122223333:role/other"));
        assert!(session("ACCOUNT_ID").is_of("arn:aws:iam::444455556666:role/carts"));
        assert!(!session("111122223333").is_of("arn:aws-cn:iam::111122223333:role/carts"));
        assert_eq!(Session::of("arn:aws:iam::111122223333:user/dev"), None);
    }
}
