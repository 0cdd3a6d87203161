//! What the end of a container's log says of its credentials: the message that counts, and whether it still stands.

use jiff::{SignedDuration, Timestamp};

use super::{
    log_line::LogLine,
    message::{self, Row},
    refusal::{self, Caller, Refusal},
    text::count,
};

/// What is said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// AWS refused a call.
    Refusal(Refusal),
    /// A known message.
    Message(&'static Row),
    /// A caller, without a refusal.
    Acts(Caller),
}

/// What is said, where, and whether it still stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Saying<'a> {
    /// What.
    pub said: Said,
    /// The line that says it.
    pub line: &'a LogLine,
    /// Whether it still stands, in a container that runs on.
    pub standing: Standing,
}

/// Whether a message still stands, in a container that runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It does, as far as the log tells.
    Current,
    /// So many lines without an error came after it, more than ever between two of its kind.
    Passed(usize),
    /// It is older than any credentials that are in use.
    Old(SignedDuration),
}

impl Standing {
    /// Why it may be over; `None` where nothing says so.
    pub fn why_over(self) -> Option<String> {
        match self {
            Self::Current => None,
            // How many there are is no part of what a report says: it differs with each look.
            Self::Passed(_) => Some("lines without an error follow it".to_owned()),
            Self::Old(age) => {
                let hours = usize::try_from(age.as_hours()).unwrap_or_default();
                Some(format!("it was logged {} ago", count(hours, "hour")))
            }
        }
    }
}

/// How long credentials of Pod Identity last at most (EKS User Guide, pod-id-how-it-works): what was refused earlier was refused
/// to others.
const SESSION: SignedDuration = SignedDuration::from_hours(6);

/// Lines without an error after which what was said once has passed.
const QUIET: usize = 3;

/// What counts of a log: of all that it says since a call worked last, what says most; of equals, the last.
pub fn last(lines: &[LogLine], now: Timestamp) -> Option<Saying<'_>> {
    let mut best: Option<(usize, &'static Row)> = None;
    let mut found = None;
    for at in (0..lines.len()).rev() {
        if let Some(refusal) = refusal_at(lines, at)
            && best.is_none_or(|(_, row)| row.follows_from_a_refusal())
        {
            found = Some((at, Said::Refusal(refusal)));
            break;
        }
        if let Some(row) = message::find(lines[at].raw()) {
            if best.is_none_or(|(_, known)| row.outranks(known)) {
                best = Some((at, row));
            }
        } else if let Some((caller, _)) = refusal::caller(lines[at].raw())
            && matches!(caller, Caller::PodIdentity { .. } | Caller::Node { .. })
        {
            if best.is_none() {
                found = Some((at, Said::Acts(caller)));
            }
            break;
        }
    }
    let (at, said) = found.or_else(|| best.map(|(at, row)| (at, Said::Message(row))))?;
    let standing = standing(lines, at, &said, now);
    Some(Saying { said, line: &lines[at], standing })
}

/// The last refusal that begins in a line; it may end in the next one.
fn refusal_at(lines: &[LogLine], at: usize) -> Option<Refusal> {
    let line = lines[at].raw();
    let mut refusals = refusal::refusals(line);
    if refusals.is_empty() && refusal::begins(line) {
        let next = lines.get(at + 1).map_or("", LogLine::raw);
        refusals = refusal::refusals(&format!("{line} {next}"));
    }
    refusals.pop()
}

/// Of a line that is older than any credentials that are in use.
pub fn old(line: &LogLine, now: Timestamp) -> Option<Standing> {
    line.at().map(|at| now.duration_since(at)).filter(|age| *age > SESSION).map(Standing::Old)
}

fn standing(lines: &[LogLine], at: usize, said: &Said, now: Timestamp) -> Standing {
    if let Some(old) = old(&lines[at], now) {
        return old;
    }
    let same = |other: usize| match said {
        Said::Refusal(refusal) => refusal_at(lines, other).is_some_and(|it| it.action == refusal.action),
        Said::Message(row) => message::find(lines[other].raw()) == Some(*row),
        Said::Acts(_) => false,
    };
    let places: Vec<usize> = (0..=at).filter(|other| *other == at || same(*other)).collect();
    let between = |pair: &[usize]| lines[pair[0] + 1..pair[1]].iter().filter(|line| line.is_ordinary()).count();
    let most = places.windows(2).map(between).max().unwrap_or_default();
    let after = lines[at + 1..].iter().filter(|line| line.is_ordinary()).count();
    if after >= QUIET && after > 2 * most { Standing::Passed(after) } else { Standing::Current }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DENIED: &str = "AccessDenied: User: arn:aws:sts::111122223333:assumed-role/carts/eks-eks-worksh-carts-7d9f-0b1c is not authorized to perform: s3:PutObject on resource: \"arn:aws:s3:::orders/x\" because no identity-based policy allows the s3:PutObject action";
    const LOST: &str = "botocore.exceptions.NoCredentialsError: Unable to locate credentials";
    const ACTS: &str = "GetCallerIdentity: arn:aws:sts::111122223333:assumed-role/carts/eks-eks-worksh-carts-7d9f-0b1c";

    fn now() -> Timestamp {
        "2026-07-01T12:00:00Z".parse().unwrap()
    }

    fn lines(texts: &[&str]) -> Vec<LogLine> {
        texts.iter().map(|text| LogLine::from(*text)).collect()
    }

    #[test]
    fn what_says_most_counts() {
        let name = |said: &Said| match said {
            Said::Refusal(refusal) => refusal.action.clone(),
            Said::Message(row) => row.id.to_owned(),
            Said::Acts(_) => "acts".to_owned(),
        };
        for (texts, wanted) in [
            (&["starting"][..], None),
            (&[LOST], Some("boto-no-credentials")),
            (&[LOST, DENIED], Some("s3:PutObject")),
            // A call worked since.
            (&[DENIED, ACTS], Some("acts")),
            (&[ACTS, DENIED], Some("s3:PutObject")),
        ] {
            let lines = lines(texts);
            let said = last(&lines, now()).map(|saying| name(&saying.said));
            match wanted {
                Some("boto-no-credentials") => assert!(said.is_some_and(|id| id != "acts"), "{texts:?}"),
                wanted => assert_eq!(said.as_deref(), wanted, "{texts:?}"),
            }
        }
    }

    #[test]
    fn what_is_said_no_more_has_passed() {
        for said in [DENIED, LOST] {
            for (texts, wanted) in [
                (&[said][..], Standing::Current),
                (&["up", said, "one", "two"], Standing::Current),
                (&["up", said, "one", "two", "three"], Standing::Passed(3)),
                // Frames of a stack and other errors are no sign of health.
                (&[said, "\tat a.b", "at c.d", "error: x", "", "one"], Standing::Current),
                // Said again and again, as often as ever.
                (&[said, "a", "b", "c", "d", said, "a", "b", "c", "d"], Standing::Current),
                (&[said, "a", said, "a", "b", "c", "d"], Standing::Passed(4)),
            ] {
                let lines = lines(texts);
                assert_eq!(last(&lines, now()).unwrap().standing, wanted, "{texts:?}");
            }
        }
    }

    #[test]
    fn what_is_older_than_any_session_is_old() {
        for (at, old) in [("2026-07-01T05:59:59Z", true), ("2026-07-01T06:00:00Z", false)] {
            let lines = LogLine::of_stamped_log(&format!("{at} {DENIED}"), str::to_owned);
            let standing = last(&lines, now()).unwrap().standing;
            assert_eq!(matches!(standing, Standing::Old(_)), old, "{at}");
        }
    }
}
