//! `podid export`: what is there, as a file that `apply` takes without changing anything, or as a file of another tool.

use std::collections::BTreeMap;

use clap::{Args, ValueEnum};
use futures::stream::{self, StreamExt, TryStreamExt};

use crate::{
    args::AccountsArg,
    context::Context,
    failure::{Code, Failure, Result},
    model::{
        addon::AGENT,
        arn::last,
        association::Association,
        cluster::Cluster,
        formats::{self, ForeignFormat, Written},
        glob,
        have::Observed,
        manifest::{ClusterState, Manifest, RoleState, export},
        ownership, trust,
    },
    observe::{self, CONCURRENCY},
    output::Format,
};

/// Export the current state as a manifest
///
/// `podid apply` accepts the manifest and changes nothing. Roles that podid created for this cluster are written with
/// their policies; other roles are referenced by ARN. Associations that belong to EKS add-ons are omitted. With -o
/// json the manifest is JSON.
///
/// With --format it is a file for another tool, which takes over what exists without changing it. What the format
/// cannot express is reported in a warning for each. Roles that podid did not create are referenced by ARN there too.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Export {
    #[command(flatten)]
    subjects: AccountsArg,
    /// Only associations that podid created
    #[arg(long)]
    owned_only: bool,
    /// Write a file for this tool
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = FileFormat::Podid)]
    format: FileFormat,
    /// Exit with 3 if the format cannot express everything that exists
    #[arg(long)]
    strict: bool,
}

/// What is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum FileFormat {
    /// podid's own manifest
    Podid,
    /// Resources with import blocks for Terraform 1.5 or OpenTofu 1.6, and later
    Terraform,
    /// A CloudFormation template; everything is retained
    Cloudformation,
    /// The resources to import into a stack of that template, for `--resources-to-import`
    CloudformationImport,
    /// Custom resources for the ACK controllers of EKS and IAM, which adopt what exists
    Ack,
    /// Managed resources for Crossplane's AWS provider
    Crossplane,
    /// A ClusterConfig for eksctl
    Eksctl,
}

impl FileFormat {
    fn foreign(self) -> Option<ForeignFormat> {
        Some(match self {
            Self::Podid => return None,
            Self::Terraform => ForeignFormat::Terraform,
            Self::Cloudformation => ForeignFormat::CloudFormation,
            Self::CloudformationImport => ForeignFormat::CloudFormationImport,
            Self::Ack => ForeignFormat::Ack,
            Self::Crossplane => ForeignFormat::Crossplane,
            Self::Eksctl => ForeignFormat::Eksctl,
        })
    }
}

/// Examples of this command.
pub const EXAMPLES: &str = "\
Examples:
  podid export > podid.yaml
  podid export 'team-a/*' --owned-only
  podid export -o json
  podid export --format terraform > pod-identity.tf
  podid export --format cloudformation > template.yaml
  podid export --format eksctl --strict";

impl Export {
    /// Runs the command.
    ///
    /// # Errors
    /// What failed, with its exit code.
    pub async fn run(self, ctx: &Context) -> Result<Code> {
        let foreign = self.format.foreign();
        if foreign.is_some() && !matches!(ctx.term.format(), Format::Table) {
            return Err(Failure::usage("`--format` conflicts with `-o`: the format determines the output")
                .hint("pass one of them"));
        }
        let cluster = ctx.cluster().await?;
        let (associations, addon, unused) = futures::try_join!(
            self.associations(ctx, cluster),
            async {
                let read =
                    ctx.deadline.within("reading the agent add-on", ctx.eks()?.addon(&cluster.name, AGENT)).await;
                observe::seen(read, "eks:DescribeAddon")
            },
            self.named_roles(ctx, cluster),
        )?;
        if let Observed::Unreadable(why) = &addon {
            ctx.term.warn(format!("the agent is omitted: {why}"));
        }
        let addon = if self.subjects.0.is_empty() { addon } else { Observed::NotRequested };
        let mut names: Vec<String> = associations.iter().map(|a| last(&a.role_arn).to_owned()).collect();
        names.extend(unused);
        names.sort_unstable();
        names.dedup();
        let roles = ctx.deadline.within("reading the roles", roles(ctx, cluster, names)).await?;
        for (name, role) in &roles {
            if let Observed::Unreadable(why) = &role.role {
                ctx.term.warn(format!("role `{name}` is only referenced by its ARN: {why}"));
            }
        }
        let associations = associations.into_iter().map(|a| (a.summary.subject.clone(), a)).collect();
        let have = ClusterState { associations, roles, addon, ..ClusterState::default() };
        let tell = |notes: Vec<String>| {
            for note in &notes {
                ctx.term.warn(note);
            }
            if self.strict && !notes.is_empty() { Code::Difference } else { Code::Ok }
        };
        if let Some(format) = foreign {
            let (written, notes) = formats::write(format, cluster, &have);
            let code = tell(notes);
            put(ctx, &written)?;
            return Ok(code);
        }
        let (manifest, notes) = export(cluster, &have);
        let code = tell(notes);
        put_manifest(ctx, &manifest)?;
        Ok(code)
    }

    async fn associations(&self, ctx: &Context, cluster: &Cluster) -> Result<Vec<Association>> {
        let eks = ctx.eks()?;
        let filter = glob::filter(&self.subjects.0);
        let mut summaries =
            ctx.deadline.within("listing the associations", eks.associations(&cluster.name, &filter)).await?;
        if !self.subjects.0.is_empty() {
            summaries.retain(|a| self.subjects.0.iter().any(|pattern| pattern.matches(&a.subject)));
        }
        if summaries.is_empty() && !self.subjects.0.is_empty() {
            let subjects: Vec<String> = self.subjects.0.iter().map(ToString::to_string).collect();
            ctx.term.warn(format!("no associations of {} in cluster {}", subjects.join(", "), cluster.name));
        }
        let all = summaries.len();
        summaries.retain(|a| a.owner_arn.is_none());
        if summaries.len() < all {
            let owned = crate::commands::shared::count(all - summaries.len(), "association");
            ctx.term.note(format!("{owned} of EKS add-ons omitted: change them through the add-on"));
        }
        let described = observe::describe_all(eks, &cluster.name, summaries);
        let found: Vec<Option<Association>> =
            ctx.deadline.within("reading the associations", described.try_collect()).await?;
        let owned = |a: &Association| ownership::is_created_for(&a.tags, &cluster.arn);
        Ok(found.into_iter().flatten().filter(|a| !self.owned_only || owned(a)).collect())
    }

    /// Roles that trust the cluster by podid's own statements, also those that no association uses.
    async fn named_roles(&self, ctx: &Context, cluster: &Cluster) -> Result<Vec<String>> {
        if !self.subjects.0.is_empty() {
            return Ok(Vec::new());
        }
        let arn = &cluster.arn;
        let mut pages = ctx.iam()?.roles();
        let mut names = Vec::new();
        loop {
            let page = match ctx.deadline.within("listing roles", async { pages.next().await.transpose() }).await {
                Ok(Some(page)) => page,
                Ok(None) => return Ok(names),
                Err(failure) if observe::forbidden(&failure) => {
                    ctx.term.warn("unused roles are omitted: not allowed: iam:ListRoles");
                    return Ok(Vec::new());
                }
                Err(failure) => return Err(failure),
            };
            let ours = page.into_iter().filter(|role| {
                let reach = trust::reach(&role.trust);
                reach.clusters.contains(arn) && trust::trusts_pods(&role.trust)
            });
            names.extend(ours.map(|role| role.name));
        }
    }
}

fn put(ctx: &Context, written: &Written) -> Result<()> {
    match written {
        Written::Text(text) => ctx.term.emit(text),
        Written::Json(value) => ctx.term.emit_json(value),
        Written::Yaml(documents) => {
            for (at, document) in documents.iter().enumerate() {
                if at > 0 {
                    ctx.term.emit_line("---")?;
                }
                ctx.term.emit_yaml(document)?;
            }
            Ok(())
        }
    }
}

fn put_manifest(ctx: &Context, manifest: &Manifest) -> Result<()> {
    match ctx.term.format() {
        Format::Json => ctx.term.emit_json(manifest),
        Format::Name => {
            for role in &manifest.roles {
                ctx.term.emit_line(format!("role/{}", role.name))?;
            }
            for association in &manifest.associations {
                ctx.term.emit_line(format!("association/{}", association.service_account))?;
            }
            Ok(())
        }
        Format::Table | Format::Wide | Format::Yaml => ctx.term.emit_yaml(manifest),
    }
}

/// The roles; their policies only where podid made them for this cluster.
async fn roles(ctx: &Context, cluster: &Cluster, names: Vec<String>) -> Result<BTreeMap<String, RoleState>> {
    let iam = ctx.iam()?;
    let arn = &cluster.arn;
    let reads = names.into_iter().map(|name| async move {
        let view = observe::role(iam, &name, false, false).await?;
        let mut held = RoleState { role: view.role, ..RoleState::default() };
        if held.role.known().and_then(Option::as_ref).is_some_and(|role| ownership::is_created_for(&role.tags, arn)) {
            let (attached, inline) =
                futures::try_join!(iam.attached_policies(&name), observe::inline_policies(iam, &name))?;
            (held.attached, held.inline) = (Observed::Known(attached), Observed::Known(inline));
        }
        Ok::<_, Failure>((name, held))
    });
    stream::iter(reads.collect::<Vec<_>>()).buffered(CONCURRENCY).try_collect().await
}
