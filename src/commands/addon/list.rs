//! `podid addon list`: the add-ons of the cluster, and what their pods act as.

use clap::Args;
use schemars::JsonSchema;
use serde::Serialize;

use super::read::{self, Seen};
use crate::{
    commands::unread::NotRead,
    context::Context,
    failure::{Code, Result},
    model::{
        addon::{Addon, AddonIdentity, Issue},
        arn::last,
        association::Association,
        have::Observed,
    },
    output::{
        Format,
        table::{Cell, Column, Table},
    },
};

/// List the EKS add-ons of the cluster: status, support for Pod Identity, and the roles that their pods use
///
/// Whether a version supports Pod Identity, and for which service accounts, is read from EKS for each add-on. Makes one
/// List call, and two Describe calls for each add-on and one for each association; `-o name` makes one for each add-on.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct List {}

/// Examples of this command.
pub(super) const EXAMPLES: &str = "\
Examples:
  podid addon list
  podid addon list -o wide
  podid addon list -o json";

impl List {
    pub(super) async fn run(self, ctx: &Context) -> Result<Code> {
        let addons = read::addons(ctx).await?;
        if addons.is_empty() {
            ctx.term.note(format!("no add-ons in cluster {}", ctx.cluster().await?.name));
        }
        if ctx.term.format() == Format::Name {
            for addon in &addons {
                ctx.term.emit_line(&addon.name)?;
            }
            return Ok(Code::Ok);
        }
        let all = read::seen(ctx, addons).await?;
        match ctx.term.format() {
            Format::Json => ctx.term.emit_json(&Document::of(&all))?,
            Format::Yaml => ctx.term.emit_yaml(&Document::of(&all))?,
            Format::Table | Format::Wide if all.is_empty() => {}
            Format::Table | Format::Wide | Format::Name => {
                ctx.term.emit_table(&table(&all, ctx.term.format() == Format::Wide))?;
                for why in unread(&all) {
                    ctx.term.warn(why);
                }
            }
        }
        Ok(Code::Ok)
    }
}

fn table(all: &[Seen], wide: bool) -> Table {
    let mut table = Table::new(&[
        Column::new("ADD-ON"),
        Column::new("VERSION").priority(2),
        Column::new("STATUS"),
        Column::new("HEALTH").priority(3),
        Column::new("POD IDENTITY"),
        Column::new("SERVICE ACCOUNTS").priority(1),
        Column::new("ROLE"),
        Column::new("NAMESPACE").wide(),
    ]);
    for seen in all {
        let addon = &seen.addon;
        table.row([
            Cell::new(&addon.name),
            Cell::new(&addon.version),
            Cell::new(&addon.status),
            Cell::new(health(addon)),
            Cell::new(support(&seen.identities)),
            Cell::new(accounts(seen)),
            Cell::new(roles(seen, wide)),
            Cell::new(addon.namespace.as_deref().unwrap_or_default()),
        ]);
    }
    table
}

/// The codes of the health issues that EKS reports.
fn health(addon: &Addon) -> String {
    if addon.issues.is_empty() {
        return "no issues".to_owned();
    }
    let mut codes: Vec<&str> = addon.issues.iter().map(|issue| issue.code.as_str()).collect();
    codes.dedup();
    codes.join(", ")
}

/// Whether the version supports Pod Identity, in a word.
pub(super) fn support(identities: &Observed<Vec<AddonIdentity>>) -> &'static str {
    match identities.known() {
        Some(known) if known.is_empty() => "no",
        Some(_) => "yes",
        None => "unknown",
    }
}

fn accounts(seen: &Seen) -> String {
    let known = seen.identities.known().into_iter().flatten().map(|it| it.service_account.as_str());
    let owned = seen.associations.known().into_iter().flatten().map(|a| a.summary.subject.name.as_str());
    let mut names: Vec<&str> = known.chain(owned).collect();
    names.sort_unstable();
    names.dedup();
    names.join(", ")
}

/// What the pods act as: the roles of the associations, the role of IRSA, or nothing that EKS knows of.
fn roles(seen: &Seen, wide: bool) -> String {
    let shown = |arn: &str| if wide { arn.to_owned() } else { last(arn).to_owned() };
    let Some(associations) = seen.associations.known() else { return "unknown".to_owned() };
    let one = |a: &Association| match associations.as_slice() {
        [only] if only == a => shown(&a.role_arn),
        _ => format!("{} ({})", shown(&a.role_arn), a.summary.subject.name),
    };
    let mut roles: Vec<String> = associations.iter().map(one).collect();
    roles.extend(seen.addon.service_account_role.as_deref().map(|arn| format!("IRSA role {}", shown(arn))));
    roles.join(", ")
}

/// Why something is unknown, each once.
fn unread(all: &[Seen]) -> Vec<String> {
    let why = |seen: &Seen| {
        let identities = seen.identities.unreadable().map(|why| format!("support for Pod Identity unknown: {why}"));
        let roles = seen.associations.unreadable().map(|why| format!("roles unknown: {why}"));
        [identities, roles]
    };
    let mut all: Vec<String> = all.iter().flat_map(why).flatten().collect();
    all.sort();
    all.dedup();
    all
}

/// The add-ons
#[derive(Serialize, JsonSchema)]
pub(crate) struct Document<'a> {
    /// The add-ons, by name; empty when there are none
    addons: Vec<Listed<'a>>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Listed<'a> {
    #[serde(flatten)]
    addon: Shown<'a>,
    /// The associations that it owns; null when they could not be read
    pod_identity_associations: Option<&'a [Association]>,
}

/// An add-on. Its configuration may hold secrets: only whether there is one is told.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "ShownAddon")]
pub(super) struct Shown<'a> {
    /// Name of the add-on
    addon_name: &'a str,
    /// Its version
    addon_version: &'a str,
    /// Its status, as EKS says it
    status: &'a str,
    /// Health issues that EKS reports
    issues: &'a [Issue],
    /// Namespace of its pods, or null
    namespace: Option<&'a str>,
    /// Whether it has a configuration
    configured: bool,
    /// Whether the version supports Pod Identity; null when that could not be read
    supports_pod_identity: Option<bool>,
    /// Service accounts that can have an association; null when they could not be read
    service_accounts: Option<&'a [AddonIdentity]>,
    /// ARN of the role that its pods get by IRSA, or null
    service_account_role_arn: Option<&'a str>,
    /// What could not be read; its field is null then
    unread: Vec<NotRead>,
}

impl<'a> Document<'a> {
    fn of(all: &'a [Seen]) -> Self {
        let listed = |seen: &'a Seen| Listed {
            addon: Shown::of(seen),
            pod_identity_associations: seen.associations.known().map(Vec::as_slice),
        };
        Self { addons: all.iter().map(listed).collect() }
    }
}

impl<'a> Shown<'a> {
    pub(super) fn of(seen: &'a Seen) -> Self {
        let addon = &seen.addon;
        let reads = [
            ("podIdentity", seen.identities.unreadable()),
            ("podIdentityAssociations", seen.associations.unreadable()),
        ];
        Self {
            addon_name: &addon.name,
            addon_version: &addon.version,
            status: &addon.status,
            issues: &addon.issues,
            namespace: addon.namespace.as_deref(),
            configured: addon.configuration.is_some(),
            supports_pod_identity: seen.identities.known().map(|known| !known.is_empty()),
            service_accounts: seen.identities.known().map(Vec::as_slice),
            service_account_role_arn: addon.service_account_role.as_deref(),
            unread: reads.into_iter().filter_map(|(what, why)| Some(NotRead::new(what, why?))).collect(),
        }
    }
}
