//! The AWS side: EKS, IAM, STS, EKS Auth and DynamoDB, told apart by the signature's credential scope.

mod addon_life;
mod addons;
mod associations;
mod catalog;
mod documents;
mod dynamodb;
mod eks;
mod eks_auth;
mod iam;
mod iam_policies;
mod last_used;
mod node_groups;
mod policy;
mod sigv4;
mod simulate;
mod sts;
#[cfg(test)]
mod tests;
mod web_identity;
mod wire;

use std::{collections::BTreeMap, io, sync::Arc};

use http::Response;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use sha2::{Digest, Sha256};

pub(crate) use self::{
    addon_life::step, dynamodb::app_call, eks_auth::agent_credentials, sts::caller_of_eks_token,
    web_identity::session as web_identity,
};
pub use self::{
    addon_life::{Addon, Update},
    associations::Association,
    eks_auth::{session_tags, trust_admits},
    iam::Role,
    sts::{AppCredentials, Session},
};
use crate::{
    http::{Body, Named, Req},
    scenario::{Delays, NodeGroup, Scenario, Table},
    state::World,
};

/// Everything on the AWS side.
#[derive(Debug)]
pub struct Aws {
    /// IAM roles by name.
    pub roles: BTreeMap<String, Role>,
    /// Documents of managed policies by ARN.
    pub policies: BTreeMap<String, Value>,
    /// Pod identity associations by id.
    pub associations: BTreeMap<String, Association>,
    /// EKS add-ons by cluster and name.
    pub addons: BTreeMap<(String, String), Addon>,
    /// DynamoDB tables by name.
    pub tables: BTreeMap<String, Table>,
    /// Tags of clusters, by name.
    pub cluster_tags: BTreeMap<String, BTreeMap<String, String>>,
    /// An update with an empty string leaves a field as it was, instead of clearing it.
    pub keeps_cleared: bool,
    /// Associations that are gone, as long as an API server may still know them.
    gone: Vec<Association>,
    /// Creates that were asked with an idempotency token: token, fingerprint of the request, id.
    tokens: BTreeMap<String, (String, String)>,
    /// Tags and policies of role sessions, by session ARN.
    limits: BTreeMap<String, sts::Limits>,
    /// Credentials that EKS Auth handed out, by access key id.
    keys: BTreeMap<String, sts::Key>,
    /// Reports on the last use of roles, by the ids of their jobs.
    last_use_jobs: BTreeMap<String, last_used::Job>,
    /// Service control policies, one for each level; empty outside an organisation.
    organization: Vec<Value>,
    /// Managed node groups of the first cluster.
    node_groups: Vec<NodeGroup>,
    account: String,
    /// The cluster whose Kubernetes API is served.
    first_cluster: String,
    region: String,
    /// Regions of clusters that are elsewhere, by name.
    regions: BTreeMap<String, String>,
    partition: String,
    kube_url: String,
    ca_pem: String,
    started: Timestamp,
    delays: Delays,
    /// Characters of a trust policy.
    trust_policy_quota: usize,
    minted: u64,
}

impl Aws {
    pub(crate) fn new(scenario: &Scenario, kube_url: &str, ca_pem: &str, now: Timestamp) -> io::Result<Self> {
        let mut aws = Self {
            roles: BTreeMap::new(),
            policies: scenario.policies.iter().map(|p| (p.arn.clone(), p.document.clone())).collect(),
            associations: BTreeMap::new(),
            keeps_cleared: false,
            addons: BTreeMap::new(),
            tables: scenario.tables.iter().map(|t| (t.name.clone(), t.clone())).collect(),
            cluster_tags: BTreeMap::new(),
            gone: Vec::new(),
            tokens: BTreeMap::new(),
            limits: BTreeMap::new(),
            keys: BTreeMap::new(),
            last_use_jobs: BTreeMap::new(),
            organization: scenario.service_control_policies.clone(),
            node_groups: scenario.node_groups.clone(),
            account: scenario.account.clone(),
            first_cluster: scenario.cluster().name.clone(),
            region: scenario.region.clone(),
            regions: scenario.clusters.iter().filter_map(|c| Some((c.name.clone(), c.region.clone()?))).collect(),
            partition: scenario.partition.clone(),
            kube_url: kube_url.to_owned(),
            ca_pem: ca_pem.to_owned(),
            started: now,
            delays: scenario.delays.clone(),
            trust_policy_quota: scenario.trust_policy_quota,
            minted: 0,
        };
        for role in &scenario.roles {
            aws.add_role(role, now);
        }
        for association in &scenario.associations {
            aws.add_association(association, scenario, now)?;
        }
        for addon in &scenario.addons {
            aws.add_addon(addon, scenario, now)?;
        }
        aws.resolve_owners()?;
        Ok(aws)
    }

    /// A new id of `length` letters out of `alphabet`; the same in every run of a scenario.
    fn mint(&mut self, alphabet: &[u8], length: usize) -> String {
        self.minted += 1;
        let mut id = String::new();
        for byte in Sha256::digest(format!("{}/{}/{}", self.account, self.region, self.minted)) {
            if id.len() < length {
                id.push(char::from(alphabet[usize::from(byte) % alphabet.len()]));
            }
        }
        id
    }

    fn arn(&self, service: &str, region: bool, resource: &str) -> String {
        self.regional(service, if region { self.region.as_str() } else { "" }, resource)
    }

    /// Region of a cluster.
    fn region_of(&self, cluster: &str) -> &str {
        self.regions.get(cluster).unwrap_or(&self.region)
    }

    fn regional(&self, service: &str, region: &str, resource: &str) -> String {
        format!("arn:{}:{service}:{region}:{}:{resource}", self.partition, self.account)
    }

    /// The policy of the table that an ARN of DynamoDB belongs to.
    fn table_policy(&self, arn: &str) -> Option<&Value> {
        let resource = arn.splitn(6, ':').nth(5)?.strip_prefix("table/")?;
        let table = self.tables.get(resource.split('/').next()?)?;
        table.policy.as_ref().filter(|_| arn.starts_with(&self.arn("dynamodb", true, "table/")))
    }

    fn managed_policy(&self, arn: &str) -> Option<&Value> {
        self.policies.get(arn)
    }
}

/// Lower-case letters and digits.
const LOWER: &[u8] = b"abcdefghijklmnopqrstuvwxyz0123456789";
/// Upper-case letters and digits, as IAM's unique ids have them.
const UPPER: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// A scenario's milliseconds.
fn ms(milliseconds: u64) -> SignedDuration {
    SignedDuration::from_millis(i64::try_from(milliseconds).unwrap_or(i64::MAX))
}

/// What an operation works with.
struct Ctx<'w> {
    scenario: &'w Scenario,
    call: wire::Call,
    who: sts::Who,
    /// Region of the request's credential scope.
    region: String,
    now: Timestamp,
}

impl Ctx<'_> {
    /// Refuses what the caller's policies do not allow.
    fn permit(&self, aws: &Aws, action: &str, resource: &str, facts: &policy::Facts) -> Result<(), wire::AwsError> {
        let mut facts = facts.clone();
        facts.push(policy::fact("aws:RequestedRegion", &self.region));
        let Err(why) = aws.permits(&self.who, action, resource, &facts) else { return Ok(()) };
        let reason = match (&why, self.call.service) {
            (policy::Why::NoIdentityPolicy, "eks") => String::new(),
            _ => why.text(action),
        };
        let (status, code, shown) = match self.call.service {
            // A role that does not exist yet is shown by its ARN.
            "iam" | "sts" if self.call.operation == "CreateRole" => (403, "AccessDenied", resource.to_owned()),
            "iam" | "sts" => (403, "AccessDenied", iam::shown(resource)),
            "dynamodb" => (400, "AccessDeniedException", resource.to_owned()),
            _ => (403, "AccessDeniedException", resource.to_owned()),
        };
        let message =
            format!("User: {} is not authorized to perform: {action} on resource: {shown}{reason}", self.who.arn);
        Err(wire::err(status, code, message))
    }
}

/// Names a request before it is carried out.
pub(crate) fn name(req: &Req) -> Named {
    let call = wire::call(req);
    // What IAM generates is a report: nothing of the account changes.
    let read = ["Describe", "List", "Get", "Query", "Scan", "Assume", "Simulate", "GenerateServiceLastAccessed"];
    let write = !call.operation.is_empty() && !read.iter().any(|verb| call.operation.starts_with(verb));
    Named { service: call.service.to_owned(), operation: call.operation, write }
}

/// Carries a request out.
#[expect(clippy::unused_async, reason = "the Kubernetes side's twin streams")]
pub(crate) async fn handle(world: &Arc<World>, req: Req) -> Response<Body> {
    let call = wire::call(&req);
    let (service, operation) = (call.service, call.operation.clone());
    let now = world.clock.now();
    let mut state = world.state();
    let answer = state.aws.authenticate(&world.scenario, &req, service, now).and_then(|(who, region)| {
        if world.scenario.disabled_regions.contains(&region) {
            let message = "The security token included in the request is invalid.";
            return Err(wire::err(403, "UnrecognizedClientException", message));
        }
        let ctx = Ctx { scenario: &world.scenario, call, who, region, now };
        match service {
            "iam" => state.aws.iam(&ctx),
            "sts" => sts::answer(&ctx),
            "dynamodb" => state.aws.dynamodb(&ctx),
            "eks-auth" => eks_auth::answer(&mut state, &ctx),
            _ => state.aws.eks(&ctx),
        }
    });
    drop(state);
    wire::response(service, &operation, answer)
}

/// An error in the service's own wire format.
pub(crate) fn error(service: &str, status: u16, code: &str, message: &str) -> Response<Body> {
    wire::error_response(service, &wire::err(status, code, message))
}
