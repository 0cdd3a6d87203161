//! Consent: a question on stderr, an answer from stdin. Whatever is not a clear yes is a no.

use std::thread;

use tokio::sync::oneshot;

use super::{Term, Tone, lock, mask::visible};

/// What the user answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Go on.
    Yes,
    /// Stop, with nothing changed.
    No,
}

impl Answer {
    /// Asks `question [y/N]`; `d` shows the whole plan first, where not all of it was shown. The caller makes sure that
    /// [`Term::can_prompt`].
    pub async fn ask(term: &Term, question: &str) -> Self {
        loop {
            let more = lock(&term.0.full_plan).is_some();
            let choices = if more { "[y/N, d shows new documents in full]" } else { "[y/N]" };
            let Some(answer) = answer(term, &format!("{} {choices} ", visible(question))).await else {
                return Self::No;
            };
            match (answer.to_ascii_lowercase().as_str(), lock(&term.0.full_plan).take_if(|_| is_details(&answer))) {
                (_, Some(plan)) => term.say(&plan),
                ("y" | "yes", None) => return Self::Yes,
                _ => return Self::No,
            }
        }
    }

    /// Asks for a name to be typed: for what cannot be undone. `what` says which name, as in `cluster name`.
    pub async fn type_name(term: &Term, what: &str, name: &str) -> Self {
        let shown = term.err_paint().paint(Tone::Strong, visible(name));
        (answer(term, &format!("To confirm, type the {what} ({shown}): ")).await.as_deref() == Some(name)).into()
    }

    /// True for yes.
    pub fn given(self) -> bool {
        self == Self::Yes
    }
}

impl From<bool> for Answer {
    fn from(yes: bool) -> Self {
        if yes { Self::Yes } else { Self::No }
    }
}

fn is_details(answer: &str) -> bool {
    matches!(answer.to_ascii_lowercase().as_str(), "d" | "diff" | "details")
}

/// The answer without spaces around it; `None` at the end of the input.
async fn answer(term: &Term, question: &str) -> Option<String> {
    term.say(question);
    let (send, receive) = oneshot::channel();
    let input = term.clone();
    // A thread of its own and not the runtime's: at Ctrl-C the runtime must not wait for a line that never comes.
    let reader = thread::Builder::new().name("prompt".into()).spawn(move || {
        let mut line = String::new();
        let read = lock(&input.0.input).read_line(&mut line);
        let _ = send.send(matches!(read, Ok(n) if n > 0).then(|| line.trim().to_owned()));
    });
    let answer = if reader.is_ok() { receive.await.ok().flatten() } else { None };
    if answer.is_none() {
        term.say("\n");
    }
    answer
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    #[tokio::test]
    async fn only_a_clear_yes_is_a_yes() {
        for (input, expected) in [
            ("y\n", Answer::Yes),
            ("YES\r\n", Answer::Yes),
            (" y ", Answer::Yes),
            ("n\n", Answer::No),
            ("\n", Answer::No),
            ("", Answer::No),
            ("yep\n", Answer::No),
        ] {
            let term = Term::test(true, true, 80);
            term.set_input(Box::new(Cursor::new(input)));
            assert_eq!(Answer::ask(&term, "apply 3 changes?").await, expected, "{input:?}");
            let end = if input.is_empty() { "\n" } else { "" };
            assert_eq!(term.stderr(), format!("apply 3 changes? [y/N] {end}"));
        }
    }

    #[tokio::test]
    async fn the_whole_plan_is_one_answer_away() {
        let trust = crate::model::document::Document(serde_json::json!({ "Version": "2012-10-17" }));
        let step = crate::plan::Step::PutPolicy {
            role: "carts".into(),
            name: "carts".into(),
            before: None,
            after: trust,
            holder: crate::plan::RoleOwnership::Own,
        };
        let term = Term::test(true, true, 80);
        term.plan_steps(&[("Plan", &[step])], true).unwrap();
        assert!(!term.stderr().contains("2012-10-17"), "{}", term.stderr());
        term.set_input(Box::new(Cursor::new("d\ny\n")));
        assert!(Answer::ask(&term, "apply it?").await.given());
        let said = term.stderr();
        let (before, after) = said.split_once("[y/N, d shows new documents in full]").unwrap();
        assert!(!before.contains("2012-10-17") && after.contains("2012-10-17"), "{said}");
        assert!(after.ends_with("apply it? [y/N] "), "{said}");
    }

    #[tokio::test]
    async fn a_name_is_typed_exactly() {
        for (input, expected) in
            [("prod\n", Answer::Yes), ("Prod\n", Answer::No), ("y\n", Answer::No), ("", Answer::No)]
        {
            let term = Term::test(true, true, 80);
            term.set_input(Box::new(Cursor::new(input)));
            assert_eq!(Answer::type_name(&term, "cluster name", "prod").await, expected, "{input:?}");
            assert!(term.stderr().starts_with("To confirm, type the cluster name (prod): "), "{}", term.stderr());
        }
    }

    #[tokio::test]
    async fn answers_are_read_one_by_one() {
        let term = Term::test(true, true, 80);
        term.set_input(Box::new(Cursor::new("y\nn\n")));
        assert!(Answer::ask(&term, "first?").await.given());
        assert!(!Answer::ask(&term, "second?").await.given());
    }
}
