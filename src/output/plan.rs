//! Shows a plan: one line a step, with a sign and words for it, details indented under it.

use std::fmt::Write as _;

use super::{
    Term,
    block::{hanging, hanging_after},
    diff, lock,
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

/// How a plan is to look.
#[derive(Debug, Clone, Copy)]
struct PlanView {
    /// Signs beyond ASCII can be shown.
    pub unicode: bool,
    /// Colors.
    pub paint: Paint,
    /// Of the terminal; `None` is unlimited.
    pub width: Option<usize>,
}

/// How far the text of a step, and what goes on below it, stands from the left.
const INDENT: usize = 4;

/// The plan under its title, as in `Plan for cluster prod (111122223333, us-west-2)`.
fn render_plan(title: &str, lines: &[PlanLine], view: PlanView) -> String {
    let PlanView { unicode, paint, width } = view;
    let title = visible(title);
    if lines.is_empty() {
        return format!("{title}: nothing to do\n");
    }
    let mut out = format!("{}\n", paint.paint(Tone::Strong, format_args!("{title}:")));
    for line in lines {
        let sign = paint.paint(line.sign.tone(), line.sign.text(unicode));
        let _ = writeln!(out, "  {sign} {}", hanging(&flat(&line.text, unicode), INDENT, width));
        for detail in line.detail.iter().flat_map(|d| d.lines()) {
            let text = flat(detail, unicode);
            // A line of a diff begins with its sign; sentences are wrapped.
            let text = if detail.starts_with(['+', '-', '@', ' ']) {
                text
            } else {
                hanging_after(&text, INDENT + 2, INDENT + 4, width)
            };
            out.push_str(format!("      {}", paint.paint(diff_tone(detail), text)).trim_end());
            out.push('\n');
        }
    }
    out
}

/// `Plan: 3 to create, 1 to change, 0 to delete`, and `1 to restart` where there is one.
fn totals(lines: &[PlanLine]) -> String {
    let of = |sign| lines.iter().filter(|line| line.sign == sign).count();
    let restarts = match of(Sign::Restart) {
        0 => String::new(),
        n => format!(", {n} to restart"),
    };
    let (create, change, delete) = (of(Sign::Create), of(Sign::Update), of(Sign::Delete));
    format!("Plan: {create} to create, {change} to change, {delete} to delete{restarts}")
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

impl Term {
    /// Writes a plan as data.
    pub fn emit_plan(&self, title: &str, lines: &[PlanLine]) -> Result<()> {
        let width = self.0.streams.width.filter(|_| self.0.streams.out_tty);
        self.emit(&render_plan(title, lines, PlanView { unicode: self.has_glyphs(), paint: self.out_paint(), width }))
    }

    /// Shows steps under their titles, and how many there are in all; new documents are shown with `-v`. Quiet: nothing, unless it is
    /// going to be asked about: nobody says yes to what they did not see.
    pub fn plan_steps(&self, sections: &[(&str, &[Step])], asked: bool) -> Result<()> {
        if self.is_quiet() && !asked {
            return Ok(());
        }
        let all = self.verbosity() > 0;
        let shown = self.plan_text(sections, all)?;
        self.say(&shown);
        // Only who is asked can ask back.
        let full = if all || !self.can_prompt() { None } else { Some(self.plan_text(sections, true)?) };
        *lock(&self.0.full_plan) = full.filter(|full| *full != shown);
        Ok(())
    }

    fn plan_text(&self, sections: &[(&str, &[Step])], all: bool) -> Result<String> {
        let (mut text, mut shown) = (String::new(), Vec::new());
        for (title, steps) in sections {
            let lines: Vec<PlanLine> = steps.iter().map(|step| PlanLine::of(step, all)).collect::<Result<_>>()?;
            text.push_str(&render_plan(title, &lines, self.plan_view()));
            shown.extend(lines);
        }
        Ok(format!("{text}{}\n", totals(&shown)))
    }

    /// How plans look on stderr.
    fn plan_view(&self) -> PlanView {
        PlanView { unicode: self.has_glyphs(), paint: self.err_paint(), width: self.talk_width() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::document::Document;

    fn view(unicode: bool) -> PlanView {
        PlanView { unicode, paint: Paint { color: false }, width: None }
    }

    #[test]
    fn steps_are_counted() {
        assert_eq!(totals(&lines()), "Plan: 2 to create, 1 to change, 1 to delete, 1 to restart");
        assert_eq!(totals(&lines()[..1]), "Plan: 1 to create, 0 to change, 0 to delete");
    }

    #[test]
    fn long_lines_go_on_below_themselves() {
        insta::assert_snapshot!(render_plan("Plan", &lines()[4..], PlanView { width: Some(40), ..view(true) }), @"
        Plan:
          ↻ restart deployment/carts (2
            replicas, RollingUpdate)
        ");
        let diff = "+  \"a line of a diff keeps its length, whatever it is\"".to_owned();
        let line = PlanLine::new(Sign::Update, "association carts/carts");
        let line = line.detail(["update the association (role old -> new)".to_owned(), diff]);
        insta::assert_snapshot!(render_plan("Plan", &[line], PlanView { width: Some(40), ..view(true) }), @r#"
        Plan:
          ~ association carts/carts
              update the association (role old
                -> new)
              +  "a line of a diff keeps its length, whatever it is"
        "#);
    }

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
        let text = render_plan("Plan for cluster prod (111122223333, us-west-2)", &lines(), view(true));
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
        let text = render_plan("Plan", &lines(), view(false));
        assert!(text.is_ascii(), "{text}");
        assert!(text.contains("  * restart deployment/carts") && text.contains("carts/carts -> eks"), "{text}");
    }

    #[test]
    fn empty() {
        assert_eq!(render_plan("Plan for cluster a", &[], view(true)), "Plan for cluster a: nothing to do\n");
    }
}
