//! Reports for CI systems: JUnit's XML, and GitHub's workflow commands.

use std::fmt::Write as _;

use crate::{
    checks::{Finding, Report, Status},
    output::mask,
};

/// Whether a finding breaks the build.
pub(super) fn counts(finding: &Finding, strict: bool) -> bool {
    finding.status == Status::Failed || strict && finding.status == Status::Warning
}

/// Message and what to do, one a line.
fn words(finding: &Finding) -> String {
    let mut text = format!("{}: {}", finding.subject, finding.message);
    for evidence in &finding.evidence {
        let _ = write!(text, "\n{}: {}", evidence.source, evidence.text);
    }
    for remedy in &finding.remedies {
        let _ = write!(text, "\nremedy: {}", remedy.text());
    }
    text.lines().map(mask::visible).collect::<Vec<_>>().join("\n")
}

/// A suite for each service account, a case for each finding (the de facto schema that Jenkins and GitLab read).
pub(super) fn junit(reports: &[Report], strict: bool) -> String {
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"podid verify\">\n");
    for report in reports {
        let count = |test: &dyn Fn(&Finding) -> bool| report.findings.iter().filter(|f| test(f)).count();
        let failures = count(&|f| counts(f, strict));
        let skipped = count(&|f| matches!(f.status, Status::Skipped | Status::Unknown));
        let _ = writeln!(
            out,
            "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{failures}\" skipped=\"{skipped}\">",
            xml(&report.title()),
            report.findings.len(),
        );
        for finding in &report.findings {
            let (name, message) = (xml(&format!("{} ({})", finding.check.id, finding.subject)), xml(&finding.message));
            let class = xml(&report.title());
            let inner = if counts(finding, strict) {
                format!(
                    "<failure message=\"{message}\" type=\"{}\">{}</failure>",
                    finding.check.id,
                    xml(&words(finding))
                )
            } else {
                match finding.status {
                    Status::Skipped | Status::Unknown => format!("<skipped message=\"{message}\"/>"),
                    Status::Ok => format!("<system-out>{}</system-out>", xml(&words(finding))),
                    Status::Warning | Status::Failed => {
                        format!("<system-out>warning: {}</system-out>", xml(&words(finding)))
                    }
                }
            };
            let _ = writeln!(out, "    <testcase classname=\"{class}\" name=\"{name}\">{inner}</testcase>");
        }
        out.push_str("  </testsuite>\n");
    }
    out + "</testsuites>\n"
}

/// Escapes text for XML, in an attribute too; what XML 1.0 cannot hold is left out. `::` and `##` are commands of CI systems where a
/// report is printed into their log.
fn xml(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut last = '\n';
    for c in mask::credentials(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push('\n'),
            '\t' => out.push_str("&#9;"),
            ':' if last == ':' => out.push_str("&#58;"),
            '#' if last == '#' => out.push_str("&#35;"),
            // What is left out must not keep the two halves of a command apart here only.
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => continue,
            c => out.push(c),
        }
        last = c;
    }
    out
}

/// An annotation for each finding that is no mere `ok` (docs.github.com, workflow commands).
pub(super) fn github(reports: &[Report], strict: bool) -> String {
    let mut out = String::new();
    for report in reports {
        for finding in &report.findings {
            let level = match finding.status {
                _ if counts(finding, strict) => "error",
                Status::Warning | Status::Failed => "warning",
                Status::Unknown | Status::Skipped => "notice",
                Status::Ok => continue,
            };
            let title = format!("{} {}", report.title(), finding.check.id);
            let text = mask::credentials(&words(finding));
            let _ = writeln!(out, "::{level} title={}::{}", property(&title), data(&text));
        }
    }
    out
}

fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod hostile;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::output::is_command;

    const HOSTILE: &str = "(\\PC|[\u{0}-\u{20}\u{7f}-\u{9f}:#%<>&\"'\\[\\]\u{200b}-\u{200f}\u{202a}-\u{202e}\u{fffe}\u{ffff}]|::error::|##\\[|\\]\\]>){0,30}";

    proptest! {
        #[test]
        fn nothing_foreign_ends_its_element_or_begins_a_command(text in HOSTILE) {
            let words = xml(&mask::visible(&text));
            // What XML 1.0 can hold (W3C, 2.2), and no markup.
            let legal = |c: char| matches!(c, '\t' | '\n' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
            prop_assert!(words.chars().all(legal), "{words:?}");
            prop_assert!(!words.contains(['<', '>', '"']) && !is_command(&words), "{words:?}");
            let command = format!("::error title={}::{}", property(&text), data(&text));
            prop_assert!(!command.contains(['\n', '\r']), "{command:?}");
            prop_assert_eq!(property(&text).find([':', ',']), None);
        }
    }

    #[test]
    fn what_would_end_a_command_or_an_element_is_escaped() {
        assert_eq!(xml("a<b & \"c\"\u{1b}[0m>"), "a&lt;b &amp; &quot;c&quot;\\u{1b}[0m&gt;");
        assert_eq!(xml("::error::x\n##[y]"), ":&#58;error:&#58;x\n#&#35;[y]");
        assert_eq!(xml(":\u{fffe}:error:\u{ffff}:x\n#\u{fffe}#[y]\tz"), ":&#58;error:&#58;x\n#&#35;[y]&#9;z");
        assert_eq!(data("50%\nx: y, z"), "50%25%0Ax: y, z");
        assert_eq!(property("a: b,\nc"), "a%3A b%2C%0Ac");
    }
}
