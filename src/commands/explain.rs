//! `podid explain`: what a pasted error or log line means. It asks nobody, unless a cluster is named for it.

mod cluster;

use clap::Args;
use schemars::JsonSchema;
use serde::Serialize;

use self::cluster::Found;
use super::input;
use crate::{
    context::Context,
    explain::{self, Told},
    failure::{Code, Failure, Result},
    model::refusal::{Caller, Refusal},
    output::{Block, Format, mask::credentials},
};

/// Explain an error or a log line about AWS credentials
///
/// Prints whose credentials were used (a session of Pod Identity, IRSA, the node, a user), which policy denied the
/// call, what a known message of an SDK or a tool means, and the smallest change that helps. If a Deny, a permissions
/// boundary or a policy of the organization denied the call, no permission is proposed, because none would help. Only
/// the text is read; no service is called. With --cluster, podid also looks up whose session it is: the service
/// accounts whose association (or IRSA annotation) names the role, and the pods that the session's name fits.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Explain {
    /// The text, in quotes; - reads it from stdin
    #[arg(value_name = "TEXT", required = true, num_args = 1..)]
    text: Vec<String>,
}

/// Examples of this command.
pub const EXAMPLES: &str = "\
Examples:
  podid explain 'User: arn:aws:sts::111122223333:assumed-role/carts/eks-c-carts-1 is not authorized to perform: s3:ListBucket'
  kubectl logs deployment/carts -n carts --previous | podid explain -
  podid explain --cluster eks-workshop - < error.txt";

impl Explain {
    /// Runs the command.
    ///
    /// # Errors
    /// Usage, a text in which nothing is known, and when stdout cannot be written.
    pub async fn run(self, ctx: &Context) -> Result<Code> {
        let text = match &self.text[..] {
            [only] if only == "-" => input::read_log(ctx, "TEXT").await?,
            words => words.join(" "),
        };
        if text.trim().is_empty() {
            return Err(Failure::usage("TEXT is empty").hint("pass the error in quotes, or `-` to read it from stdin"));
        }
        let mut told = explain::told(&text);
        if told.is_empty() {
            told.extend(explain::identity(&text));
        }
        if told.is_empty() {
            return Err(Failure::failed("no known message about AWS credentials in this text")
                .hint("check everything between a service account and its credentials: `podid verify NS/SA`"));
        }
        let more = told.len() > explain::MOST;
        told.truncate(explain::MOST);
        // PODID_CLUSTER and the kube context are there for other commands: only a flag asks for calls.
        let found = match ctx.clusters_by_flag() {
            [] => Vec::new(),
            [_] => cluster::look_up(ctx, &mut told).await?,
            _ => return Err(Failure::usage("`podid explain` looks in one cluster").hint("pass --cluster once")),
        };
        let holders = |at: usize| found.get(at).and_then(Option::as_deref);
        let all = || told.iter().enumerate().map(|(at, told)| (told, holders(at)));
        match ctx.term.format() {
            Format::Json => ctx.term.emit_json(&Document::of(all()))?,
            Format::Yaml => ctx.term.emit_yaml(&Document::of(all()))?,
            Format::Name => {
                for one in &told {
                    ctx.term.emit_line(name(one))?;
                }
            }
            Format::Table | Format::Wide => {
                for (i, (one, found)) in all().enumerate() {
                    if i > 0 {
                        ctx.term.emit_line("")?;
                    }
                    ctx.term.emit_block(&block(one, found))?;
                }
            }
        }
        if more {
            ctx.term.note(format!("only the first {} different errors are explained", told.len()));
        }
        Ok(Code::Ok)
    }
}

fn block(told: &Told, found: Option<&Found>) -> Block {
    let refused = told.refusal.as_ref();
    let call = refused.map(|refusal| match &refusal.resource {
        Some(resource) => credentials(&format!("{} on {resource}", refusal.action)),
        None => refusal.action.clone(),
    });
    let kind = |refusal: &Refusal| if refusal.explicit { "explicit deny" } else { "nothing allows it" };
    let by = refused.and_then(|refusal| Some(format!("{} ({})", explain::layer(refusal)?, kind(refusal))));
    let policy = refused.and_then(|refusal| refusal.policy.clone());
    let remedies = told.hints.iter().map(|hint| credentials(hint));
    let block = Block::new()
        .maybe("Identity", told.caller.as_ref().map(|(caller, arn)| credentials(&format!("{} ({arn})", who(caller)))));
    let block = match found {
        Some(found) => found.lines(block),
        None => block,
    };
    block
        .maybe("Refused", call)
        .maybe("Denied by", by)
        .maybe("Policy", policy)
        .maybe("Printed by", told.row.map(|row| row.printed_by))
        .field("Meaning", credentials(&told.cause))
        .list("Remedies", remedies)
        .maybe("Source", told.row.map(|row| row.source))
}

/// Whose credentials they are.
fn who(caller: &Caller) -> String {
    match caller {
        Caller::PodIdentity { role } => format!("Pod Identity session of role {role}"),
        Caller::Node { role } => format!("the node, with its role {role}"),
        Caller::Sdk { role } => format!("session of role {role} that an SDK named: IRSA, or a role that was assumed"),
        Caller::Session { role } => format!("session of role {role}, not by Pod Identity"),
        Caller::User { name } => format!("IAM user {name}, with static access keys"),
        Caller::Root => "the root user of the account, with static access keys".to_owned(),
        Caller::Anonymous => "none: the request was not signed".to_owned(),
        Caller::Unknown => "unknown".to_owned(),
    }
}

fn kind(caller: &Caller) -> &'static str {
    match caller {
        Caller::PodIdentity { .. } => "pod-identity",
        Caller::Node { .. } => "node",
        Caller::Sdk { .. } => "sdk-session",
        Caller::Session { .. } => "session",
        Caller::User { .. } => "user",
        Caller::Root => "root",
        Caller::Anonymous => "anonymous",
        Caller::Unknown => "unknown",
    }
}

fn name(told: &Told) -> String {
    match (&told.refusal, told.row) {
        (Some(refusal), _) => refusal.action.clone(),
        (None, Some(row)) => row.id.to_owned(),
        (None, None) => told.caller.as_ref().map_or_else(String::new, |(caller, _)| kind(caller).to_owned()),
    }
}

/// The explanations
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Document<'a> {
    /// One for each error, in the order of the text
    explanations: Vec<Explanation<'a>>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Explanation<'a> {
    /// Whose credentials were used; null when the text does not say
    identity: Option<Used<'a>>,
    /// The denied call; null when none was
    refusal: Option<Refused<'a>>,
    /// The known message; null for a denied call
    message: Option<Message>,
    /// What it means, in one line
    meaning: String,
    /// What helps, best first
    remedies: Vec<String>,
    /// With --cluster: the service accounts whose session it is; absent otherwise
    #[serde(skip_serializing_if = "Option::is_none")]
    service_accounts: Option<Vec<cluster::Shown<'a>>>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Used<'a> {
    /// pod-identity, node, sdk-session, session, user, root, anonymous or unknown
    kind: &'static str,
    /// Name of the role, or null
    role: Option<&'a str>,
    /// ARN, as the text has it
    arn: String,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Refused<'a> {
    /// The action
    action: &'a str,
    /// The resource, or null
    resource: Option<String>,
    /// The policy that denied it: identity, permissions-boundary, session, service-control, resource-control, resource,
    /// kms-key, trust, vpc-endpoint or unknown
    layer: &'static str,
    /// Whether a statement denies it; otherwise nothing allows it
    explicit: bool,
    /// ARN of that policy, or null
    policy: Option<&'a str>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Message {
    /// Stable id of the message
    id: &'static str,
    /// What prints it
    printed_by: &'static str,
    /// The version that no longer prints it, or null
    fixed_in: Option<&'static str>,
    /// Where it is explained
    source: &'static str,
}

impl<'a> Document<'a> {
    fn of(told: impl Iterator<Item = (&'a Told, Option<&'a Found>)>) -> Self {
        let one = |(told, found): (&'a Told, Option<&'a Found>)| Explanation {
            identity: told.caller.as_ref().map(|(caller, arn)| Used {
                kind: kind(caller),
                role: caller.role(),
                arn: credentials(arn),
            }),
            refusal: told.refusal.as_ref().map(|refusal| Refused {
                action: &refusal.action,
                resource: refusal.resource.as_deref().map(credentials),
                layer: refusal.layer.id(),
                explicit: refusal.explicit,
                policy: refusal.policy.as_deref(),
            }),
            message: told.row.map(|row| Message {
                id: row.id,
                printed_by: row.printed_by,
                fixed_in: row.fixed,
                source: row.source,
            }),
            meaning: credentials(&told.cause),
            remedies: told.hints.iter().map(|hint| credentials(hint)).collect(),
            service_accounts: found.map(Found::shown),
        };
        Self { explanations: told.map(one).collect() }
    }
}
