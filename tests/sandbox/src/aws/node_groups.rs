//! EKS: managed node groups, as far as DescribeNodegroup tells of them.

use serde_json::json;

use super::{
    Aws, Ctx,
    eks::not_found,
    policy::Facts,
    wire::{Answer, Reply, epoch},
};

impl Aws {
    pub(super) fn describe_node_group(&self, ctx: &Ctx<'_>) -> Answer {
        let (cluster, name) = (ctx.call.segment(1), ctx.call.segment(3));
        let arn = self.regional("eks", self.region_of(cluster), &format!("nodegroup/{cluster}/{name}/0a1b2c3d"));
        ctx.permit(self, "eks:DescribeNodegroup", &arn, &Facts::new())?;
        let known = Self::cluster(ctx, cluster)?;
        let found = self.node_groups.iter().find(|group| group.name == name && known.name == self.first_cluster);
        let Some(group) = found else {
            return Err(not_found(format!("No node group found for name: {name}.")));
        };
        Ok(Reply::Json(json!({"nodegroup": {
            "nodegroupName": group.name,
            "nodegroupArn": arn,
            "clusterName": cluster,
            "version": known.version,
            "createdAt": epoch(self.started),
            "modifiedAt": epoch(self.started),
            "status": "ACTIVE",
            "capacityType": "ON_DEMAND",
            "scalingConfig": {"minSize": 1, "maxSize": 6, "desiredSize": 3},
            "instanceTypes": ["m5.large"],
            "subnets": ["subnet-0a1b2c3d4e5f60001"],
            "amiType": "AL2023_x86_64_STANDARD",
            "nodeRole": group.role,
            "labels": {},
            "health": {"issues": []},
            "tags": {},
        }})))
    }
}
