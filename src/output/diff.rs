//! Differences between two documents, as unified diffs.

use serde::Serialize;
use similar::TextDiff;

use super::{
    json,
    mask::visible,
    plan::diff_tone,
    styles::{Paint, Tone},
};
use crate::failure::Result;

/// Lines that stay the same around a change.
const CONTEXT: usize = 3;

/// A unified diff with its two names; empty when the texts are equal.
pub fn unified(before: &str, after: &str, names: (&str, &str), paint: Paint) -> String {
    let hunks = lines(before, after);
    if hunks.is_empty() {
        return String::new();
    }
    let mut out = paint.paint(Tone::Strong, format_args!("--- {}\n+++ {}", visible(names.0), visible(names.1))) + "\n";
    for line in hunks {
        out.push_str(&paint.paint(diff_tone(&line), &line));
        out.push('\n');
    }
    out
}

/// The lines of the hunks, without names, for the details of a plan.
pub fn lines(before: &str, after: &str) -> Vec<String> {
    let diff = TextDiff::from_lines(before, after);
    // A document without a line end at its end differs in nothing that matters.
    let text = diff.unified_diff().context_radius(CONTEXT).missing_newline_hint(false).to_string();
    visible(&text).lines().map(str::to_owned).collect()
}

/// The lines between two documents, as pretty JSON in the order of their keys; `None` is a document that is not there.
pub fn documents<T: Serialize>(before: Option<&T>, after: Option<&T>) -> Result<Vec<String>> {
    let text = |document: Option<&T>| document.map_or_else(|| Ok(String::new()), json::pretty);
    Ok(lines(&text(before)?, &text(after)?))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn policies() {
        let before = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole"}]});
        let after = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["sts:AssumeRole", "sts:TagSession"]}]});
        insta::assert_snapshot!(documents(Some(&before), Some(&after)).unwrap().join("\n"), @r#"
        @@ -3,7 +3,10 @@
           "Statement": [
             {
               "Effect": "Allow",
        -      "Action": "sts:AssumeRole"
        +      "Action": [
        +        "sts:AssumeRole",
        +        "sts:TagSession"
        +      ]
             }
           ]
         }
        "#);
        assert!(documents(Some(&before), Some(&before)).unwrap().is_empty());
        assert!(documents(None, Some(&after)).unwrap().iter().all(|line| line.starts_with(['+', '@'])));
    }

    #[test]
    fn names_and_colors() {
        let plain = unified("a\nb", "a\nc", ("role now", "role then"), Paint { color: false });
        assert_eq!(plain, "--- role now\n+++ role then\n@@ -1,2 +1,2 @@\n a\n-b\n+c\n");
        let painted = unified("a\nb", "a\nc", ("role now", "role then"), Paint { color: true });
        assert_eq!(anstream::adapter::strip_str(&painted).to_string(), plain);
        assert_eq!(unified("a", "a\n", ("x", "y"), Paint { color: false }).matches("-a").count(), 1);
        assert_eq!(unified("a", "a", ("x", "y"), Paint { color: false }), "");
    }
}
