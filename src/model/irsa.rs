//! The annotation by which a service account uses IRSA, and who keeps it: the one rule that tells where it has to be changed.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Serialize, Serializer};

use super::output_schema;

/// The annotation that names the role.
pub const ROLE_ARN: &str = "eks.amazonaws.com/role-arn";

/// The annotation that names another audience of the token.
pub const AUDIENCE: &str = "eks.amazonaws.com/audience";

/// Labels and annotations of a service account that tell who keeps it.
pub const MARKS: [&str; 10] = [
    "argocd.argoproj.io/tracking-id",
    "argocd.argoproj.io/instance",
    "kustomize.toolkit.fluxcd.io/name",
    "helm.toolkit.fluxcd.io/name",
    "olm.owner",
    "operators.coreos.com/operator-name",
    "app.kubernetes.io/managed-by",
    "meta.helm.sh/release-name",
    "meta.helm.sh/release-namespace",
    "helm.sh/chart",
];

/// The annotation of one service account, and what tells who keeps it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Annotation {
    /// The role.
    pub role: String,
    /// The token's audience, where it is named.
    pub audience: Option<String>,
    /// Those of [`MARKS`] that it has.
    pub marks: BTreeMap<String, String>,
    /// The field managers that wrote the annotation.
    pub managers: Vec<String>,
}

/// Who keeps the annotation: it comes back unless it is removed there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Keeper {
    /// An EKS add-on.
    AddOn,
    /// An application of Argo CD.
    ArgoCd(String),
    /// A Kustomization of Flux.
    Flux(String),
    /// A HelmRelease of Flux.
    FluxHelm(String),
    /// The Operator Lifecycle Manager.
    Olm,
    /// A release of Helm.
    Helm(String),
    /// eksctl.
    Eksctl,
    /// Terraform.
    Terraform,
    /// Somebody, by kubectl.
    Kubectl,
    /// This field manager.
    Other(String),
    /// Nothing tells.
    Unknown,
}

impl Keeper {
    /// Nothing restores it: it was set by hand, or nothing tells.
    pub fn by_hand(&self) -> bool {
        matches!(self, Self::Kubectl | Self::Unknown)
    }

    /// Where the annotation is to be changed, later, so that it does not come back.
    pub fn place(&self) -> String {
        match self {
            Self::AddOn => "in the EKS add-on (its service account role)".to_owned(),
            Self::ArgoCd(name) => format!("in the source of the Argo CD application{}", named(name)),
            Self::Flux(name) => format!("in the source of the Flux Kustomization{}", named(name)),
            Self::FluxHelm(name) => format!("in the values of the Flux HelmRelease{}", named(name)),
            Self::Olm => "in the operator's Subscription (OLM)".to_owned(),
            Self::Helm(name) => format!("in the values of the Helm release{}", named(name)),
            Self::Eksctl => {
                "in the eksctl configuration (`iam.serviceAccounts`), without deleting its stack, which holds the role"
                    .to_owned()
            }
            Self::Terraform => "in the Terraform configuration".to_owned(),
            Self::Kubectl => "in the manifest, or with kubectl".to_owned(),
            Self::Other(name) => format!("in the source of `{name}`, which wrote it"),
            Self::Unknown => "where the service account is defined".to_owned(),
        }
    }
}

fn named(name: &str) -> String {
    if name.is_empty() { String::new() } else { format!(" {name}") }
}

impl fmt::Display for Keeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AddOn => f.write_str("EKS add-on"),
            Self::ArgoCd(name) => write!(f, "Argo CD{}", named(name)),
            Self::Flux(name) | Self::FluxHelm(name) => write!(f, "Flux{}", named(name)),
            Self::Olm => f.write_str("OLM"),
            Self::Helm(name) => write!(f, "Helm{}", named(name)),
            Self::Eksctl => f.write_str("eksctl"),
            Self::Terraform => f.write_str("Terraform"),
            Self::Kubectl => f.write_str("kubectl"),
            Self::Other(name) => f.write_str(name),
            Self::Unknown => f.write_str("unknown"),
        }
    }
}

impl JsonSchema for Keeper {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Keeper".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        output_schema::text("Who writes the annotation: `Helm NAME`, `Argo CD NAME`, `kubectl`, `unknown`, ...")
    }
}

impl Serialize for Keeper {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Annotation {
    /// Who keeps it: whoever wrote the field, and where that is not known, whose marks the service account has.
    pub fn keeper(&self) -> Keeper {
        let marked = self.marked();
        let mut by_hand = None;
        for manager in &self.managers {
            let known = match manager.as_str() {
                "eks" => Keeper::AddOn,
                "helm" if matches!(marked, Keeper::FluxHelm(_)) => marked.clone(),
                "helm" => Keeper::Helm(self.mark("meta.helm.sh/release-name")),
                "helm-controller" => Keeper::FluxHelm(self.mark("helm.toolkit.fluxcd.io/name")),
                "kustomize-controller" => Keeper::Flux(self.mark("kustomize.toolkit.fluxcd.io/name")),
                "eksctl" => Keeper::Eksctl,
                "Terraform" | "HashiCorp" => Keeper::Terraform,
                "olm" | "catalog" => Keeper::Olm,
                name if name.starts_with("argocd") => Keeper::ArgoCd(self.application()),
                // Tools that call kubectl have its name.
                name if name.starts_with("kubectl") => {
                    by_hand = Some(Keeper::Kubectl);
                    continue;
                }
                name => {
                    by_hand = by_hand.or_else(|| Some(Keeper::Other(name.to_owned())));
                    continue;
                }
            };
            return known;
        }
        match (marked, by_hand) {
            (Keeper::Unknown, Some(by_hand)) => by_hand,
            // Annotated by hand on what Helm installed: Helm leaves alone what it does not render.
            (Keeper::Helm(_), Some(Keeper::Kubectl)) => Keeper::Kubectl,
            (marked, _) => marked,
        }
    }

    fn mark(&self, key: &str) -> String {
        self.marks.get(key).cloned().unwrap_or_default()
    }

    /// `APPLICATION:GROUP/KIND:NAMESPACE/NAME` is a tracking id's form (Argo CD, "Resource Tracking").
    fn application(&self) -> String {
        let id = self.mark("argocd.argoproj.io/tracking-id");
        let name = id.split(':').next().unwrap_or_default();
        if name.is_empty() { self.mark("argocd.argoproj.io/instance") } else { name.to_owned() }
    }

    fn marked(&self) -> Keeper {
        let has = |key: &str| self.marks.contains_key(key);
        let by = self.mark("app.kubernetes.io/managed-by").to_lowercase();
        if has("argocd.argoproj.io/tracking-id") || has("argocd.argoproj.io/instance") {
            Keeper::ArgoCd(self.application())
        } else if has("helm.toolkit.fluxcd.io/name") {
            Keeper::FluxHelm(self.mark("helm.toolkit.fluxcd.io/name"))
        } else if has("kustomize.toolkit.fluxcd.io/name") {
            Keeper::Flux(self.mark("kustomize.toolkit.fluxcd.io/name"))
        } else if has("olm.owner") || has("operators.coreos.com/operator-name") {
            Keeper::Olm
        } else if by == "eksctl" {
            Keeper::Eksctl
        } else if by == "helm" || has("meta.helm.sh/release-name") {
            Keeper::Helm(self.mark("meta.helm.sh/release-name"))
        } else if by == "terraform" {
            Keeper::Terraform
        } else {
            Keeper::Unknown
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_keeps_it() {
        const HELM: &[(&str, &str)] =
            &[("app.kubernetes.io/managed-by", "Helm"), ("meta.helm.sh/release-name", "carts")];
        const FLUX_HELM: &[(&str, &str)] =
            &[("app.kubernetes.io/managed-by", "Helm"), ("helm.toolkit.fluxcd.io/name", "carts")];
        for (marks, managers, keeper) in [
            (&[][..], &[][..], "unknown"),
            (&[], &["kubectl-annotate"], "kubectl"),
            (&[], &["carts-operator"], "carts-operator"),
            (&[], &["eks"], "EKS add-on"),
            (&[], &["eksctl"], "eksctl"),
            (&[("app.kubernetes.io/managed-by", "eksctl")], &["kubectl-edit"], "eksctl"),
            (&[], &["Terraform"], "Terraform"),
            (HELM, &["helm"], "Helm carts"),
            (HELM, &[], "Helm carts"),
            (HELM, &["kubectl-annotate"], "kubectl"),
            (FLUX_HELM, &["helm"], "Flux carts"),
            (FLUX_HELM, &["helm-controller"], "Flux carts"),
            (&[("kustomize.toolkit.fluxcd.io/name", "apps")], &["kustomize-controller"], "Flux apps"),
            (&[("argocd.argoproj.io/tracking-id", "shop:/ServiceAccount:carts/carts")], &[], "Argo CD shop"),
            (&[("argocd.argoproj.io/instance", "shop")], &["argocd-controller"], "Argo CD shop"),
            (&[("olm.owner", "ack.v1")], &[], "OLM"),
        ] {
            let marks = marks.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
            let managers = managers.iter().map(|name| (*name).to_owned()).collect();
            let it = Annotation { marks, managers, ..Annotation::default() };
            assert_eq!(it.keeper().to_string(), keeper, "{it:?}");
            assert!(!it.keeper().place().is_empty());
        }
    }
}
