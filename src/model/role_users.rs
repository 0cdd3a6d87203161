//! Who uses a role: the associations that name it, and those that its trust policy still lets, where nobody could look.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::{
    arn::Arn,
    association::Association,
    cluster::Cluster,
    document::Document,
    names::ServiceAccount,
    trust::{self, Allowed},
};

/// An association that uses a role.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct User {
    /// Name of the cluster.
    pub cluster_name: String,
    /// Region of the cluster, if it is not the one in use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Namespace.
    pub namespace: String,
    /// Service account.
    pub service_account: String,
    /// Id of the association.
    pub association_id: String,
    /// True when it is the target role.
    pub as_target: bool,
}

impl User {
    /// `NS/SA`, with the cluster where there are several.
    pub fn shown(&self, several: bool) -> String {
        let subject = format!("{}/{}", self.namespace, self.service_account);
        match &self.region {
            Some(region) => format!("{}:{subject} ({region})", self.cluster_name),
            None if several => format!("{}:{subject}", self.cluster_name),
            None => subject,
        }
    }

    /// Whether its cluster may be this one: where it is in the region in use, that region is not known here.
    fn may_be_in(&self, cluster: &Arn) -> bool {
        self.cluster_name == cluster.name() && self.region.as_ref().is_none_or(|region| *region == cluster.region)
    }

    /// `NS/SA in cluster NAME`.
    pub fn placed(&self) -> String {
        let Self { namespace, service_account, cluster_name, .. } = self;
        let region = self.region.as_ref().map_or(String::new(), |region| format!(" ({region})"));
        format!("{namespace}/{service_account} in cluster {cluster_name}{region}")
    }
}

/// What came of reading the associations of a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClusterRead {
    /// All of them are known.
    Read,
    /// There is no such cluster.
    Missing,
    /// Not readable; why, and whether a permission was missing.
    Unread(String, bool),
}

/// The associations that were read, by role, and what could not be read.
#[derive(Debug, Clone, Default)]
pub struct Reads {
    /// Clusters, by ARN.
    pub clusters: BTreeMap<Arn, ClusterRead>,
    /// Once the clusters of every region were looked for: regions that could not be read, why, and whether a permission was
    /// missing.
    pub regions: Option<BTreeMap<String, (String, bool)>>,
    by_role: BTreeMap<(String, String), Vec<User>>,
}

/// Who uses one role, beside those that are about to leave it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Usage {
    /// Associations that use it.
    pub users: Vec<User>,
    /// Why it may have more users, one line each.
    pub doubts: Vec<String>,
    /// Some of that is so for want of a permission.
    pub denied: bool,
}

/// A role that trusts Pod Identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trusting {
    /// ARN.
    pub arn: Arn,
    /// Trust policy.
    pub trust: Document,
    /// Who uses it, where no association of the cluster at hand does.
    pub unused: Option<Usage>,
    /// podid's statements that no association needs, as far as the clusters that they name were read.
    pub left: Vec<LeftStatement>,
}

/// podid's statement in a trust policy, for a service account that has no association with the role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftStatement {
    /// Its Sid.
    pub sid: String,
    /// The cluster that it names.
    pub cluster: Arn,
    /// The service account, where the statement names it.
    pub subject: Option<ServiceAccount>,
}

/// The roles of an account that trust Pod Identity, and the associations that were read.
#[derive(Debug, Clone, Default)]
pub struct AccountRoles {
    /// Their ARNs and trust policies.
    pub roles: Vec<(Arn, Document)>,
    /// Who uses them.
    pub reads: Reads,
}

impl AccountRoles {
    /// Each of them, with what is known of its users where no association that was read uses it.
    pub fn trusting(&self) -> Vec<Trusting> {
        self.roles.iter().map(|(arn, trust)| self.one(arn, trust)).collect()
    }

    /// The one of this name.
    pub fn named(&self, name: &str) -> Option<Trusting> {
        self.roles.iter().find(|(arn, _)| arn.name() == name).map(|(arn, trust)| self.one(arn, trust))
    }

    fn one(&self, arn: &Arn, trust: &Document) -> Trusting {
        let unused = self.reads.of(arn).is_empty().then(|| self.reads.usage(arn, trust, |_| false));
        Trusting { arn: arn.clone(), trust: trust.clone(), unused, left: self.reads.left(arn, trust) }
    }
}

impl Usage {
    /// Nobody uses the role, and nothing is left to doubt.
    pub fn is_unused(&self) -> bool {
        self.users.is_empty() && self.doubts.is_empty()
    }
}

/// A role's name is unique in its account, whatever its path.
fn key(arn: &Arn) -> (String, String) {
    (arn.account.clone(), arn.name().to_owned())
}

impl Reads {
    /// Takes an association of a cluster into account; `region` where it is not the one in use.
    pub fn add(&mut self, association: &Association, region: Option<&str>) {
        let summary = &association.summary;
        let roles = [(Some(&association.role_arn), false), (association.target_role_arn.as_ref(), true)];
        for (arn, as_target) in roles.into_iter().filter_map(|(arn, target)| Some((arn?.parse::<Arn>().ok()?, target)))
        {
            self.by_role.entry(key(&arn)).or_default().push(User {
                cluster_name: summary.cluster_name.clone(),
                region: region.map(str::to_owned),
                namespace: summary.subject.namespace.clone(),
                service_account: summary.subject.name.clone(),
                association_id: summary.association_id.clone(),
                as_target,
            });
        }
    }

    /// Takes back an association that is gone.
    pub fn forget(&mut self, association_id: &str) {
        for users in self.by_role.values_mut() {
            users.retain(|user| user.association_id != association_id);
        }
    }

    /// Why a cluster was not read, and whether for want of a permission.
    pub fn unread(&self, cluster: &Arn) -> Option<(&str, bool)> {
        match self.clusters.get(cluster)? {
            ClusterRead::Read => None,
            ClusterRead::Missing => Some(("there is no such cluster in this account and region", false)),
            ClusterRead::Unread(why, denied) => Some((why, *denied)),
        }
    }

    /// How many clusters were read.
    pub fn read(&self) -> usize {
        self.clusters.values().filter(|read| **read == ClusterRead::Read).count()
    }

    /// The associations that use a role, in order.
    pub fn of(&self, role: &Arn) -> Vec<User> {
        let mut users = self.by_role.get(&key(role)).cloned().unwrap_or_default();
        users.sort();
        users
    }

    /// podid's statements in the trust policy of a role that none of the associations of the clusters that they name needs.
    pub fn left(&self, role: &Arn, document: &Document) -> Vec<LeftStatement> {
        let users = self.of(role);
        let left = |(sid, cluster, subject): (String, Arn, Option<ServiceAccount>)| {
            if self.clusters.get(&cluster) != Some(&ClusterRead::Read) {
                return None;
            }
            let named = Cluster::named(cluster.clone());
            let needed = users.iter().filter(|user| user.may_be_in(&cluster)).any(|user| {
                let subject = ServiceAccount { namespace: user.namespace.clone(), name: user.service_account.clone() };
                trust::sid(&named, &subject) == sid
            });
            (!needed).then_some(LeftStatement { sid, cluster, subject })
        };
        trust::own_statements(document).into_iter().filter_map(left).collect()
    }

    /// Who uses a role with this trust policy, beside those that `leaves` tells. `home` is a cluster in use.
    pub fn usage(&self, role: &Arn, document: &Document, leaves: impl Fn(&User) -> bool) -> Usage {
        let mut usage =
            Usage { users: self.of(role).into_iter().filter(|user| !leaves(user)).collect(), ..Usage::default() };
        let allowed = trust::allowed(document);
        for arn in &allowed.clusters {
            if arn.account != role.account || arn.partition != role.partition {
                usage.doubts.push(format!("cluster {arn} is in another account"));
                continue;
            }
            match self.clusters.get(arn) {
                Some(ClusterRead::Read) => {}
                Some(ClusterRead::Missing) => {
                    usage.doubts.push(format!("cluster {arn}, which its trust policy names, does not exist"));
                }
                Some(ClusterRead::Unread(why, denied)) => usage.unread(&format!("cluster {arn}"), why, *denied),
                None => usage.doubts.push(format!("the associations of cluster {arn} were not read")),
            }
        }
        self.open(&allowed, &mut usage);
        usage.doubts.extend(allowed.others.iter().map(|other| format!("its trust policy allows {other}")));
        usage
    }

    /// Clusters that no statement names may have users where a statement lets any.
    fn open(&self, allowed: &Allowed, usage: &mut Usage) {
        let Some(first) = allowed.open.first() else {
            // Whoever asked for a cluster by name learns that it could not be read.
            for (arn, read) in self.clusters.iter().filter(|(arn, _)| !allowed.clusters.contains(*arn)) {
                if let ClusterRead::Unread(why, denied) = read {
                    usage.unread(&format!("cluster {}", arn.name()), why, *denied);
                }
            }
            return;
        };
        let Some(regions) = &self.regions else {
            usage.doubts.push(format!("{first}, and other regions were not read"));
            return;
        };
        for (region, (why, denied)) in regions {
            usage.unread(&format!("region {region}"), why, *denied);
        }
        for (arn, read) in self.clusters.iter().filter(|(arn, _)| !allowed.clusters.contains(*arn)) {
            if let ClusterRead::Unread(why, denied) = read {
                usage.unread(&format!("cluster {arn}"), why, *denied);
            }
        }
    }
}

impl Usage {
    fn unread(&mut self, what: &str, why: &str, denied: bool) {
        self.doubts.push(format!("{what} could not be read: {why}"));
        self.denied |= denied;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::model::{
        fixtures::{association, cluster, role, subject},
        trust::{document, statement},
        want::Scope,
    };

    fn trusting(scope: Scope) -> Document {
        document(statement(&cluster(), &subject("carts/carts"), scope, true))
    }

    fn arn() -> Arn {
        role("app", trusting(Scope::Cluster)).arn
    }

    fn read(state: ClusterRead) -> Reads {
        Reads { clusters: BTreeMap::from([(cluster().arn, state)]), ..Reads::default() }
    }

    #[test]
    fn associations_are_users_unless_they_leave() {
        let mut reads = read(ClusterRead::Read);
        reads.add(&association("arn:aws:iam::111122223333:role/podid/app"), None);
        let usage = reads.usage(&arn(), &trusting(Scope::Cluster), |_| false);
        assert_eq!(usage.users.iter().map(User::placed).collect::<Vec<_>>(), ["carts/carts in cluster eks-workshop"]);
        assert!(reads.usage(&arn(), &trusting(Scope::Cluster), |_| true).is_unused());
        let other = Arn { account: "999988887777".to_owned(), ..arn() };
        assert!(reads.of(&other).is_empty(), "a role of that name in another account");
    }

    /// Of podid's own statements alone, and only where all associations of the cluster are known.
    #[test]
    fn a_statement_is_left_where_no_association_needs_it() {
        let left = |reads: &Reads, scope| {
            let left = reads.left(&arn(), &trusting(scope));
            left.into_iter().map(|it| it.subject.map(|subject| subject.to_string())).collect::<Vec<_>>()
        };
        let mut reads = read(ClusterRead::Read);
        assert_eq!(left(&reads, Scope::ServiceAccount), [Some("carts/carts".to_owned())]);
        assert_eq!(left(&reads, Scope::Cluster), [None]);
        assert_eq!(left(&reads, Scope::None), []);
        assert_eq!(left(&read(ClusterRead::Missing), Scope::ServiceAccount), []);
        assert_eq!(left(&Reads::default(), Scope::ServiceAccount), []);
        let mut theirs = trusting(Scope::ServiceAccount);
        theirs.0["Statement"][0]["Sid"] = "Theirs".into();
        assert_eq!(reads.left(&arn(), &theirs), []);
        reads.add(&association("arn:aws:iam::111122223333:role/podid/app"), Some("eu-west-1"));
        assert_eq!(left(&reads, Scope::Cluster), [None], "the cluster of that name in another region");
        reads.add(&association("arn:aws:iam::111122223333:role/podid/app"), None);
        assert_eq!(left(&reads, Scope::ServiceAccount), []);
        assert_eq!(left(&reads, Scope::Cluster), []);
    }

    #[test]
    fn a_cluster_that_was_not_read_leaves_a_doubt() {
        let doubts = |reads: &Reads, scope| reads.usage(&arn(), &trusting(scope), |_| false).doubts;
        assert!(doubts(&read(ClusterRead::Read), Scope::Cluster).is_empty());
        let cluster = "cluster arn:aws:eks:us-west-2:111122223333:cluster/eks-workshop";
        assert_eq!(
            doubts(&read(ClusterRead::Missing), Scope::Cluster),
            [format!("{cluster}, which its trust policy names, does not exist")]
        );
        let unread = read(ClusterRead::Unread("no route".to_owned(), false));
        assert_eq!(doubts(&unread, Scope::Cluster), [format!("{cluster} could not be read: no route")]);
        assert_eq!(doubts(&Reads::default(), Scope::Cluster), [format!("the associations of {cluster} were not read")]);
    }

    #[test]
    fn an_open_trust_policy_asks_for_every_region() {
        let mut reads = read(ClusterRead::Read);
        let doubts = |reads: &Reads| reads.usage(&arn(), &trusting(Scope::None), |_| false).doubts;
        assert!(doubts(&reads)[0].ends_with("names no cluster, and other regions were not read"));
        reads.regions = Some(BTreeMap::new());
        assert!(doubts(&reads).is_empty());
        reads.regions = Some(BTreeMap::from([("eu-west-1".to_owned(), ("denied".to_owned(), true))]));
        assert_eq!(doubts(&reads), ["region eu-west-1 could not be read: denied"]);
        assert!(reads.usage(&arn(), &trusting(Scope::None), |_| false).denied);
    }

    #[test]
    fn another_accounts_cluster_and_other_principals_are_doubts() {
        let mut far = cluster();
        far.arn.account = "999988887777".to_owned();
        let named = document(statement(&far, &subject("carts/carts"), Scope::Cluster, true));
        let usage = read(ClusterRead::Read).usage(&arn(), &named, |_| false);
        assert_eq!(usage.doubts, [format!("cluster {} is in another account", far.arn)]);
        let mut everyone = trusting(Scope::Cluster);
        everyone.0["Statement"][0]["Principal"] = serde_json::json!("*");
        let usage = read(ClusterRead::Read).usage(&arn(), &everyone, |_| false);
        assert_eq!(
            BTreeSet::from_iter(usage.doubts),
            BTreeSet::from(["its trust policy allows everyone (*)".to_owned()])
        );
    }
}
