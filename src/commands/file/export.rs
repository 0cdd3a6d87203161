//! `podid export`: what is there, as a file that `apply` takes without changing anything, or as a file of another tool.

use std::collections::BTreeMap;

use clap::{Args, ValueEnum};
use futures::stream::{self, StreamExt, TryStreamExt};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    args::AccountsArg,
    commands::{
        clusters::{ClustersArg, local, side_by_side},
        unread::{NotRead, Unread, outcome},
    },
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
        ownership,
        role::ListedRole,
        trust,
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
///
/// Of several clusters there is one manifest each, in YAML as documents of one stream; `podid apply` takes one of them at a
/// time. --format writes files of one cluster.
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
    #[command(flatten)]
    clusters: ClustersArg,
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
  podid export --all-clusters --owned-only
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
        if self.clusters.several(ctx) {
            if foreign.is_some() {
                return Err(Failure::usage("`--format` writes a file of one cluster")
                    .hint("run the command once for each cluster, with `--cluster`"));
            }
            return Box::pin(self.of_many(ctx)).await;
        }
        let (cluster, have, warnings) = self.read(ctx, &Observed::NotRequested).await?;
        for warning in warnings {
            ctx.term.warn(warning);
        }
        if let Some(format) = foreign {
            let (written, notes) = formats::write(format, &cluster, &have);
            let code = self.tell(ctx, "", &notes);
            put(ctx, &written)?;
            return Ok(code);
        }
        let (manifest, notes) = export(&cluster, &have);
        let code = self.tell(ctx, "", &notes);
        put_manifests(ctx, &[(String::new(), manifest)], None)?;
        Ok(code)
    }

    /// One manifest for each cluster. One that cannot be read is named at the end, and the others are written.
    async fn of_many(&self, ctx: &Context) -> Result<Code> {
        let mut places = self.clusters.places(ctx).await?;
        places.note_if_none(ctx);
        // Roles are the account's: they are listed once.
        let listed = match places.clusters.first() {
            Some(place) if self.subjects.0.is_empty() => listed(&place.context(ctx)).await?,
            _ => Observed::NotRequested,
        };
        let listed = &listed;
        let reads = places.clusters.iter().map(|place| async move {
            let read = self.read(&place.context(ctx), listed).await;
            (place, read)
        });
        let reads: Vec<_> = side_by_side(reads).collect().await;
        let (mut manifests, mut unread, mut code) = (Vec::new(), std::mem::take(&mut places.unread), Code::Ok);
        for (place, read) in reads {
            let (cluster, have, warnings) = match read {
                Ok(read) => read,
                Err(failure) => {
                    unread.push((place.what(), local(ctx, failure)?));
                    continue;
                }
            };
            let label = places.label(place);
            for warning in warnings {
                ctx.term.warn(format!("cluster {label}: {warning}"));
            }
            let (manifest, notes) = export(&cluster, &have);
            if self.tell(ctx, &format!("cluster {label}: "), &notes) != Code::Ok {
                code = Code::Difference;
            }
            manifests.push((format!("{label}/"), manifest));
        }
        put_manifests(ctx, &manifests, Some(&unread))?;
        let all = places.clusters.len();
        outcome(unread, all, manifests.is_empty(), "read").map_or(Ok(code), Err)
    }

    /// Says what the format cannot express, and what that comes to.
    fn tell(&self, ctx: &Context, place: &str, notes: &[String]) -> Code {
        for note in notes {
            ctx.term.warn(format!("{place}{note}"));
        }
        if self.strict && !notes.is_empty() { Code::Difference } else { Code::Ok }
    }

    /// What there is, and what was omitted. `listed`: the roles of the account, where they were listed before.
    async fn read(
        &self,
        ctx: &Context,
        listed: &Observed<Vec<ListedRole>>,
    ) -> Result<(Cluster, ClusterState, Vec<String>)> {
        let cluster = ctx.cluster().await?;
        let ((associations, mut warnings), addon, unused) = futures::try_join!(
            self.associations(ctx, cluster),
            async {
                let read =
                    ctx.deadline.within("reading the agent add-on", ctx.eks()?.addon(&cluster.name, AGENT)).await;
                observe::seen(read, "eks:DescribeAddon")
            },
            self.named_roles(ctx, cluster, listed),
        )?;
        if let Observed::Unreadable(why) = &addon {
            warnings.push(format!("the agent is omitted: {why}"));
        }
        let addon = if self.subjects.0.is_empty() { addon } else { Observed::NotRequested };
        let mut names: Vec<String> = associations.iter().map(|a| last(&a.role_arn).to_owned()).collect();
        match unused {
            Observed::Known(unused) => names.extend(unused),
            Observed::Unreadable(why) => warnings.push(format!("unused roles are omitted: {why}")),
            Observed::NotRequested => {}
        }
        names.sort_unstable();
        names.dedup();
        let roles = ctx.deadline.within("reading the roles", roles(ctx, cluster, names)).await?;
        for (name, role) in &roles {
            if let Observed::Unreadable(why) = &role.role {
                warnings.push(format!("role `{name}` is only referenced by its ARN: {why}"));
            }
        }
        let associations = associations.into_iter().map(|a| (a.summary.subject.clone(), a)).collect();
        Ok((cluster.clone(), ClusterState { associations, roles, addon, ..ClusterState::default() }, warnings))
    }

    async fn associations(&self, ctx: &Context, cluster: &Cluster) -> Result<(Vec<Association>, Vec<String>)> {
        let eks = ctx.eks()?;
        let filter = glob::filter(&self.subjects.0);
        let mut summaries =
            ctx.deadline.within("listing the associations", eks.associations(&cluster.name, &filter)).await?;
        if !self.subjects.0.is_empty() {
            summaries.retain(|a| self.subjects.0.iter().any(|pattern| pattern.matches(&a.subject)));
        }
        let mut warnings = Vec::new();
        if summaries.is_empty() && !self.subjects.0.is_empty() {
            let subjects: Vec<String> = self.subjects.0.iter().map(ToString::to_string).collect();
            warnings.push(format!("no associations of {} in cluster {}", subjects.join(", "), cluster.name));
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
        Ok((found.into_iter().flatten().filter(|a| !self.owned_only || owned(a)).collect(), warnings))
    }

    /// Roles that trust the cluster by podid's own statements, also those that no association uses.
    async fn named_roles(
        &self,
        ctx: &Context,
        cluster: &Cluster,
        before: &Observed<Vec<ListedRole>>,
    ) -> Result<Observed<Vec<String>>> {
        if !self.subjects.0.is_empty() {
            return Ok(Observed::NotRequested);
        }
        let names = |all: &Vec<ListedRole>| {
            let ours = all.iter().filter(|role| trust::reach(&role.trust).clusters.contains(&cluster.arn));
            ours.map(|role| role.name.clone()).collect()
        };
        Ok(match before {
            Observed::NotRequested => listed(ctx).await?.map(names),
            before => before.map(names),
        })
    }
}

/// The roles of the account that trust Pod Identity.
async fn listed(ctx: &Context) -> Result<Observed<Vec<ListedRole>>> {
    let mut pages = ctx.iam()?.roles();
    let mut roles = Vec::new();
    loop {
        match ctx.deadline.within("listing roles", async { pages.next().await.transpose() }).await {
            Ok(Some(page)) => roles.extend(page.into_iter().filter(|role| trust::trusts_pods(&role.trust))),
            Ok(None) => return Ok(Observed::Known(roles)),
            Err(failure) if observe::forbidden(&failure) => {
                return Ok(Observed::Unreadable("not allowed: iam:ListRoles".to_owned()));
            }
            Err(failure) => return Err(failure),
        }
    }
}

fn put(ctx: &Context, written: &Written) -> Result<()> {
    match written {
        Written::Text(text) => ctx.term.emit(text),
        Written::Json(value) => ctx.term.emit_json(value),
        Written::Yaml(documents) => put_documents(ctx, documents.iter()),
    }
}

/// The manifests of several clusters
#[derive(Serialize, JsonSchema)]
pub(crate) struct Several<'a> {
    /// One manifest for each cluster
    clusters: Vec<&'a Manifest>,
    /// What could not be read
    unread: Vec<NotRead>,
}

/// `unread`: what could not be read of several clusters.
fn put_manifests(ctx: &Context, manifests: &[(String, Manifest)], unread: Option<&[Unread]>) -> Result<()> {
    match (ctx.term.format(), unread) {
        (Format::Json, Some(unread)) => ctx.term.emit_json(&Several {
            clusters: manifests.iter().map(|(_, manifest)| manifest).collect(),
            unread: NotRead::all(unread),
        }),
        (Format::Json, None) => manifests.iter().try_for_each(|(_, manifest)| ctx.term.emit_json(manifest)),
        (Format::Name, _) => {
            for (cluster, manifest) in manifests {
                for role in &manifest.roles {
                    ctx.term.emit_line(format!("{cluster}role/{}", role.name))?;
                }
                for association in &manifest.associations {
                    ctx.term.emit_line(format!("{cluster}association/{}", association.service_account))?;
                }
            }
            Ok(())
        }
        (Format::Table | Format::Wide | Format::Yaml, _) => {
            put_documents(ctx, manifests.iter().map(|(_, manifest)| manifest))
        }
    }
}

fn put_documents<T: Serialize>(ctx: &Context, documents: impl Iterator<Item = T>) -> Result<()> {
    for (at, document) in documents.enumerate() {
        if at > 0 {
            ctx.term.emit_line("---")?;
        }
        ctx.term.emit_yaml(&document)?;
    }
    Ok(())
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
