//! Shows a plan: one line a step, with a sign and words for it, details indented under it.

use std::fmt::Write as _;

use super::{
    diff,
    mask::visible,
    styles::{Paint, Tone},
};
use crate::{
    failure::Result,
    plan::{Kind, Step},
};

/// What a step does to its resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// Makes something.
    Create,
    /// Changes something.
    Update,
    /// Takes something away.
    Delete,
    /// Restarts pods.
    Restart,
}

impl Sign {
    /// The sign of a step.
    pub fn of(step: &Step) -> Self {
        match step.kind() {
            Kind::Create => Self::Create,
            Kind::Update => Self::Update,
            Kind::Delete => Self::Delete,
            Kind::Restart => Self::Restart,
        }
    }

    fn text(self, unicode: bool) -> &'static str {
        match self {
            Self::Create => "+",
            Self::Update => "~",
            Self::Delete => "-",
            Self::Restart if unicode => "↻",
            Self::Restart => "*",
        }
    }

    fn tone(self) -> Tone {
        match self {
            Self::Create => Tone::Good,
            Self::Update => Tone::Warn,
            Self::Delete => Tone::Bad,
            Self::Restart => Tone::Accent,
        }
    }
}

/// A step as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanLine {
    /// Its sign.
    pub sign: Sign,
    /// What it does, the verb included: `create role …`.
    pub text: String,
    /// Lines under it, such as a diff.
    pub detail: Vec<String>,
}

impl PlanLine {
    /// A line without details.
    pub fn new(sign: Sign, text: impl Into<String>) -> Self {
        Self { sign, text: text.into(), detail: Vec::new() }
    }

    /// The line of a step. A document that changes is shown as a diff; with `all`, one that is new is shown whole.
    pub fn of(step: &Step, all: bool) -> Result<Self> {
        let line = Self::new(Sign::of(step), step.describe());
        Ok(match step {
            Step::PutTrust { before, after, .. }
            | Step::PutTargetTrust { before, after, .. }
            | Step::PutPolicy { before: Some(before), after, .. } => {
                line.detail(diff::documents(Some(before), Some(after))?)
            }
            Step::PutPolicy { before: None, after, .. } if all => line.detail(diff::documents(None, Some(after))?),
            Step::DeletePolicy { before: Some(before), .. } if all => line.detail(diff::documents(Some(before), None)?),
            Step::CreateRole(role) if all => line.detail(diff::documents(None, Some(&role.trust))?),
            _ => line,
        })
    }

    /// Adds details.
    #[must_use]
    pub fn detail(mut self, lines: impl IntoIterator<Item = String>) -> Self {
        self.detail.extend(lines);
        self
    }
}

/// The plan under its title, as in `Plan for cluster prod (111122223333, us-west-2)`.
pub fn render_plan(title: &str, lines: &[PlanLine], unicode: bool, paint: Paint) -> String {
    let title = visible(title);
    if lines.is_empty() {
        return format!("{title}: nothing to do\n");
    }
    let mut out = format!("{}\n", paint.paint(Tone::Strong, format_args!("{title}:")));
    for line in lines {
        let sign = paint.paint(line.sign.tone(), line.sign.text(unicode));
        let _ = writeln!(out, "  {sign} {}", flat(&line.text, unicode));
        for detail in line.detail.iter().flat_map(|d| d.lines()) {
            let detail = paint.paint(diff_tone(detail), flat(detail, unicode));
            out.push_str(format!("      {detail}").trim_end());
            out.push('\n');
        }
    }
    out
}

/// Arrows become ASCII where the terminal may not show them.
fn flat(text: &str, unicode: bool) -> String {
    let text = visible(text);
    if unicode { text } else { text.replace('→', "->").replace('…', "...") }
}

/// The tone of a line of a diff.
pub(super) fn diff_tone(line: &str) -> Tone {
    match line.as_bytes().first() {
        Some(b'+') => Tone::Good,
        Some(b'-') => Tone::Bad,
        Some(b'@') => Tone::Dim,
        _ => Tone::Plain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::document::Document;

    fn lines() -> Vec<PlanLine> {
        vec![
            PlanLine::new(Sign::Create, "create role eks-workshop-carts-carts-1a2b3c4d (path /podid/)"),
            PlanLine::new(Sign::Update, "change trust of role a").detail(["-  \"x\"\n+  \"y\"".into(), " }".into()]),
            PlanLine::new(Sign::Delete, "delete association carts/old"),
            PlanLine::new(Sign::Create, "create association carts/carts → eks-workshop-carts-carts-1a2b3c4d"),
            PlanLine::new(Sign::Restart, "restart deployment/carts (2 replicas, RollingUpdate)"),
        ]
    }

    #[test]
    fn with_signs() {
        let text =
            render_plan("Plan for cluster prod (111122223333, us-west-2)", &lines(), true, Paint { color: false });
        insta::assert_snapshot!(text, @r#"
        Plan for cluster prod (111122223333, us-west-2):
          + create role eks-workshop-carts-carts-1a2b3c4d (path /podid/)
          ~ change trust of role a
              -  "x"
              +  "y"
               }
          - delete association carts/old
          + create association carts/carts → eks-workshop-carts-carts-1a2b3c4d
          ↻ restart deployment/carts (2 replicas, RollingUpdate)
        "#);
    }

    #[test]
    fn of_steps() {
        let (before, after) = (Document(serde_json::json!({"a": 1})), Document(serde_json::json!({"a": 2})));
        let put = |before| Step::PutPolicy {
            role: "r".into(),
            name: "p".into(),
            before,
            after: after.clone(),
            holder: crate::plan::RoleOwnership::Own,
        };
        let changed = PlanLine::of(&put(Some(before)), false).unwrap();
        assert_eq!(changed.sign, Sign::Update);
        assert_eq!(changed.detail, ["@@ -1,3 +1,3 @@", " {", "-  \"a\": 1", "+  \"a\": 2", " }"]);
        assert!(PlanLine::of(&put(None), false).unwrap().detail.is_empty());
        assert_eq!(PlanLine::of(&put(None), true).unwrap().detail, ["@@ -0,0 +1,3 @@", "+{", "+  \"a\": 2", "+}"]);
    }

    #[test]
    fn in_ascii() {
        let text = render_plan("Plan", &lines(), false, Paint { color: false });
        assert!(text.is_ascii(), "{text}");
        assert!(text.contains("  * restart deployment/carts") && text.contains("carts/carts -> eks"), "{text}");
    }

    #[test]
    fn empty() {
        assert_eq!(
            render_plan("Plan for cluster a", &[], true, Paint { color: true }),
            "Plan for cluster a: nothing to do\n"
        );
    }
}
