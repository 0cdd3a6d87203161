//! Reads who uses roles: the associations of the clusters that trust policies name, in whatever region, and of every region
//! where one names none. IAM roles are global, associations are not.

use std::{
    collections::{BTreeMap, BTreeSet},
    pin::pin,
};

use futures::stream::{self, StreamExt};

use super::{CONCURRENCY, describe_all, forbidden};
use crate::{
    failure::{Code, Failure, Kind, Result},
    model::{
        arn::Arn,
        association::{Association, AssociationFilter},
        document::Document,
        regions,
        role_users::{ClusterRead, Reads, Usage, User},
        trust,
    },
    ports::Eks,
};

/// A search for the users of roles. Each cluster is read once.
pub struct Search<'a> {
    eks: &'a dyn Eks,
    /// A cluster in use: its region is the client's.
    home: Arn,
    tell: &'a (dyn Fn(String) + Sync),
    /// Associations of clusters of the region in use that need not be described again, by cluster and id.
    described: BTreeMap<(String, String), Association>,
    /// What was found.
    pub reads: Reads,
}

impl<'a> Search<'a> {
    /// A search from a cluster's region and account. `tell` hears how far the reading of many associations is.
    pub fn new(eks: &'a dyn Eks, home: &Arn, tell: &'a (dyn Fn(String) + Sync)) -> Self {
        Self { eks, home: home.clone(), tell, described: BTreeMap::new(), reads: Reads::default() }
    }

    /// Takes associations of the region in use that were described a moment ago as they are.
    #[must_use]
    pub fn described(mut self, associations: impl IntoIterator<Item = Association>) -> Self {
        let key = |it: &Association| (it.summary.cluster_name.clone(), it.summary.association_id.clone());
        self.described.extend(associations.into_iter().map(|it| (key(&it), it)));
        self
    }

    /// The ARN of a cluster of the region in use.
    pub fn at_home(&self, name: &str) -> Arn {
        Arn { service: "eks".to_owned(), resource: format!("cluster/{name}"), ..self.home.clone() }
    }

    /// Takes the associations of a cluster that were read already into account.
    pub fn known<'b>(&mut self, cluster: &Arn, associations: impl IntoIterator<Item = &'b Association>) {
        self.reads.clusters.insert(cluster.clone(), ClusterRead::Read);
        let region = (cluster.region != self.home.region).then_some(cluster.region.as_str());
        for association in associations {
            self.reads.add(association, region);
        }
    }

    /// Reads the associations of a cluster.
    ///
    /// # Errors
    /// When a read in the region in use failed for another reason than a missing permission.
    pub async fn cluster(&mut self, cluster: &Arn) -> Result<()> {
        if self.reads.clusters.contains_key(cluster) {
            return Ok(());
        }
        let far = (cluster.region != self.home.region).then(|| self.eks.elsewhere(&cluster.region));
        let eks = far.as_deref().unwrap_or(self.eks);
        let region = far.is_some().then_some(cluster.region.as_str());
        let nothing = BTreeMap::new();
        let described = if far.is_some() { &nothing } else { &self.described };
        let (found, state) = match associations(eks, cluster.name(), described, self.tell).await {
            Ok(read) => read,
            Err(failure) if region.is_none() || is_local(&failure) => return Err(failure),
            Err(failure) => (Vec::new(), ClusterRead::Unread(failure.to_string(), false)),
        };
        for association in &found {
            self.reads.add(association, region);
        }
        self.reads.clusters.insert(cluster.clone(), state);
        Ok(())
    }

    /// Reads the clusters in which these trust policies let a role have users: those that they name, and all of every region
    /// where one names none.
    ///
    /// # Errors
    /// As [`Search::cluster`].
    pub async fn trusted<'b>(&mut self, documents: impl IntoIterator<Item = &'b Document>) -> Result<()> {
        let (mut named, mut open) = (BTreeSet::new(), false);
        for document in documents {
            let allowed = trust::allowed(document);
            open |= !allowed.open.is_empty();
            named.extend(allowed.clusters);
        }
        named.retain(|arn: &Arn| arn.account == self.home.account && arn.partition == self.home.partition);
        for cluster in &named {
            self.cluster(cluster).await?;
        }
        if open && self.reads.regions.is_none() {
            self.everywhere().await?;
        }
        Ok(())
    }

    /// Reads the clusters of every region that the account has enabled.
    async fn everywhere(&mut self) -> Result<()> {
        let all = regions::beside(&self.home.region);
        let (eks, home) = (self.eks, self.home.region.as_str());
        let lists = stream::iter(&all).map(|region| async move {
            let far = (region.name != home).then(|| eks.elsewhere(region.name));
            (region, far.as_deref().unwrap_or(eks).clusters().await)
        });
        let lists: Vec<_> = lists.buffered(CONCURRENCY).collect().await;
        // Credentials that are good elsewhere are unknown only where the account has not enabled the region.
        let known = lists.iter().any(|(_, names)| names.is_ok());
        let mut clusters = Vec::new();
        let mut unread = BTreeMap::new();
        for (region, names) in lists {
            match names {
                Ok(names) => clusters.extend(
                    names.into_iter().map(|name| Arn { region: region.name.to_owned(), ..self.at_home(&name) }),
                ),
                Err(failure) if known && region.opt_in && is_not_enabled(&failure) => {}
                Err(failure) if is_local(&failure) => return Err(failure),
                Err(failure) if forbidden(&failure) => {
                    unread.insert(region.name.to_owned(), ("not allowed: eks:ListClusters".to_owned(), true));
                }
                Err(failure) => {
                    unread.insert(region.name.to_owned(), (failure.to_string(), false));
                }
            }
        }
        for cluster in clusters {
            self.cluster(&cluster).await?;
        }
        self.reads.regions = Some(unread);
        Ok(())
    }

    /// Who uses a role, beside those that `leaves` tells.
    pub fn usage(&self, role: &Arn, document: &Document, leaves: impl Fn(&User) -> bool) -> Usage {
        self.reads.usage(role, document, leaves)
    }
}

/// podid was interrupted or out of time: no fault of a region.
fn is_local(failure: &Failure) -> bool {
    matches!(failure.code, Code::Interrupted | Code::Terminated | Code::TimedOut)
}

/// The answer of a region that the account has not enabled: nobody is known there.
pub fn is_not_enabled(failure: &Failure) -> bool {
    failure.is(Kind::UnknownCaller)
}

/// All associations of a cluster in full: a List tells no role.
///
/// # Errors
/// When a read failed for another reason than a missing permission, or a cluster that does not exist.
async fn associations(
    eks: &dyn Eks,
    cluster: &str,
    described: &BTreeMap<(String, String), Association>,
    tell: &(dyn Fn(String) + Sync),
) -> Result<(Vec<Association>, ClusterRead)> {
    let denied = |permission: &str| ClusterRead::Unread(format!("not allowed: {permission}"), true);
    let summaries = match eks.associations(cluster, &AssociationFilter::default()).await {
        Ok(summaries) => summaries,
        Err(failure) if failure.is(Kind::NotFound) => return Ok((Vec::new(), ClusterRead::Missing)),
        Err(failure) if forbidden(&failure) => {
            return Ok((Vec::new(), denied("eks:ListPodIdentityAssociations")));
        }
        Err(failure) => return Err(failure),
    };
    let (mut found, mut left) = (Vec::new(), Vec::new());
    for summary in summaries {
        match described.get(&(cluster.to_owned(), summary.association_id.clone())) {
            Some(association) => found.push(association.clone()),
            None => left.push(summary),
        }
    }
    let (total, mut read) = (left.len(), 0);
    let mut describing = pin!(describe_all(eks, cluster, left));
    while let Some(association) = describing.next().await {
        read += 1;
        if total > CONCURRENCY {
            tell(format!("{read} of {total} associations of {cluster} read"));
        }
        match association {
            Ok(association) => found.extend(association),
            Err(failure) if forbidden(&failure) => {
                return Ok((found, denied("eks:DescribePodIdentityAssociation")));
            }
            Err(failure) => return Err(failure),
        }
    }
    Ok((found, ClusterRead::Read))
}
