//! `--needs` and `--dynamodb`: what the workload needs.

use clap::Args;

use crate::model::{
    access::{self, Need, NeedText},
    arn::Arn,
    policy::TableText,
    want::{Access, TableGrant},
};

/// What the workload needs.
#[derive(Debug, Args)]
pub(super) struct Needs {
    /// An action that the workload makes, and on what: ACTION@TABLE, ACTION@TABLE/index/INDEX, ACTION@ARN, or ACTION@* for
    /// one that has no resource (can be repeated)
    #[arg(long, value_name = "ACTION@RESOURCE", conflicts_with_all = ["explain", "list_checks"])]
    needs: Vec<NeedText>,
    /// A table that the workload uses: name, region:name or ARN, with read (the default), write, read-write, stream or full
    /// (can be repeated)
    #[arg(long, value_name = "TABLE[=ACCESS]", conflicts_with_all = ["explain", "list_checks"])]
    dynamodb: Vec<TableText>,
}

impl Needs {
    /// Each need once; what a table's name leaves open is taken from the cluster's ARN.
    pub(super) fn at(&self, cluster: &Arn) -> Vec<Need> {
        let named = self.needs.iter().map(|text| text.at(cluster));
        let tables = self.dynamodb.iter().flat_map(|text| {
            let table = text.at(&cluster.partition, &cluster.region, &cluster.account);
            access::of_grant(&TableGrant::new(table, text.access.unwrap_or(Access::Read)))
        });
        let mut all: Vec<Need> = Vec::new();
        for need in named.chain(tables) {
            if !all.iter().any(|known| known.action == need.action && known.resource == need.resource) {
                all.push(need);
            }
        }
        all
    }
}
