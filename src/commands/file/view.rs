//! What a file's plan changes, object by object: as text with signs and diffs, and as data.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::{
    commands::shared::count,
    context::Context,
    failure::Result,
    model::{addon::AGENT, document::Document, manifest::ClusterState},
    output::{Format, PlanLine, Sign, diff},
    plan::Step,
};

/// A role, an association or the agent that the plan changes.
pub(super) struct Change<'a> {
    pub(super) kind: &'static str,
    pub(super) name: String,
    sign: Sign,
    pub(super) steps: Vec<&'a Step>,
}

impl Change<'_> {
    fn word(&self) -> &'static str {
        match self.sign {
            Sign::Create => "added",
            Sign::Delete => "removed",
            Sign::Update | Sign::Restart => "changed",
        }
    }
}

/// Which object a step writes to; `None` for restarts.
pub(super) fn object(step: &Step) -> Option<(&'static str, String)> {
    match step {
        Step::InstallAgent { .. } | Step::UpdateAgent { .. } | Step::RemoveAgent { .. } => {
            Some(("agent", AGENT.to_owned()))
        }
        Step::CreateServiceAccount { subject } => Some(("service-account", subject.to_string())),
        Step::Restart { .. } | Step::RollBack { .. } => None,
        other => Some(match other.role() {
            Some(role) => ("role", role.to_owned()),
            None => ("association", other.resource()),
        }),
    }
}

/// The objects that steps change, in the order of the plan.
pub(super) fn changes(steps: &[Step]) -> Vec<Change<'_>> {
    let mut changes: Vec<Change<'_>> = Vec::new();
    let mut known: BTreeMap<(&'static str, String), usize> = BTreeMap::new();
    for step in steps {
        let Some(key) = object(step) else { continue };
        let sign = match step {
            Step::CreateServiceAccount { .. }
            | Step::CreateRole(_)
            | Step::CreateAssociation { .. }
            | Step::InstallAgent { .. } => Sign::Create,
            Step::DeleteRole { .. } | Step::DeleteAssociation { .. } | Step::RemoveAgent { .. } => Sign::Delete,
            _ => Sign::Update,
        };
        let index = *known.entry(key.clone()).or_insert_with(|| {
            changes.push(Change { kind: key.0, name: key.1, sign: Sign::Update, steps: Vec::new() });
            changes.len() - 1
        });
        let change = &mut changes[index];
        if sign != Sign::Update {
            change.sign = sign;
        }
        change.steps.push(step);
    }
    changes
}

/// Prints them in the format that was asked for.
pub(super) fn show(ctx: &Context, title: &str, changes: &[Change<'_>], have: &ClusterState) -> Result<()> {
    match ctx.term.format() {
        Format::Json => ctx.term.emit_json(&Differences::of(changes)),
        Format::Yaml => ctx.term.emit_yaml(&Differences::of(changes)),
        Format::Name => {
            changes.iter().try_for_each(|change| ctx.term.emit_line(format!("{}/{}", change.kind, change.name)))
        }
        Format::Table | Format::Wide if changes.is_empty() => Ok(()),
        Format::Table | Format::Wide => ctx.term.emit_plan(title, &lines(changes, have)?),
    }
}

/// Each object with its steps under it, documents as diffs.
fn lines(changes: &[Change<'_>], have: &ClusterState) -> Result<Vec<PlanLine>> {
    let line = |change: &Change<'_>| {
        let mut line = PlanLine::new(change.sign, format!("{} {}", change.kind, change.name));
        for step in &change.steps {
            let shown = PlanLine::of(step, true)?;
            line =
                line.detail([shown.text]).detail(shown.detail).detail(tags(step)).detail(session_policy(step, have)?);
        }
        Ok(line)
    };
    changes.iter().map(line).collect()
}

/// The values too: a step's own line has only the keys.
fn tags(step: &Step) -> Vec<String> {
    match step {
        Step::TagRole { tags, .. } | Step::TagAssociation { tags, .. } => {
            tags.iter().map(|(key, value)| format!("+{key}={value}")).collect()
        }
        _ => Vec::new(),
    }
}

/// A step tells that a session policy changes; what of it, the association that was read does.
fn session_policy(step: &Step, have: &ClusterState) -> Result<Vec<String>> {
    let parse = |text: &str| serde_json::from_str::<Value>(text).ok().map(Document);
    let (before, after) = match step {
        Step::CreateAssociation { association, .. } => (None, association.spec.policy.as_deref()),
        Step::UpdateAssociation { subject, change, .. } if change.policy.is_some() => {
            let before = have.associations.get(subject).and_then(|a| a.policy.as_deref());
            (before, change.policy.as_deref().filter(|text| !text.is_empty()))
        }
        _ => return Ok(Vec::new()),
    };
    diff::documents(before.and_then(parse).as_ref(), after.and_then(parse).as_ref())
}

/// What differs
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Differences<'a> {
    /// The objects that differ; empty when none does
    changes: Vec<Changed<'a>>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Changed<'a> {
    /// role, association, agent or service-account
    kind: &'static str,
    /// Its name, as `carts/carts`
    name: &'a str,
    /// added, changed or removed
    change: &'static str,
    /// The writes that the manifest needs, each with its action and details: documents as before and after
    steps: &'a [&'a Step],
}

impl<'a> Differences<'a> {
    fn of(changes: &'a [Change<'a>]) -> Self {
        let one = |change: &'a Change<'a>| Changed {
            kind: change.kind,
            name: &change.name,
            change: change.word(),
            steps: &change.steps,
        };
        Self { changes: changes.iter().map(one).collect() }
    }
}

/// `2 added, 1 changed, 0 removed`.
pub(super) fn summary(changes: &[Change<'_>]) -> String {
    let of = |word: &str| changes.iter().filter(|change| change.word() == word).count();
    format!("{}, {} changed, {} removed", count_of(of("added")), of("changed"), of("removed"))
}

fn count_of(added: usize) -> String {
    format!("{added} added")
}

/// `3 roles and 40 associations`.
pub(super) fn size(roles: usize, associations: usize) -> String {
    format!("{} and {}", count(roles, "role"), count(associations, "association"))
}
