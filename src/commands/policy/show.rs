//! `podid policy show`: the add-ons that `--add-on` knows, and what each is granted. It calls no service.

use clap::Args;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    context::Context,
    failure::{Code, Failure, Result},
    model::{
        add_on_policy::{ADD_ONS, AddOnPolicy, Argument, Permits, add_on},
        document,
        text::{did_you_mean, nearest},
    },
    output::{
        Format,
        block::Block,
        table::{Cell, Column, Table},
    },
};

/// Show what --add-on grants to an add-on or controller, or list all that it knows
///
/// Prints where the requirements are published and when podid was last compared with them. It calls no service: `<REGION>`,
/// `<ACCOUNT>`, `<CLUSTER>` and the argument are filled in by podid policy print and podid policy attach.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Show {
    /// Name of the add-on [default: list all]
    #[arg(value_name = "ADD_ON")]
    add_on: Option<String>,
}

/// Examples of this command.
pub const EXAMPLES: &str = "\
Examples:
  podid policy show
  podid policy show external-dns
  podid policy show ebs-csi -o json";

impl Show {
    /// Runs the command.
    ///
    /// # Errors
    /// When there is no such add-on, or stdout cannot be written.
    pub fn run(&self, ctx: &Context) -> Result<Code> {
        let Some(name) = &self.add_on else { return list(ctx) };
        let Some(policy) = add_on(name) else {
            let near = nearest(name, ADD_ONS.iter().map(|policy| policy.name));
            let failure = Failure::usage(format!("podid does not know the add-on `{name}`{}", did_you_mean(&near)));
            return Err(failure.hint("list all with `podid policy show`"));
        };
        match ctx.term.format() {
            Format::Json => ctx.term.emit_json(&Document::One(Box::new(ShownAddOn::of(policy))))?,
            Format::Yaml => ctx.term.emit_yaml(&Document::One(Box::new(ShownAddOn::of(policy))))?,
            Format::Name => ctx.term.emit_line(policy.name)?,
            Format::Table | Format::Wide => {
                ctx.term.emit_block(&block(policy))?;
                if let Some(outline) = policy.outline() {
                    ctx.term.emit_line("")?;
                    ctx.term.emit_json(&outline)?;
                }
            }
        }
        // A policy of the project's own is up to date by itself.
        if let Permits::Release(_) = policy.permits {
            return Ok(Code::Ok);
        }
        ctx.term.warn(format!(
            "{} may need more than this, depending on its version and configuration: compare with {}",
            policy.name, policy.source
        ));
        Ok(Code::Ok)
    }
}

fn list(ctx: &Context) -> Result<Code> {
    let all = Document::All { add_ons: ADD_ONS.iter().map(ShownAddOn::of).collect() };
    match ctx.term.format() {
        Format::Json => ctx.term.emit_json(&all)?,
        Format::Yaml => ctx.term.emit_yaml(&all)?,
        Format::Name => {
            for policy in &ADD_ONS {
                ctx.term.emit_line(policy.name)?;
            }
        }
        Format::Table | Format::Wide => {
            let columns = ["ADD-ON", "SERVICE ACCOUNT", "POLICY", "AS OF"].map(Column::new);
            let mut table = Table::new(&columns);
            for policy in &ADD_ONS {
                table.row(
                    [policy.usage(), policy.account.to_owned(), from(policy), policy.as_of.to_owned()].map(Cell::new),
                );
            }
            ctx.term.emit_table(&table)?;
        }
    }
    Ok(Code::Ok)
}

/// Where its policy comes from, in short.
fn from(policy: &AddOnPolicy) -> String {
    match policy.permits {
        Permits::Managed(all) => all.iter().map(|one| one.name).collect::<Vec<_>>().join(", "),
        Permits::Statements(_) => policy.inline(),
        Permits::Release(_) => "of the release, by --policy-file".to_owned(),
    }
}

fn flag(policy: &AddOnPolicy) -> String {
    if let Permits::Release(_) = policy.permits {
        "--policy-file FILE".to_owned()
    } else {
        format!("--add-on {}", policy.usage())
    }
}

/// One add-on, or without an argument all
#[derive(Serialize, JsonSchema)]
#[serde(untagged, rename_all_fields = "camelCase")]
pub(crate) enum Document {
    /// The add-on that was named
    One(Box<ShownAddOn>),
    /// Without an argument
    All {
        /// Every add-on that podid knows
        add_ons: Vec<ShownAddOn>,
    },
}

/// An add-on or controller, and what it needs
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "AddOn")]
pub(crate) struct ShownAddOn {
    /// Which
    name: &'static str,
    /// What it is for
    description: &'static str,
    /// NAMESPACE/NAME of its service account unless configured otherwise
    service_account: &'static str,
    /// What --add-on takes after the name, or null
    argument: Option<&'static str>,
    /// ARNs of AWS's policies, in the partition aws
    managed_policies: Vec<String>,
    /// Name of podid's own policy, or null
    inline_policy: Option<String>,
    /// Document of podid's own policy, or null; <REGION> and the like are filled in later
    document: Option<document::Document>,
    /// Where the project's own policy is found, for --policy-file; or null
    release_policy: Option<&'static str>,
    /// Where its requirements are published
    source: &'static str,
    /// When podid was compared with them
    as_of: &'static str,
    /// What to know
    notes: &'static [&'static str],
}

impl ShownAddOn {
    fn of(policy: &'static AddOnPolicy) -> Self {
        Self {
            name: policy.name,
            description: policy.what,
            service_account: policy.account,
            argument: policy.argument.map(Argument::value),
            managed_policies: policy.managed("aws"),
            inline_policy: (!policy.parts().is_empty()).then(|| policy.inline()),
            document: policy.outline(),
            release_policy: if let Permits::Release(from) = policy.permits { Some(from) } else { None },
            source: policy.source,
            as_of: policy.as_of,
            notes: policy.notes,
        }
    }
}

fn block(policy: &AddOnPolicy) -> Block {
    let mut block = Block::new()
        .field("Add-on", policy.name)
        .field("Description", policy.what)
        .field("Service account", format!("{} unless configured otherwise", policy.account))
        .field("Flag", flag(policy));
    block = match policy.permits {
        Permits::Managed(_) => block.list("Managed policies", policy.managed("aws")),
        Permits::Statements(_) => block.field("Inline policy", policy.inline()),
        Permits::Release(from) => block.field("Policy", format!("changes with each release; take it from {from}")),
    };
    block = block.field("Source", policy.source).field("As of", policy.as_of);
    if !policy.notes.is_empty() {
        block = block.list("Notes", policy.notes.iter().copied());
    }
    block
}
