//! `podid map`: the way from workloads to AWS resources, as a tree, as a picture, and as a page for a review.

mod page;
mod svg;
mod tree;
mod verified;

use std::collections::{BTreeMap, BTreeSet};

use clap::{Args, ValueEnum};
use schemars::JsonSchema;
use serde::Serialize;

use self::verified::{Problem, Verified};
use crate::{
    args::AccountsArg,
    checks::{
        Finding, Status,
        audit::{self, Estate, UNREAD},
    },
    commands::{
        audit::{
            exceptions::{Accepted, ExceptionsArg, Sorted, warn_of_expired},
            kubernetes,
        },
        holders::{Holders, NOT_IRSA, NOT_READ, NOT_READ_KINDS},
        verify,
    },
    context::Context,
    failure::{Code, Failure, Result},
    model::{
        access::Holder,
        arn::{Arn, RoleRef, last},
        exception::Exception,
        glob,
        have::Observed,
        map::{Chain, Edge, Graph, MappedRole, Node, Selection},
        role_users::Trusting,
        text::count,
    },
    observe::audit::{InKubernetes, accounts_of},
    output::Format,
};

/// Draw which workloads reach which AWS resources
///
/// Shows workloads, service accounts, associations, roles, target roles and the resources that their policies allow, with the
/// findings of `podid audit` for them, and with --verify the problems that `podid verify` finds. The text tree is the
/// default; --format html is one file for a security review: it needs no network, and has search and filters. Pictures of
/// more than 60 nodes are collapsed by namespace. What could not be read is shown as not read, with the reason. Resource
/// policies, service control policies and VPC endpoint policies are not read: they may allow or deny more. Only reads.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Map {
    #[command(flatten)]
    subjects: AccountsArg,
    /// Only service accounts that get the credentials of this role, directly or as their target role
    #[arg(long, value_name = "ROLE")]
    role: Option<RoleRef>,
    /// Only service accounts whose policies name this resource or a pattern that matches it
    #[arg(long, value_name = "ARN")]
    resource: Option<Arn>,
    /// What is printed
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = Drawing::Tree)]
    format: Drawing,
    /// Also run the checks of `podid verify` for these service accounts, and show their problems
    #[arg(long)]
    verify: bool,
    /// Show every node, however many there are
    #[arg(long)]
    expand: bool,
    #[command(flatten)]
    exceptions: ExceptionsArg,
}

/// What is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Drawing {
    /// Text
    Tree,
    /// A Mermaid flowchart, for Markdown
    Mermaid,
    /// A digraph for Graphviz
    Dot,
    /// A picture
    Svg,
    /// One page with the picture, search, filters and findings
    Html,
}

/// Examples of this command.
pub const EXAMPLES: &str = "\
Examples:
  podid map
  podid map carts/carts -o wide
  podid map 'team-a/*' --format mermaid
  podid map --role eks-workshop-carts-dynamo
  podid map --resource \\
      arn:aws:dynamodb:us-west-2:111122223333:table/eks-workshop-carts
  podid map --format html > map.html
  podid map --verify --format html > map.html
  podid map --exceptions accepted.yaml
  podid map -o json";

/// What was read and selected.
struct Read {
    /// The cluster.
    cluster: Arn,
    /// By service account.
    chains: Vec<Chain>,
    /// Of the audit, about these chains.
    findings: Vec<Finding>,
    /// Those that an exception accepts: not drawn.
    accepted: Vec<(Finding, Exception)>,
    /// Of verify, where it was asked for.
    verified: Option<Verified>,
    /// What could not be read, one line each.
    unread: Vec<String>,
    /// Only some service accounts were asked for.
    some: bool,
}

impl Map {
    /// Runs the command.
    ///
    /// # Errors
    /// What failed, with its exit code.
    pub async fn run(self, ctx: &Context) -> Result<Code> {
        if self.format != Drawing::Tree && ctx.term.format() != Format::Table {
            return Err(Failure::usage("`--format` conflicts with `-o`: the format determines the output")
                .hint("pass one of them"));
        }
        let exceptions = self.exceptions.read()?;
        let read = Box::pin(self.read(ctx, &exceptions)).await?;
        let mut whole = Graph::of(&read.chains, &read.cluster);
        if let Some(verified) = &read.verified {
            verified.mark(&mut whole);
        }
        let collapsed = (whole.is_large() && !self.expand).then(|| Graph::by_namespace(&read.chains));
        let drawn = collapsed.as_ref().unwrap_or(&whole);
        let term = &ctx.term;
        let pictured = matches!(self.format, Drawing::Svg | Drawing::Html);
        if pictured && drawn.nodes.len() > svg::MOST {
            return Err(Failure::usage(format!("{} nodes are too many for a picture", drawn.nodes.len()))
                .hint("name a namespace (`podid map 'team-a/*'`), or pass `--format dot` and draw it with Graphviz"));
        }
        let mut told = false;
        match (self.format, term.format()) {
            (Drawing::Mermaid, _) => term.emit(&drawn.mermaid())?,
            (Drawing::Dot, _) => term.emit(&drawn.dot())?,
            (Drawing::Svg, _) => term.emit(&svg::file(drawn, read.cluster.name())?)?,
            (Drawing::Html, _) => term.emit(&page::html(&read, drawn, collapsed.is_some(), term.now())?)?,
            (Drawing::Tree, Format::Json) => term.emit_json(&read.document(&whole))?,
            (Drawing::Tree, Format::Yaml) => term.emit_yaml(&read.document(&whole))?,
            (Drawing::Tree, Format::Name) => {
                for chain in &read.chains {
                    term.emit_line(&chain.subject)?;
                }
            }
            (Drawing::Tree, Format::Table | Format::Wide) => {
                told = true;
                term.emit(&tree::text(&read, collapsed.as_ref(), &term.table_view()))?;
            }
        }
        if collapsed.is_some() && (told || self.format != Drawing::Tree) {
            let nodes = whole.nodes.len();
            let space = read.chains.first().map_or("default", |chain| &chain.subject.namespace);
            term.note(format!(
                "{nodes} nodes are collapsed by namespace: show one with `podid map '{space}/*'`, or all with `--expand`"
            ));
        }
        for why in &read.unread {
            term.warn(format!("incomplete: {why}"));
        }
        if !read.accepted.is_empty() {
            term.note(format!("not shown, because exceptions accept them: {}", count(read.accepted.len(), "finding")));
        }
        if read.chains.is_empty() {
            term.note(self.none(&read));
        }
        term.note(if read.chains.is_empty() { NOT_IRSA } else { NOT_READ });
        Ok(Code::Ok)
    }

    fn none(&self, read: &Read) -> String {
        let cluster = read.cluster.name();
        match (&self.role, &self.resource) {
            (_, Some(resource)) => {
                format!("no policy that was read allows a service account of cluster {cluster} anything on {resource}")
            }
            (Some(role), None) => format!("no association of cluster {cluster} uses role {}", role.name()),
            (None, None) if self.subjects.0.is_empty() => format!("no associations in cluster {cluster}"),
            (None, None) => format!("none of the associations in cluster {cluster} was selected"),
        }
    }

    async fn read(&self, ctx: &Context, exceptions: &[Exception]) -> Result<Read> {
        let patterns = &self.subjects.0;
        let holders = Holders::read(ctx, &glob::filter(patterns)).await?;
        let InKubernetes { namespaces, accounts, annotated, runners, by_rollouts } = kubernetes(ctx).await?;
        let asked = |holder: &Holder<'_>| {
            patterns.is_empty() || patterns.iter().any(|it| it.matches(&holder.association.summary.subject))
        };
        let all: Vec<Holder<'_>> = holders.all(ctx.term.now()).filter(asked).collect();
        for pattern in patterns {
            if all.iter().any(|holder| pattern.matches(&holder.association.summary.subject)) {
                continue;
            }
            let cluster = &holders.cluster.name;
            if pattern.literal().is_none() {
                ctx.term.warn(format!("no association in cluster {cluster} matches {pattern}"));
                continue;
            }
            let none = format!("service account {pattern} has no association in cluster {cluster}");
            return Err(Failure::failed(none).hint("list the associations: `podid list`"));
        }
        let unread = runners.unreadable().or(namespaces.unreadable()).map(str::to_owned);
        let seen = match (&runners, unread) {
            (Observed::NotRequested, Some(why)) => Observed::Unreadable(why),
            (read, _) => read.clone(),
        };
        let wanted = Selection { role: self.role.clone(), resource: self.resource.clone() };
        let (mut chains, mut kept) = (Vec::new(), Vec::new());
        for holder in all {
            let mut chain = Chain::of(&holder, &accounts, &seen, &by_rollouts);
            if chain.select(&wanted) {
                chains.push(chain);
                kept.push(holder);
            }
        }
        let (used, by_rollouts) = (accounts_of(&runners), accounts_of(&by_rollouts));
        let rollouts = by_rollouts.unreadable().map(|why| format!("Rollouts: {why}"));
        let listed = kept.iter().map(|holder| holder.association.summary.clone()).collect();
        let roles = Observed::Known(trusting(&kept));
        let agent = Observed::NotRequested;
        let findings =
            audit::audit(&Estate { holders: kept, namespaces, accounts, used, by_rollouts, annotated, agent, roles });
        let (unread, findings): (Vec<Finding>, _) = findings.into_iter().partition(|it| it.check.id == UNREAD.id);
        let mut unread: BTreeSet<String> = unread.iter().map(|it| format!("{}: {}", it.subject, it.message)).collect();
        unread.extend(rollouts);
        // What an exception is about may be elsewhere than on this map: that it matches nothing here says nothing.
        let Sorted { findings, accepted, expired, .. } = Sorted::of(findings, exceptions, ctx.term.now());
        warn_of_expired(ctx, &expired);
        let mut verified = None;
        if self.verify {
            let found = Verified::of(&Box::pin(verify::of_associations(ctx, listed)).await?, &chains);
            unread.extend(found.unread.iter().cloned());
            verified = Some(found);
        }
        Ok(Read {
            cluster: holders.cluster.arn.clone(),
            chains,
            findings,
            accepted,
            verified,
            unread: unread.into_iter().collect(),
            some: !patterns.is_empty() || self.role.is_some() || self.resource.is_some(),
        })
    }
}

/// How bad a finding is, in a word.
fn word(status: Status) -> &'static str {
    match status {
        Status::Failed => "problem",
        Status::Warning => "warning",
        _ => "unknown",
    }
}

/// The roles on the map: whether others use them is not asked.
fn trusting(holders: &[Holder<'_>]) -> Vec<Trusting> {
    let views = holders.iter().flat_map(|holder| [Some(holder.role), holder.target]).flatten();
    let roles = views.filter_map(|view| view.role.known()?.as_ref());
    let by_arn: BTreeMap<String, Trusting> = roles
        .map(|role| {
            let trusting =
                Trusting { arn: role.arn.clone(), trust: role.trust.clone(), unused: None, left: Vec::new() };
            (role.arn.to_string(), trusting)
        })
        .collect();
    by_arn.into_values().collect()
}

impl Read {
    /// The findings about a service account.
    fn of_account<'a>(&'a self, chain: &'a Chain) -> impl Iterator<Item = &'a Finding> {
        let subject = chain.subject.to_string();
        let audited = self.findings.iter().filter(move |it| it.subject == subject);
        audited.chain(self.verified.iter().flat_map(|it| it.about(verified::of_account(chain).into())))
    }

    /// The findings about a role.
    fn of_role<'a>(&'a self, role: &'a MappedRole) -> impl Iterator<Item = &'a Finding> {
        let subject = format!("role {}", last(&role.arn));
        let audited = self.findings.iter().filter(move |it| it.subject == subject);
        audited.chain(self.verified.iter().flat_map(|it| it.about(verified::of_role(&role.arn).into())))
    }

    fn document<'a>(&'a self, graph: &'a Graph) -> Document<'a> {
        Document {
            cluster: &self.cluster,
            nodes: &graph.nodes,
            edges: &graph.edges,
            findings: &self.findings,
            accepted: Accepted::all(&self.accepted),
            problems: self.verified.as_ref().map(|it| it.problems.as_slice()),
            unread: &self.unread,
            not_read: NOT_READ_KINDS,
        }
    }
}

/// The map, with every node even where the tree is collapsed
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Document<'a> {
    /// ARN of the cluster
    cluster: &'a Arn,
    /// What the map shows, each once
    nodes: &'a [Node],
    /// The steps between the nodes
    edges: &'a [Edge],
    /// What `podid audit` finds about these, and no exception accepts
    findings: &'a [Finding],
    /// Findings that an exception accepts
    accepted: Vec<Accepted<'a>>,
    /// With --verify: what `podid verify` finds about these
    #[serde(skip_serializing_if = "Option::is_none")]
    problems: Option<&'a [Problem]>,
    /// What could not be read
    unread: &'a [String],
    /// Kinds of policies that are never read
    not_read: [&'static str; 3],
}
