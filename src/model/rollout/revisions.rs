//! Which revision a restart that failed is rolled back to: one that worked, and that differs by the restart only.

use crate::model::workload::{Strategy, Workload, WorkloadKind};

/// A revision that a workload keeps: a ReplicaSet or a ControllerRevision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revision {
    /// Its number; the newest has the highest.
    pub number: u64,
    /// Its object's name.
    pub name: String,
    /// The restart annotation of its template.
    pub restarted_at: Option<String>,
    /// Its ready pods.
    pub ready: u64,
    /// Its template is that of the newest, but for the restart annotation.
    pub alike: bool,
}

/// The revision to go back to. `before` is the workload right before the restart, `after` as the restart left it, `present` as it
/// is now.
///
/// One with ready pods has shown that it works. Where a restart ends all pods first, no revision has any: then it is the one
/// that ran before the restart, if that had available pods, or one older than that.
///
/// # Errors
/// Why it is not rolled back.
pub fn revision_to_restore<'a>(
    kept: &'a [Revision],
    before: &Workload,
    after: &Workload,
    present: &Workload,
) -> Result<&'a Revision, &'static str> {
    const CHANGED: &str = "it was changed after the restart";
    let newest = kept.iter().max_by_key(|revision| revision.number).ok_or("no earlier revision is kept")?;
    if present.uid != after.uid
        || (present.template, &present.restarted_at) != (after.template, &after.restarted_at)
        || newest.restarted_at != after.restarted_at
    {
        return Err(CHANGED);
    }
    let others = || kept.iter().filter(|revision| revision.number != newest.number);
    let previous = others().max_by_key(|revision| revision.number).ok_or("no earlier revision is kept")?;
    // Whoever changed the template and back after the restart began another rollout.
    let repeated =
        others().any(|revision| revision.restarted_at.is_some() && revision.restarted_at == after.restarted_at);
    if !previous.alike || before.template != after.template || repeated {
        return Err(CHANGED);
    }
    let in_progress = replacing(before);
    let candidates: Vec<&Revision> =
        others().filter(|revision| revision.alike && !(in_progress && revision.number == previous.number)).collect();
    if candidates.is_empty() {
        return Err(
            "another rollout was in progress before the restart, and no earlier revision differs only by the restart",
        );
    }
    let best = candidates.iter().filter(|revision| revision.ready > 0).max_by_key(|it| (it.ready, it.number));
    if let Some(best) = best {
        return Ok(best);
    }
    // The last revision that a StatefulSet completed.
    let completed = before.status.current_revision.as_ref().filter(|_| in_progress);
    if let Some(completed) = candidates.iter().find(|revision| Some(&revision.name) == completed) {
        return Ok(completed);
    }
    if !in_progress && before.status.available.max(before.status.ready) > 0 {
        return Ok(previous);
    }
    let older = candidates.into_iter().filter(|revision| revision.number != previous.number);
    older.min_by_key(|revision| revision.number).ok_or("the previous revision had no available pods either")
}

/// Pods of an older revision were still being replaced.
fn replacing(workload: &Workload) -> bool {
    let status = &workload.status;
    if workload.strategy == Strategy::OnDelete {
        return false;
    }
    let wanted = workload.replicas.saturating_sub(workload.partition);
    status.observed_generation < workload.generation
        || status.updated < wanted
        || workload.id.kind == WorkloadKind::Deployment && status.total > status.updated
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::fixtures::workload;

    /// Number, stamp, ready pods, alike.
    type Row = (u64, Option<&'static str>, u64, bool);

    fn kept(rows: &[Row]) -> Vec<Revision> {
        let one = |&(number, stamp, ready, alike): &Row| Revision {
            number,
            name: format!("carts-{number}"),
            restarted_at: stamp.map(str::to_owned),
            ready,
            alike,
        };
        rows.iter().map(one).collect()
    }

    #[test]
    fn one_that_worked() {
        const OWN: Option<&str> = Some("own");
        const FAILED: Option<&str> = Some("failed");
        let healthy = workload(WorkloadKind::Deployment, "carts");
        let mut down = healthy.clone();
        (down.status.available, down.status.ready) = (0, 0);
        let mut rolling = healthy.clone();
        rolling.status.updated = 1;
        let rows: [(&[Row], &Workload, Option<u64>); 12] = [
            // The rolling update keeps pods of the revision before.
            (&[(1, None, 2, true), (2, OWN, 0, true)], &healthy, Some(1)),
            // Recreate keeps none.
            (&[(1, None, 0, true), (2, OWN, 0, true)], &healthy, Some(1)),
            // Two restarts failed, one after the other.
            (&[(1, None, 2, true), (2, FAILED, 0, true), (3, OWN, 0, true)], &rolling, Some(1)),
            (&[(1, None, 0, true), (2, FAILED, 0, true), (3, OWN, 0, true)], &down, Some(1)),
            (&[(1, None, 0, true), (2, FAILED, 1, true), (3, OWN, 0, true)], &rolling, Some(1)),
            // Nothing before worked.
            (&[(1, None, 0, true), (2, OWN, 0, true)], &down, None),
            (&[(2, OWN, 0, true)], &healthy, None),
            (&[], &healthy, None),
            // Somebody's own rollout was under way: another image.
            (&[(1, None, 2, false), (2, None, 0, true), (3, OWN, 0, true)], &rolling, None),
            // Somebody changed the template after the restart, and took another revision's.
            (&[(1, None, 0, true), (2, OWN, 0, false), (3, OWN, 0, true)], &healthy, None),
            (&[(1, None, 2, false), (2, OWN, 0, true)], &healthy, None),
            // The one with most ready pods.
            (&[(1, None, 1, true), (2, FAILED, 2, true), (3, OWN, 0, true)], &healthy, Some(2)),
        ];
        for (row, before, wanted) in rows {
            let kept = kept(row);
            let mut after = before.clone();
            after.restarted_at = OWN.map(str::to_owned);
            let found = revision_to_restore(&kept, before, &after, &after);
            assert_eq!(found.ok().map(|revision| revision.number), wanted, "{row:?}");
            for changed in [
                Workload { template: 7, ..after.clone() },
                Workload { restarted_at: Some("theirs".to_owned()), ..after.clone() },
            ] {
                assert!(revision_to_restore(&kept, before, &after, &changed).is_err(), "{row:?}");
            }
        }
    }
}
