//! What the logs of the pods tell after a restart: whether they act as the same role, and what they complain of that they did not
//! complain of before.

use std::collections::BTreeSet;

use crate::model::{
    have::Observed,
    refusal::Caller,
    said::{self, Said},
    snapshot::{PodLog, Snapshot},
};

/// What the logs of a service account's pods tell.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Told {
    /// Pods that act as a role by Pod Identity: pod and role.
    pub acting: Vec<(String, String)>,
    /// What they complain of.
    pub complaints: Vec<Complaint>,
    /// Why a log could not be read.
    pub unread: Option<String>,
}

/// A message about credentials that still stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    /// What makes two of them the same, whoever signed the call.
    key: String,
    /// `NAMESPACE/POD`.
    pub pod: String,
    /// The line, without secrets.
    pub line: String,
}

impl Told {
    /// What the logs of a snapshot tell.
    pub fn of(snapshot: &Snapshot) -> Self {
        let mut told = Self::default();
        for PodLog { pod, lines, .. } in &snapshot.logs {
            let lines = match lines {
                Observed::Known(lines) => lines,
                Observed::Unreadable(why) => {
                    told.unread = Some(why.clone());
                    continue;
                }
                Observed::NotRequested => continue,
            };
            let Some(saying) = said::last(lines, snapshot.now) else { continue };
            let key = match saying.said {
                Said::Acts(Caller::PodIdentity { role }) => {
                    told.acting.push((pod.clone(), role));
                    continue;
                }
                Said::Acts(_) => continue,
                Said::Message(row) if row.meaning.is_beyond_credentials() => continue,
                Said::Message(row) => format!("{:?}", row.meaning),
                Said::Refusal(refusal) => format!("{} {:?}", refusal.action, refusal.resource),
            };
            if saying.standing.why_over().is_none() {
                let line = saying.line.shown().to_owned();
                told.complaints.push(Complaint { key, pod: pod.clone(), line });
            }
        }
        told
    }

    /// What was not complained of before.
    pub fn since(&self, before: &Self) -> Vec<&Complaint> {
        let known: BTreeSet<&str> = before.complaints.iter().map(|it| it.key.as_str()).collect();
        self.complaints.iter().filter(|it| !known.contains(it.key.as_str())).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::{
        fixtures::{at, subject},
        log_line::LogLine,
        snapshot::ClusterView,
    };

    fn told(line: &str) -> Told {
        let mut it = Snapshot::unread(subject("carts/carts"), at(0), Arc::new(ClusterView::default()));
        let lines = Observed::Known(vec![LogLine::from(line)]);
        it.logs = vec![PodLog { pod: "carts/carts-a".to_owned(), container: "carts".to_owned(), lines }];
        Told::of(&it)
    }

    #[test]
    fn what_is_new_is_what_was_not_refused_before() {
        let denied = |session: &str, action: &str| {
            told(&format!(
                "AccessDenied: User: arn:aws:sts::111122223333:assumed-role/carts/{session} is not authorized to perform: {action} on resource: arn:aws:s3:::orders/x because no identity-based policy allows the {action} action"
            ))
        };
        let before = denied("botocore-session-1", "s3:PutObject");
        assert_eq!(before.complaints.len(), 1);
        assert_eq!(denied("eks-c-pod-1", "s3:PutObject").since(&before), Vec::<&Complaint>::new());
        assert_eq!(denied("eks-c-pod-1", "s3:GetObject").since(&before).len(), 1);
        assert_eq!(denied("eks-c-pod-1", "s3:PutObject").since(&Told::default()).len(), 1);
    }

    #[test]
    fn who_acts_as_a_role() {
        let told =
            told("GetCallerIdentity: arn:aws:sts::111122223333:assumed-role/carts/eks-eks-worksh-carts-7d9f-0b1c");
        assert_eq!(told.acting, [("carts/carts-a".to_owned(), "carts".to_owned())]);
        assert_eq!(told.complaints, []);
    }
}
