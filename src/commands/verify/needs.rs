//! `--needs`, `--dynamodb`, `--s3` and the others: what the workload needs.

use clap::Args;

use crate::{
    args::NeedArgs,
    model::{
        access::{self, Need, NeedText},
        arn::Arn,
        policy::TableText,
        want::{Access, TableGrant},
    },
};

const HEADING: &str = "Permissions to check";

/// Permissions to check.
#[derive(Debug, Args)]
pub(super) struct Needs {
    /// Check that the role allows this action: ACTION@TABLE, ACTION@TABLE/index/INDEX, ACTION@ARN, or ACTION@* for an
    /// action without a resource (can be repeated)
    #[arg(id = "needs", long = "needs", value_name = "ACTION@RESOURCE", help_heading = HEADING, conflicts_with_all = ["explain", "list_checks"])]
    actions: Vec<NeedText>,
    /// Check access to a DynamoDB table: name, region:name or ARN, with read (the default), write, read-write, stream
    /// or full (can be repeated)
    #[arg(long, value_name = "TABLE[=ACCESS]", help_heading = HEADING, conflicts_with_all = ["explain", "list_checks"])]
    dynamodb: Vec<TableText>,
    /// Resources of other services.
    #[command(flatten)]
    resources: NeedArgs,
}

impl Needs {
    /// Each need once; what a table's name leaves open is taken from the cluster's ARN.
    pub(super) fn at(&self, cluster: &Arn) -> Vec<Need> {
        let named = self.actions.iter().map(|text| text.at(cluster));
        let tables = self.dynamodb.iter().flat_map(|text| {
            let table = text.at(&cluster.partition, &cluster.region, &cluster.account);
            access::of_grant(&TableGrant::new(table, text.access.unwrap_or(Access::Read)))
        });
        let resources = self.resources.0.iter().filter_map(|text| text.at(Some(cluster)));
        let resources = resources.flat_map(|grant| {
            let from = format!("--{} {}", grant.service.flag, grant.short(Some(cluster)));
            grant.needs().into_iter().map(move |need| Need { from: from.clone(), ..need })
        });
        let mut all: Vec<Need> = Vec::new();
        for need in named.chain(tables).chain(resources) {
            if !all.iter().any(|known| known.same_call(&need)) {
                all.push(need);
            }
        }
        all
    }
}
