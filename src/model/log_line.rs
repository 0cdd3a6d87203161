//! Lines of logs: matched as they were written, and shown without what may be secret.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// One line. Masking may take away the very words by which a message is known, and what was written may hold secrets.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Shown", into = "Shown")]
pub struct LogLine {
    raw: String,
    shown: String,
    at: Option<Timestamp>,
    /// What was written was cut to the words that it is known by.
    released: bool,
}

/// Words (lower case) of a line that reports an error.
const ERRORS: &[&str] = &[
    "error",
    "exception",
    "fatal",
    "fail",
    "panic",
    "denied",
    "unable",
    "could not",
    "cannot",
    "can't",
    "refused",
    "invalid",
    "expired",
    "missing",
    "not found",
    "timeout",
    "timed out",
    "unauthorized",
    "not authorized",
    "forbidden",
    "no such",
    "not set",
    "required",
    "must be",
    "no valid",
];

/// Whether a line (lower case) reports an error.
pub fn reports_an_error(lower: &str) -> bool {
    ERRORS.iter().any(|word| lower.contains(word))
}

impl LogLine {
    /// The lines of a log, of which `masked` is what may be shown. Where whole lines were taken out of that, nothing else is matched
    /// either.
    pub fn of_log(raw: &str, masked: &str) -> Vec<Self> {
        let both = || raw.lines().zip(masked.lines());
        let alike = raw.lines().count() == masked.lines().count();
        if alike {
            both()
                .map(|(raw, shown)| Self { raw: raw.to_owned(), shown: shown.to_owned(), at: None, released: false })
                .collect()
        } else {
            masked.lines().map(Self::from).collect()
        }
    }

    /// The lines of a log that each stand after the time at which the node received them (RFC 3339, then a space), without it.
    pub fn of_stamped_log(log: &str, mask: impl Fn(&str) -> String) -> Vec<Self> {
        let stamped = log.lines().map(|line| match line.split_once(' ') {
            Some((stamp, rest)) => stamp.parse().map_or((None, line), |at| (Some(at), rest)),
            None => line.parse().map_or((None, line), |at| (Some(at), "")),
        });
        let (times, raw): (Vec<Option<Timestamp>>, Vec<&str>) = stamped.unzip();
        let raw: String = raw.into_iter().flat_map(|line| [line, "\n"]).collect();
        let mut lines = Self::of_log(&raw, &mask(&raw));
        if lines.len() == times.len() {
            for (line, at) in lines.iter_mut().zip(times) {
                line.at = at;
            }
        }
        lines
    }

    /// When the node received it, where that is known.
    pub fn at(&self) -> Option<Timestamp> {
        self.at
    }

    /// Whether it is said in the ordinary course of things: no error, no frame of a stack, not empty.
    pub fn is_ordinary(&self) -> bool {
        let indented = self.raw.starts_with([' ', '\t']);
        !self.raw.trim().is_empty() && !indented && !self.is_frame() && !reports_an_error(&self.raw.to_lowercase())
    }

    /// Whether its logger calls it information or less: `INFO`, `"level":"debug"`, klog's `I1130`.
    pub fn is_informative(&self) -> bool {
        const LOW: [&str; 4] = ["info", "debug", "trace", "notice"];
        const HIGH: [&str; 8] = ["warn", "warning", "error", "err", "fatal", "critical", "severe", "panic"];
        let lower = self.raw.to_lowercase();
        let keyed = |level: &str| {
            ["\"level\":\"", "\"level\": \"", "\"severity\":\"", "\"severity\": \"", "level=", "lvl="]
                .iter()
                .any(|key| lower.contains(&format!("{key}{level}")))
        };
        if HIGH.iter().any(|level| keyed(level)) {
            return false;
        }
        if LOW.iter().any(|level| keyed(level)) {
            return true;
        }
        // Behind a time, and perhaps the name of a thread.
        let words = lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).take(12);
        let mut levels = words.filter(|word| LOW.contains(word) || HIGH.contains(word));
        let klog = self.raw.starts_with('I')
            && self.raw.as_bytes().get(1..5).is_some_and(|it| it.iter().all(u8::is_ascii_digit));
        klog || levels.next().is_some_and(|level| LOW.contains(&level))
    }

    /// Whether it is a frame of a stack, which has names of code in it.
    pub fn is_frame(&self) -> bool {
        let line = self.raw.trim_start();
        line.starts_with("at ") || line.starts_with("File \"")
    }

    /// The same, matched by what is shown.
    #[must_use]
    pub fn masked(&self) -> Self {
        Self { raw: self.shown.clone(), released: false, ..self.clone() }
    }

    /// The same, matched by these words of what was written, and what stands between them. They may leave this process.
    #[must_use]
    pub fn known_by(&self, words: &[&str]) -> Self {
        Self { raw: words.concat(), released: true, ..self.clone() }
    }

    /// As it was written: to be matched, and never to be shown.
    pub fn raw(&self) -> &str {
        &self.raw
    }

    /// As it may be shown.
    pub fn shown(&self) -> &str {
        self.shown.trim()
    }
}

/// A line as it may leave this process: masked, and of what was written only the words that it is known by.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    text: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    known_by: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    at: Option<Timestamp>,
}

impl From<LogLine> for Shown {
    fn from(LogLine { raw, shown, at, released }: LogLine) -> Self {
        Self { text: shown, known_by: released.then_some(raw), at }
    }
}

impl From<Shown> for LogLine {
    fn from(Shown { text, known_by, at }: Shown) -> Self {
        let released = known_by.is_some();
        Self { raw: known_by.unwrap_or_else(|| text.clone()), shown: text, at, released }
    }
}

impl From<&str> for LogLine {
    fn from(text: &str) -> Self {
        Self { raw: text.to_owned(), shown: text.to_owned(), at: None, released: false }
    }
}

/// Never as it was written.
impl fmt::Debug for LogLine {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        fmt::Debug::fmt(&self.shown, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_logger_calls_information() {
        for (line, wanted) in [
            ("INFO Feature help: \"Unable to locate credentials\" means you must run aws configure", true),
            ("2026-07-01T10:00:00.123Z DEBUG 1 --- [main] c.s.Carts : failed to fetch region from IMDS", true),
            ("{\"time\":\"x\",\"msg\":\"no credentials\",\"level\":\"info\"}", true),
            ("I1130 10:00:00.1 1 aws.go:1] no credentials", true),
            ("time=x level=info msg=\"an error occurred\"", true),
            ("WARN retrying: AccessDenied info", false),
            ("{\"level\":\"error\",\"msg\":\"info: no credentials\"}", false),
            ("E1130 10:00:00.1 1 aws.go:1] no credentials", false),
            ("NoCredentialProviders: no valid providers in chain", false),
            ("Item I1 is not found", false),
        ] {
            assert_eq!(LogLine::from(line).is_informative(), wanted, "{line}");
        }
    }

    #[test]
    fn the_nodes_time_is_no_part_of_a_line() {
        let log = "2026-07-01T10:00:00.000000001Z first\n2026-07-01T10:00:01Z \nno time\n2026-07-01T10:00:02Z\n";
        let lines = LogLine::of_stamped_log(log, str::to_owned);
        let raw: Vec<&str> = lines.iter().map(LogLine::raw).collect();
        assert_eq!(raw, ["first", "", "no time", ""]);
        let times: Vec<Option<String>> = lines.iter().map(|line| line.at().map(|at| at.to_string())).collect();
        assert_eq!(times[1].as_deref(), Some("2026-07-01T10:00:01Z"));
        assert_eq!((times[0].is_some(), times[2].is_some(), times[3].is_some()), (true, false, true));
        // Masking took lines away: which is which is not known any more.
        let lines = LogLine::of_stamped_log(log, |_| "***".to_owned());
        assert_eq!((lines.len(), lines[0].at()), (1, None));
    }

    #[test]
    fn lines_are_matched_raw_and_shown_masked() {
        let lines = LogLine::of_log("a\ntoken=hunter2-hunter2\n", "a\ntoken=***\n");
        assert_eq!(lines.len(), 2);
        assert_eq!((lines[1].raw(), lines[1].shown()), ("token=hunter2-hunter2", "token=***"));
        assert_eq!(format!("{lines:?}"), r#"["a", "token=***"]"#);
        // A private key of several lines is one masked one.
        let key =
            LogLine::of_log("-----BEGIN PRIVATE KEY-----\nabc\n-----END", "-----BEGIN PRIVATE KEY-----***-----END");
        assert!(key.iter().all(|line| !line.raw().contains("abc")), "{key:?}");
    }
}
