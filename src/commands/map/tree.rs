//! The map as a text tree: by namespace, each service account with the way to its resources.

use std::collections::BTreeMap;

use super::{Read, verified::Verified, word};
use crate::{
    checks::{Finding, Link, Status},
    model::{
        arn::last,
        have::Observed,
        map::{Chain, Grant, Graph, Kind, MappedRole, Resource},
        text::listed,
    },
    output::{block::hanging, styles::Tone, table::TableView},
};

/// A line, and what hangs on it.
struct Branch {
    text: String,
    tone: Tone,
    below: Vec<Branch>,
}

impl Branch {
    fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), tone: Tone::Plain, below: Vec::new() }
    }

    fn toned(tone: Tone, text: impl Into<String>) -> Self {
        Self { tone, ..Self::new(text) }
    }

    fn write(&self, out: &mut String, (first, rest): (&str, &str), view: &TableView) {
        let room = view.width.map(|width| width.saturating_sub(rest.chars().count()));
        // What follows a branch of its own is joined to it on the left.
        let stem = match (self.below.is_empty(), view.unicode) {
            (true, _) => "  ",
            (false, true) => "│ ",
            (false, false) => "| ",
        };
        let words = hanging(&self.text, 2, room);
        for (at, line) in words.lines().enumerate() {
            let (before, line) =
                if at == 0 { (first.to_owned(), line) } else { (format!("{rest}{stem}"), line.trim_start()) };
            out.push_str(&before);
            out.push_str(&view.paint.paint(self.tone, line));
            out.push('\n');
        }
        let signs = if view.unicode { ["├─ ", "│  ", "└─ ", "   "] } else { ["|- ", "|  ", "'- ", "   "] };
        for (at, branch) in self.below.iter().enumerate() {
            let [sign, under] = if at + 1 == self.below.len() { [signs[2], signs[3]] } else { [signs[0], signs[1]] };
            branch.write(out, (&format!("{rest}{sign}"), &format!("{rest}{under}")), view);
        }
    }
}

/// The whole tree; of a collapsed map the namespaces with the services that each reaches.
pub(super) fn text(read: &Read, collapsed: Option<&Graph>, view: &TableView) -> String {
    if read.chains.is_empty() {
        return String::new();
    }
    let home = &read.cluster;
    let mut root = Branch::toned(Tone::Strong, format!("cluster {} ({}, {})", home.name(), home.account, home.region));
    root.below = match collapsed {
        Some(graph) => spaces(graph),
        None => namespaces(read, view.wide),
    };
    let of_cluster: Vec<Branch> = read.verified.iter().flat_map(Verified::of_cluster).map(finding).collect();
    root.below.splice(0..0, of_cluster);
    let mut out = String::new();
    root.write(&mut out, ("", ""), view);
    out
}

fn spaces(graph: &Graph) -> Vec<Branch> {
    let mut all: BTreeMap<&str, Branch> = BTreeMap::new();
    for (from, to, edge) in graph.steps() {
        let (from, to) = (&graph.nodes[from], &graph.nodes[to]);
        let own = all
            .entry(&edge.from)
            .or_insert_with(|| Branch::new(with_notes(&format!("namespace {}", from.name), &from.notes())));
        let notes = if edge.label.is_some() { edge.label.clone().into_iter().collect() } else { to.notes() };
        own.below.push(Branch::new(with_notes(&to.name, &notes)));
    }
    for node in graph.nodes.iter().filter(|node| node.kind == Kind::Namespace) {
        all.entry(&node.id)
            .or_insert_with(|| Branch::new(with_notes(&format!("namespace {}", node.name), &node.notes())));
    }
    all.into_values().collect()
}

fn with_notes(name: &str, notes: &[String]) -> String {
    if notes.is_empty() { name.to_owned() } else { format!("{name}: {}", notes.join(", ")) }
}

fn namespaces(read: &Read, wide: bool) -> Vec<Branch> {
    let mut spaces: BTreeMap<&str, Branch> = BTreeMap::new();
    for chain in &read.chains {
        let name = &chain.subject.namespace;
        let space = spaces.entry(name).or_insert_with(|| Branch::new(format!("namespace {name}")));
        space.below.push(account(read, chain, wide));
    }
    spaces.into_values().collect()
}

fn account(read: &Read, chain: &Chain, wide: bool) -> Branch {
    let most = if wide { usize::MAX } else { SHOWN };
    let by = match &chain.workloads {
        Observed::Known(names) if names.is_empty() => ": nothing runs as it".to_owned(),
        Observed::Known(names) => format!(", used by {}", listed(names, most)),
        Observed::Unreadable(why) => format!(", workloads not read: {why}"),
        Observed::NotRequested => String::new(),
    };
    let mut account = Branch::new(format!("service account {}{by}", chain.subject));
    account.below.extend(read.of_account(chain).map(finding));
    let traits = if chain.traits.is_empty() { String::new() } else { format!(" ({})", chain.traits.join(", ")) };
    let mut association = Branch::new(format!("association {}{traits}", chain.association));
    association.below.extend(chain.credentials().map(|text| Branch::toned(Tone::Bad, text)));
    let mut end = role(read, "role", &chain.role, wide);
    if let Some(target) = &chain.target {
        let mut target = role(read, "target role", target, wide);
        permissions(&mut target, read, chain, wide);
        end.below.push(target);
    } else {
        permissions(&mut end, read, chain, wide);
    }
    association.below.push(end);
    account.below.push(association);
    account
}

/// Names and actions that are shown of many.
const SHOWN: usize = 3;

fn role(read: &Read, what: &str, role: &MappedRole, wide: bool) -> Branch {
    let name = if wide { role.arn.as_str() } else { last(&role.arn) };
    let state = match (&role.missing, &role.unread) {
        (Some(_), _) => " (does not exist)",
        (None, Some(_)) => " (not read)",
        (None, None) => "",
    };
    let mut branch = Branch::new(format!("{what} {name}{state}"));
    branch.below.extend(read.of_role(role).map(finding));
    branch
}

fn permissions(end: &mut Branch, read: &Read, chain: &Chain, wide: bool) {
    end.below.extend(chain.resources.iter().map(|one| resource(read, one, wide)));
    end.below.extend(chain.denied.iter().map(|line| Branch::toned(Tone::Dim, format!("denied: {line}"))));
    end.below.extend(chain.unread.iter().map(|why| Branch::toned(Tone::Warn, format!("not read: {why}"))));
    if chain.resources.is_empty() && chain.unread.is_empty() && chain.last_role().missing.is_none() {
        end.below.push(Branch::toned(Tone::Dim, "no policy allows anything"));
    }
}

fn resource(read: &Read, resource: &Resource, wide: bool) -> Branch {
    let name = if wide { resource.name.clone() } else { resource.short(&read.cluster) };
    let most = if wide { usize::MAX } else { SHOWN };
    let line = |grant: &Grant| {
        let limits = &grant.limited_by;
        let limits = if limits.is_empty() { String::new() } else { format!(", limited by {}", limits.join(", ")) };
        format!("{}{limits}", grant.words(most))
    };
    let title = format!("{} {name}", resource.service);
    match &resource.grants[..] {
        [one] => Branch::new(format!("{title} ({}): {}", one.level.word(), line(one))),
        several => {
            let below = several.iter().map(|one| Branch::new(format!("{}: {}", one.level.word(), line(one)))).collect();
            Branch { below, ..Branch::new(title) }
        }
    }
}

fn finding(finding: &Finding) -> Branch {
    let tone = match finding.status {
        Status::Failed => Tone::Bad,
        Status::Warning => Tone::Warn,
        _ => Tone::Dim,
    };
    // Most speak of the node itself.
    let itself = ["service account ", "association ", "role ", "target role "];
    let named = finding.check.link != Link::Audit && !itself.iter().any(|what| finding.subject.starts_with(what));
    let of = if named { format!("{}: ", finding.subject) } else { String::new() };
    Branch::toned(tone, format!("{}: {of}{} ({})", word(finding.status), finding.message, finding.check.id))
}
