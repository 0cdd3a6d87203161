//! What others do to a workload while its restart rolls out, and which conditions speak of an earlier rollout.

use std::fmt;

use jiff::Timestamp;
use serde::Serialize;

use crate::model::workload::{Workload, WorkloadKind};

/// What somebody else did to a workload while its restart rolled out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// Deleted it.
    Deleted,
    /// Put back a template without this restart: `kubectl rollout undo`, or a controller that restores what it keeps.
    Undone,
    /// Changed its pod template.
    Template,
    /// Paused it.
    Paused,
    /// Changed its number of replicas.
    Scaled(u64, u64),
    /// Restarted it again.
    Restarted,
}

impl Change {
    /// Whether the restart that is watched cannot end well any more, or its end would show nothing.
    pub fn ends(&self) -> bool {
        !matches!(self, Self::Restarted | Self::Scaled(_, 1..))
    }

    /// A word for scripts.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Deleted => "deleted",
            Self::Undone => "undone",
            Self::Template => "template-changed",
            Self::Paused => "paused",
            Self::Scaled(..) => "scaled",
            Self::Restarted => "restarted-again",
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Deleted => f.write_str("was deleted"),
            Self::Undone => f.write_str("was rolled back by another user"),
            Self::Template => f.write_str("was changed by another user (new pod template)"),
            Self::Paused => f.write_str("was paused"),
            Self::Scaled(from, to) => write!(f, "was scaled from {from} to {to} replicas"),
            Self::Restarted => f.write_str("was restarted again by another user"),
        }
    }
}

/// What was done to a workload since its patch was answered with `begun`.
pub fn change(begun: &Workload, present: Option<&Workload>) -> Option<Change> {
    let Some(present) = present else { return Some(Change::Deleted) };
    // Not yet the state that the patch was answered with.
    if begun.uid == present.uid && present.generation < begun.generation {
        return None;
    }
    // Another object of the same name.
    if begun.uid != present.uid {
        return Some(Change::Deleted);
    }
    if begun.template != present.template {
        return Some(Change::Template);
    }
    if begun.restarted_at != present.restarted_at {
        let at = |workload: &Workload| workload.restarted_at.as_deref().and_then(|at| at.parse::<Timestamp>().ok());
        return Some(if at(present) > at(begun) { Change::Restarted } else { Change::Undone });
    }
    if present.paused && !begun.paused {
        return Some(Change::Paused);
    }
    // A DaemonSet's number is that of its nodes.
    let scaled = begun.id.kind != WorkloadKind::DaemonSet && begun.replicas != present.replicas;
    scaled.then_some(Change::Scaled(begun.replicas, present.replicas))
}

impl Workload {
    /// Itself without a passed deadline that another rollout left: one that was there already when the patch that began this
    /// rollout was answered with `begun`, or that names a ReplicaSet other than the newest.
    #[must_use]
    pub fn since(&self, begun: &Workload) -> Workload {
        let mut present = self.clone();
        let status = &mut present.status;
        let Some(exceeded) = &status.deadline_exceeded else { return present };
        let named = exceeded.message.split('"').nth(1).filter(|_| exceeded.message.starts_with("ReplicaSet "));
        let newest = status.update_revision.as_ref().map(|hash| format!("{}-{hash}", self.id.name));
        let other = named.zip(newest.as_deref()).is_some_and(|(named, newest)| named != newest);
        let earlier = begun.status.deadline_exceeded.as_ref().is_some_and(|before| {
            before == exceeded || exceeded.updated_at.is_some() && exceeded.updated_at <= before.updated_at
        });
        if other || earlier {
            status.deadline_exceeded = None;
        }
        present
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{
        fixtures::{at, workload},
        workload::Exceeded,
    };

    #[test]
    fn what_others_do() {
        type Edit = fn(&mut Workload);
        let stamp = |seconds: i64| Some(at(seconds).to_string());
        let mut begun = workload(WorkloadKind::Deployment, "carts");
        begun.restarted_at = stamp(100);
        let rows: [(Edit, Option<Change>, bool); 8] = [
            (|_| {}, None, false),
            (|it| it.generation += 1, None, false),
            (|it| it.template = 9, Some(Change::Template), true),
            (|it| it.restarted_at = None, Some(Change::Undone), true),
            (|it| it.restarted_at = Some(at(200).to_string()), Some(Change::Restarted), false),
            (|it| it.paused = true, Some(Change::Paused), true),
            (|it| it.replicas = 3, Some(Change::Scaled(2, 3)), false),
            (|it| it.replicas = 0, Some(Change::Scaled(2, 0)), true),
        ];
        for (edit, wanted, ends) in rows {
            let mut present = begun.clone();
            edit(&mut present);
            let found = change(&begun, Some(&present));
            assert_eq!((found.as_ref(), found.as_ref().is_some_and(Change::ends)), (wanted.as_ref(), ends));
        }
        assert_eq!(change(&begun, None), Some(Change::Deleted));
        // Nodes come and go.
        let mut agent = workload(WorkloadKind::DaemonSet, "agent");
        let before = agent.clone();
        agent.replicas = 9;
        assert_eq!(change(&before, Some(&agent)), None);
    }

    #[test]
    fn whose_deadline() {
        let exceeded = |set: &str, seconds: i64| {
            let message = format!("ReplicaSet \"{set}\" has timed out progressing.");
            Some(Exceeded { message, updated_at: Some(at(seconds)) })
        };
        // What the patch was answered with, what is there now, whether it speaks of this rollout.
        for (before, now, counts) in [
            (None, exceeded("carts-new", 50), true),
            (None, exceeded("carts-old", 50), false),
            (exceeded("carts-old", 10), exceeded("carts-old", 10), false),
            (exceeded("carts-new", 10), exceeded("carts-new", 10), false),
            (exceeded("carts-old", 10), exceeded("carts-new", 50), true),
        ] {
            let mut begun = workload(WorkloadKind::Deployment, "carts");
            begun.status.deadline_exceeded = before;
            let mut present = begun.clone();
            present.status.deadline_exceeded = now;
            present.status.update_revision = Some("new".to_owned());
            assert_eq!(present.since(&begun).status.deadline_exceeded.is_some(), counts, "{present:?}");
        }
    }
}
