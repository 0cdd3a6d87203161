//! What a container's log says in a message that is known.

use super::{
    super::{
        Finding, FindingSubject, Status,
        environment::{self, Environment},
    },
    catalog, refused,
};
use crate::model::{
    arn,
    have::Observed,
    log_line::LogLine,
    message::{self, Meaning, Row},
    refusal::{self, Caller, Refusal},
    snapshot::{PodLog, Snapshot},
    workload::{Container, Pod},
};

/// What is said, with the line that says it.
enum Said<'a> {
    Refusal(Refusal, &'a LogLine),
    Message(&'static Row, &'a LogLine),
    /// A caller, without a refusal.
    Acts(Caller, &'a LogLine),
}

/// The container that a log is of.
#[derive(Clone, Copy)]
pub(super) struct Logged<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) pod: &'a Pod,
    pub(super) container: &'a Container,
    pub(super) log: &'a PodLog,
}

impl Logged<'_> {
    pub(super) fn subject(&self) -> FindingSubject {
        FindingSubject::container(&self.log.pod, &self.log.container)
    }

    pub(super) fn source(&self) -> String {
        format!("log of {}", self.subject())
    }

    pub(super) fn failing(&self) -> bool {
        self.pod.failing(self.container, self.snapshot.now)
    }

    /// The names of the case in place of those that stand for them.
    pub(super) fn named(&self, text: &str) -> String {
        let role = self.snapshot.associated().map(|association| arn::last(&association.role_arn));
        let text = text.replace("NS/SA", &self.snapshot.subject.to_string());
        match role {
            Some(role) if !role.is_empty() => text.replace("ROLE", role),
            _ => text,
        }
    }
}

/// What the log says: nothing when no message in it is known.
pub(super) fn told(snapshot: &Snapshot, pod: &Pod, container: &Container, log: &PodLog) -> Option<Finding> {
    let logged = Logged { snapshot, pod, container, log };
    let lines = match &log.lines {
        Observed::Known(lines) => lines,
        Observed::Unreadable(why) => return Some(catalog::SOUND.skips(logged.subject(), why)),
        Observed::NotRequested => return None,
    };
    match last(lines)? {
        Said::Refusal(refusal, line) => refused::explain(logged, &refusal, line),
        Said::Message(row, line) => Some(explain(logged, row, line)),
        Said::Acts(Caller::PodIdentity { role }, line) => Some(
            catalog::SOUND
                .ok(logged.subject(), format!("it acts as role {role}: the credentials of Pod Identity work"))
                .evidence(logged.source(), line.shown()),
        ),
        Said::Acts(Caller::Node { role }, line) => refused::as_node(logged, &role, line),
        Said::Acts(..) => None,
    }
}

/// What counts of a log: of all that it says since a call worked last, what says most; of equals, the last.
fn last(lines: &[LogLine]) -> Option<Said<'_>> {
    let mut best: Option<(&'static Row, &LogLine)> = None;
    for (i, line) in lines.iter().enumerate().rev() {
        // A line may end in the middle of a refusal.
        let next = lines.get(i + 1).map_or("", LogLine::raw);
        let mut refusals = refusal::refusals(line.raw());
        if refusals.is_empty() && refusal::begins(line.raw()) {
            refusals = refusal::refusals(&format!("{} {next}", line.raw()));
        }
        if let Some(refusal) = refusals.pop()
            && best.is_none_or(|(row, _)| row.follows_from_a_refusal())
        {
            return Some(Said::Refusal(refusal, line));
        }
        if let Some(row) = message::find(line.raw()) {
            if best.is_none_or(|(known, _)| row.outranks(known)) {
                best = Some((row, line));
            }
        } else if let Some((caller, _)) = refusal::caller(line.raw())
            && matches!(caller, Caller::PodIdentity { .. } | Caller::Node { .. })
        {
            return Some(best.map_or(Said::Acts(caller, line), |(row, line)| Said::Message(row, line)));
        }
    }
    best.map(|(row, line)| Said::Message(row, line))
}

/// A known message in a log.
fn explain(logged: Logged, row: &Row, line: &LogLine) -> Finding {
    let meaning = match (row.meaning, sidecar(logged.pod)) {
        (Meaning::NoAgent | Meaning::NoAgentIpv6, Some(_)) => Meaning::Mesh,
        (meaning, _) => meaning,
    };
    // What a program reports and survives may be over.
    let doubtful = matches!(meaning, Meaning::UnnamedRefusal | Meaning::Encoded) && !logged.failing();
    let status = if doubtful { Status::Warning } else { Status::Failed };
    let mut finding = catalog::check_for(meaning)
        .finds(status, logged.subject(), meaning.cause())
        .evidence(logged.source(), line.shown())
        .evidence("the message is known", format!("{}: {}", row.printed_by, row.source));
    if let (Meaning::Mesh, Some(name)) = (meaning, sidecar(logged.pod)) {
        finding.message =
            format!("the agent is out of its reach, and the sidecar {name} takes every connection of the pod");
        finding = finding.evidence(format!("containers of pod {}", logged.log.pod), name);
    }
    if meaning == Meaning::UnknownKeys {
        for (name, source) in own_keys(logged) {
            finding = finding
                .evidence(source, &name)
                .change(format!("remove `{name}`, the likely source of these keys, from the pod template"));
        }
    }
    let remedies = if meaning == row.meaning {
        row.remedies()
    } else {
        meaning.remedies().iter().map(|text| (*text).to_owned()).collect()
    };
    remedies.iter().fold(finding, |finding, text| finding.change(logged.named(text)))
}

/// The proxy of a service mesh among the pod's containers.
fn sidecar(pod: &Pod) -> Option<&str> {
    const PROXIES: [&str; 5] = ["istio-proxy", "envoy", "linkerd-proxy", "kuma-sidecar", "envoy-sidecar"];
    pod.containers.iter().map(|container| container.name.as_str()).find(|name| PROXIES.contains(name))
}

/// Variables of the container that are named as access keys, and where each comes from.
fn own_keys(logged: Logged) -> Vec<(String, String)> {
    const NAMES: [&str; 4] = ["ACCESS_KEY", "SECRET_KEY", "ACCESSKEY", "SECRETKEY"];
    let specs = environment::meant(logged.pod).filter(|(_, container)| container.name == logged.container.name);
    let mut found = Vec::new();
    for (spec, _) in specs {
        let environment = Environment::of(logged.snapshot, spec);
        let keys =
            environment.iter().filter(|(name, _)| NAMES.iter().any(|key| name.to_ascii_uppercase().contains(key)));
        found.extend(keys.map(|(name, variable)| (name.to_owned(), variable.source.clone())));
    }
    found
}
