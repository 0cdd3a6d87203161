//! What the commands about add-ons are tried with.

use super::{
    lines::{Line, fails, line},
    worlds::podids_role,
};
use crate::addon::{MADE, made_for_aws_node, open_for_aws_node, owned, shared_by_aws_node, two_of_adot, without_agent};

pub(super) fn lines(command: &str) -> Vec<Line> {
    let made = owned(&format!("podid/{MADE}"));
    match command {
        "addon list" => vec![line("carts-addons", &[owned("eks-workshop-vpc-cni")], "addon list")],
        "addon show" => vec![
            line("carts-addons", &[], "addon show vpc-cni"),
            line("carts-addons", &[owned("eks-workshop-vpc-cni")], "addon show vpc-cni"),
        ],
        "addon associate" => vec![
            line("carts-addons", &without_agent(), "addon associate vpc-cni --create-role --install-agent --yes"),
            fails(
                2,
                line(
                    "carts-addons",
                    &[made_for_aws_node("aws-node")],
                    "addon associate vpc-cni --create-role --no-wait",
                ),
            ),
            line("carts-addons", &[podids_role()], "addon associate vpc-cni --role other --no-wait --yes"),
            line(
                "carts-addons",
                &[owned("eks-workshop-nodes")],
                "addon associate vpc-cni --role eks-workshop-vpc-cni --yes",
            ),
        ],
        "addon disassociate" => vec![
            line(
                "carts-addons",
                &[made_for_aws_node("aws-node"), made.clone()],
                "addon disassociate vpc-cni --delete-role --yes",
            ),
            line("carts-addons", &[shared_by_aws_node(), made.clone()], "addon disassociate vpc-cni --no-wait --yes"),
            line(
                "carts-addons",
                &[open_for_aws_node(), made.clone()],
                "addon disassociate vpc-cni --delete-role --force --no-wait --yes",
            ),
            line("carts-addons", &[], "addon disassociate vpc-cni --no-wait --yes"),
            line(
                "carts-addons",
                &two_of_adot(),
                "addon disassociate adot --service-account adot-col-otlp-ingest --no-wait --yes",
            ),
        ],
        _ => Vec::new(),
    }
}
