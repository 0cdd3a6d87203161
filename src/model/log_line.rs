//! Lines of logs: matched as they were written, and shown without what may be secret.

use std::fmt;

/// One line. Masking may take away the very words by which a message is known, and what was written may hold secrets.
#[derive(Clone, PartialEq, Eq)]
pub struct LogLine {
    raw: String,
    shown: String,
}

impl LogLine {
    /// The lines of a log, of which `masked` is what may be shown. Where whole lines were taken out of that, nothing else is matched
    /// either.
    pub fn of_log(raw: &str, masked: &str) -> Vec<Self> {
        let both = || raw.lines().zip(masked.lines());
        let alike = raw.lines().count() == masked.lines().count();
        if alike {
            both().map(|(raw, shown)| Self { raw: raw.to_owned(), shown: shown.to_owned() }).collect()
        } else {
            masked.lines().map(Self::from).collect()
        }
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

impl From<&str> for LogLine {
    fn from(text: &str) -> Self {
        Self { raw: text.to_owned(), shown: text.to_owned() }
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
