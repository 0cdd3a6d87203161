//! What helps against a refusal.

use super::{Caller, Layer, Refusal};
use crate::model::arn::{Arn, check_role_name};

impl Refusal {
    /// What helps, by the policy that refused: no permission of the role outweighs a Deny, a boundary or an organization's policy.
    pub fn remedy(&self) -> String {
        let (action, on) = (&self.action, self.resource.as_deref().unwrap_or("the resource"));
        if self.assumes_itself() {
            return "remove the role from its settings (SecretStore, issuer, AWS_ROLE_ARN, profile): the pod already has that role"
                .to_owned();
        }
        if self.is_of_the_agent() && self.may_be_granted() {
            return self.allow_the_agent();
        }
        if self.caller == Caller::Anonymous {
            return "use the SDK's default credential chain for this client".to_owned();
        }
        if self.is_assumption()
            && !self.explicit
            && matches!(self.layer, Layer::Identity | Layer::Trust | Layer::Unknown)
        {
            return self.allow_the_assumption();
        }
        match (self.layer, self.explicit) {
            (Layer::Scp | Layer::Rcp, _) => format!(
                "ask the owner of the organization's policies{}: no permission of the role can change this",
                self.policy.as_ref().map_or_else(String::new, |arn| format!(" ({arn})"))
            ),
            (Layer::Boundary, _) => format!(
                "ask the owner of the role's permissions boundary to allow `{action}`: `aws iam get-role --role-name {} --query Role.PermissionsBoundary`",
                self.caller.role().unwrap_or("ROLE")
            ),
            (Layer::Session, _) => {
                format!(
                    "change the association's session policy to allow `{action}`: show it with `podid show NS/SA -o yaml`"
                )
            }
            (Layer::Endpoint, _) => format!("change the policy of the VPC endpoint to allow `{action}` on {on}"),
            (Layer::Key, _) => format!(
                "change the key policy to allow `{action}` to the role, or a policy of the role if the key policy delegates to IAM; check that the key is in the region of the call"
            ),
            (Layer::Trust, _) => format!("change the trust policy of {on} to allow `{action}` to the role"),
            (Layer::Resource, true) => format!(
                "change the Deny in the policy of {on}, or meet its conditions: no permission of the role overrules it"
            ),
            (Layer::Resource, false) => format!("change the policy of {on} to allow `{action}` to the role"),
            (Layer::Identity | Layer::Unknown, true) => format!(
                "find the Deny on `{action}` in the policies of the role and of {on}: an added permission does not overrule it"
            ),
            (Layer::Identity | Layer::Unknown, false) => {
                // A text that names no resource does not say that all are meant.
                let on = self.whole_resource().map_or_else(
                    || "the resource that the program uses".to_owned(),
                    |resource| format!("`{resource}`"),
                );
                format!("allow `{action}` on {on} in a policy of the role")
            }
        }
    }

    /// AWS's own policy for nodes allows what their agent asks for.
    fn allow_the_agent(&self) -> String {
        let role = self.caller.role().filter(|name| check_role_name(name).is_ok()).unwrap_or("ROLE");
        let caller = self.arn.as_deref().and_then(|arn| arn.parse::<Arn>().ok());
        let partition = caller.as_ref().map_or("aws", |arn| &arn.partition);
        format!(
            "allow it: `aws iam attach-role-policy --role-name {role} --policy-arn arn:{partition}:iam::aws:policy/AmazonEKSWorkerNodePolicy`"
        )
    }

    /// A role is assumed by what both allow: a policy of who assumes it, and its own trust policy. Pod Identity's session tags are
    /// transitive (EKS User Guide, pod-id-abac), so both must allow to pass them on.
    fn allow_the_assumption(&self) -> String {
        let role = self.caller.role().map_or_else(|| "the role of the pod".to_owned(), |role| format!("role `{role}`"));
        let other = self.whole_resource().map_or_else(|| "the other role".to_owned(), |arn| format!("`{arn}`"));
        let source = if self.action == "sts:SetSourceIdentity" { ", `sts:SetSourceIdentity`" } else { "" };
        format!(
            "allow `sts:AssumeRole`{source} and `sts:TagSession` on {other} in a policy of {role}, and to {role} in the trust policy of {other}: the session tags of the pod are passed on"
        )
    }
}
