//! What a container's log says in a message that is known.

use super::{
    super::{
        Finding, FindingSubject, Status,
        environment::{self, Environment},
        trust,
    },
    catalog, churn, refused,
};
use crate::model::{
    arn,
    have::Observed,
    log_line::LogLine,
    message::{self, Meaning, Row},
    refusal::Caller,
    said::{self, Said, Saying},
    snapshot::{PodLog, Snapshot},
    workload::{Container, Injection, Pod},
};

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

    /// Whether a role is none that the association leads to. Without one, its absence is what is broken.
    pub(super) fn is_another(&self, role: &str) -> bool {
        self.snapshot.associated().is_some_and(|association| !association.role_names().contains(&role))
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
        Observed::Unreadable(why) => return Some(catalog::PASSED.skips(logged.subject(), why)),
        Observed::NotRequested => return None,
    };
    let Saying { said, line, standing } = said::last(lines, snapshot.now)?;
    let over = standing.why_over().map(|why| format!("it may be resolved: {why}"));
    let informative = || line.is_informative().then(|| "it is logged as information only".to_owned());
    let over = over.or_else(informative).filter(|_| !logged.failing());
    match said {
        Said::Refusal(refusal) => refused::explain(logged, &refusal, line, over.is_none()).map(|it| eased(it, over)),
        Said::Message(row) => Some(eased(explain(logged, row, line), over)),
        Said::Acts(Caller::PodIdentity { role }) if logged.is_another(&role) => {
            Some(refused::another_role(logged, &role, false).evidence(logged.source(), line.shown()))
        }
        Said::Acts(Caller::PodIdentity { role }) => Some(
            catalog::PASSED
                .ok(logged.subject(), format!("it uses role {role}: the Pod Identity credentials work"))
                .evidence(logged.source(), line.shown()),
        ),
        Said::Acts(Caller::Node { role }) => refused::as_node(logged, &role, line),
        Said::Acts(..) => None,
    }
}

/// A failure that may be over is a warning; `over`: why it may be.
fn eased(mut finding: Finding, over: Option<String>) -> Finding {
    if let Some(why) = over.filter(|_| finding.status == Status::Failed) {
        finding.status = Status::Warning;
        finding.message = format!("{}; {why}", finding.message);
    }
    finding
}

/// A known message in a log.
fn explain(logged: Logged, row: &Row, line: &LogLine) -> Finding {
    let meaning = match (row.meaning, sidecar(logged.pod)) {
        (Meaning::NoAgent | Meaning::NoAgentIpv6, Some(_)) => Meaning::Mesh,
        (meaning, _) => meaning,
    };
    let mut finding = catalog::check_for(meaning)
        .fails(logged.subject(), meaning.cause())
        .evidence(logged.source(), line.shown())
        .evidence("known message", format!("{}: {}", row.printed_by, row.source));
    if let (Meaning::Mesh, Some(name)) = (meaning, sidecar(logged.pod)) {
        finding.message =
            format!("it cannot reach the agent: the sidecar {name} redirects every connection of the pod");
        finding = finding.evidence(format!("containers of pod {}", logged.log.pod), name);
    }
    if meaning == Meaning::UnknownKeys {
        for (name, source) in own_keys(logged) {
            finding = finding
                .evidence(source, &name)
                .change(format!("remove `{name}`, the likely source of these keys, from the pod template"));
        }
    }
    if meaning == Meaning::Throttled {
        finding = churn::told(logged.snapshot, finding);
    }
    // Whom the target role trusts, podid sees only in its own account.
    let target = logged.snapshot.associated().and_then(|association| association.target_role_arn.as_deref());
    if let (Meaning::Trust, Some(target)) = (meaning, target) {
        finding = finding.change(format!(
            "check the trust policy of the target role {target}: it has to allow `sts:AssumeRole` and `sts:TagSession` to role {}",
            logged.named("ROLE")
        ));
    }
    let remedies = if meaning == row.meaning {
        row.remedies()
    } else {
        meaning.remedies().iter().map(|text| (*text).to_owned()).collect()
    };
    if meaning.is_beyond_credentials() {
        // It is worth a look, and no fault of what is verified here.
        finding.status =
            if meaning == Meaning::Answered && logged.failing() { Status::Unknown } else { Status::Warning };
    }
    if meaning == Meaning::Packed && trust::needs_tags(logged.snapshot) {
        return finding.change(logged.named(
            "the trust policy of ROLE requires session tags, so they cannot be disabled: shorten the session policy of the association, or the names of the service account and its namespace",
        ));
    }
    // These checks run already, and an injected pod started after the association.
    let injected = logged.pod.injection() == Injection::Injected;
    let helps = |text: &&String| *text != message::VERIFY && !(injected && *text == message::RECYCLE);
    remedies.iter().filter(helps).fold(finding, |finding, text| finding.change(logged.named(text)))
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
