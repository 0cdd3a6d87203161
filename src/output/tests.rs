//! Tests of the terminal, and the terminal that other modules' tests use.

use std::io;

use super::*;
use crate::{
    failure::{Code, ServiceError},
    plan::Step,
};

/// A writer whose text can be read afterwards.
#[derive(Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        lock(&self.0).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A terminal that keeps what it was told.
pub(crate) struct TestTerm {
    term: Term,
    out: Buffer,
    err: Buffer,
}

impl std::ops::Deref for TestTerm {
    type Target = Term;

    fn deref(&self) -> &Term {
        &self.term
    }
}

impl TestTerm {
    /// What went to stdout.
    pub(crate) fn stdout(&self) -> String {
        String::from_utf8(lock(&self.out.0).clone()).unwrap()
    }

    /// What went to stderr.
    pub(crate) fn stderr(&self) -> String {
        String::from_utf8(lock(&self.err.0).clone()).unwrap()
    }
}

impl Term {
    /// A terminal for tests, without colors: at 2026-11-23T12:00:00Z.
    pub(crate) fn test(out_tty: bool, err_tty: bool, width: usize) -> TestTerm {
        Self::test_with(TermSettings::default(), out_tty, err_tty, width)
    }

    /// The same, with settings.
    pub(crate) fn test_with(settings: TermSettings, out_tty: bool, err_tty: bool, width: usize) -> TestTerm {
        let streams = Streams {
            out_tty,
            err_tty,
            in_tty: err_tty,
            width: (out_tty || err_tty).then_some(width),
            unicode: true,
            movable: err_tty,
            now: Some("2026-11-23T12:00:00Z".parse().unwrap()),
            ..Streams::default()
        };
        let (out, err) = (Buffer::default(), Buffer::default());
        let term = Term::with_streams(settings, streams, Box::new(out.clone()), Box::new(err.clone()));
        TestTerm { term, out, err }
    }
}

fn quiet() -> TermSettings {
    TermSettings { quiet: true, ..TermSettings::default() }
}

fn denied() -> Failure {
    let mut failure =
        Failure::new(Code::Denied, "cannot list associations in `prod`").hint("run `podid iam-policy list`");
    failure.service = Some(Box::new(ServiceError {
        kind: crate::failure::Kind::Other,
        service: "EKS",
        operation: "ListPodIdentityAssociations".into(),
        code: "AccessDeniedException".into(),
        message: "User: x is not authorized\nto perform this".into(),
        request_id: Some("4f0d".into()),
        status: Some(403),
    }));
    failure
}

#[test]
fn talk_goes_to_stderr() {
    let term = Term::test(true, true, 80);
    term.status("reading");
    term.success("created role `a`");
    term.warn("first\nsecond");
    term.hint("run `podid verify`");
    term.note("nothing to do");
    assert_eq!(term.stdout(), "");
    insta::assert_snapshot!(term.stderr(), @r"
    reading
    ✔ created role `a`
    warning: first
      second
    hint: run `podid verify`
    note: nothing to do
    ");
}

#[test]
fn words_stand_without_signs() {
    let term = Term::test(false, false, 80);
    term.success("created role `a`");
    term.marked(Glyph::Failed, "failed to create role `b`");
    assert_eq!(term.stderr(), "created role `a`\nfailed to create role `b`\n");
}

#[test]
fn quiet_keeps_data_warnings_and_errors() {
    let term = Term::test_with(quiet(), true, true, 80);
    term.status("a");
    term.success("b");
    term.hint("c");
    term.note("d");
    term.warn("careful");
    term.emit_line("data").unwrap();
    term.error(&Failure::failed("broken"));
    assert_eq!(term.stdout(), "data\n");
    assert_eq!(term.stderr(), "warning: careful\nerror: broken\n");
}

#[test]
fn failures_as_text() {
    let term = Term::test(true, true, 80);
    term.error(&denied());
    insta::assert_snapshot!(term.stderr(), @"
    error: cannot list associations in `prod`
      caused by: EKS ListPodIdentityAssociations: AccessDeniedException: User: x is
        not authorized
        to perform this
      request id: 4f0d

    hint: run `podid iam-policy list`
    ");
}

#[test]
fn failures_say_everything_once() {
    let mut failure = denied();
    failure.causes =
        vec!["User: x is not authorized\nto perform this".into(), "cannot list associations in `prod`".into()];
    let text = error::text(&failure, Paint { color: false }, None);
    assert_eq!(text.matches("not authorized").count(), 1, "{text}");
    assert_eq!(text.matches("cannot list").count(), 1, "{text}");
}

#[test]
fn failures_without_a_word_show_nothing() {
    let term = Term::test(true, true, 80);
    term.error(&Failure::new(Code::Difference, ""));
    let json = Term::test_with(TermSettings { format: Format::Json, ..TermSettings::default() }, false, false, 80);
    json.error(&Failure::new(Code::Difference, ""));
    assert_eq!((term.stderr(), json.stderr()), (String::new(), String::new()));
}

#[test]
fn failures_as_json() {
    for format in [Format::Json, Format::Yaml] {
        let term = Term::test_with(TermSettings { format, ..TermSettings::default() }, false, false, 80);
        term.error(&denied());
        let said: serde_json::Value = serde_json::from_str(&term.stderr()).unwrap();
        assert_eq!(said["error"]["code"], "AccessDeniedException");
        assert_eq!(said["error"]["requestId"], "4f0d");
        assert_eq!(said["error"]["hints"][0], "run `podid iam-policy list`");
        assert_eq!(
            said["error"]["message"],
            "cannot list associations in `prod`: EKS ListPodIdentityAssociations: AccessDeniedException: User: x is not \
             authorized\nto perform this"
        );
        assert_eq!(term.stderr().lines().count(), 1);
    }
    let document = error::document(&Failure::new(Code::TimedOut, "gave up"));
    assert_eq!(
        document,
        "{\"error\":{\"code\":\"timed-out\",\"message\":\"gave up\",\"requestId\":null,\"hints\":[]}}\n"
    );
}

#[test]
fn render_follows_the_format() {
    let document = serde_json::json!({"associations": [{"namespace": "carts"}]});
    let table = || {
        let mut table = Table::new(&[Column::new("namespace"), Column::new("since").wide()]);
        table.row(["carts".into(), Cell::time("2026-11-20T12:00:00Z".parse().unwrap())]);
        table
    };
    let shown = |format, tty, width| {
        let term = Term::test_with(TermSettings { format, ..TermSettings::default() }, tty, tty, width);
        term.render(&document, table, ["carts/carts"]).unwrap();
        term.stdout()
    };
    for width in [80, 200] {
        assert_eq!(shown(Format::Table, true, width), "NAMESPACE\ncarts\n");
        assert_eq!(shown(Format::Wide, true, width), "NAMESPACE  SINCE\ncarts      2026-11-20T12:00:00Z\n");
        assert_eq!(shown(Format::Table, false, width), "carts\n");
        assert_eq!(shown(Format::Wide, false, width), "carts\t2026-11-20T12:00:00Z\n");
        assert_eq!(shown(Format::Name, true, width), "carts/carts\n");
        assert_eq!(shown(Format::Yaml, false, width), "associations:\n- namespace: carts\n");
    }
    assert_eq!(
        shown(Format::Json, true, 80),
        "{\n  \"associations\": [\n    {\n      \"namespace\": \"carts\"\n    }\n  ]\n}\n"
    );
}

/// A writer that always fails.
struct Broken(io::ErrorKind);

impl Write for Broken {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(self.0.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_reader_that_went_away_is_no_failure() {
    let term = |kind| {
        Term::with_streams(TermSettings::default(), Streams::default(), Box::new(Broken(kind)), Box::new(Broken(kind)))
    };
    let gone = term(io::ErrorKind::BrokenPipe);
    assert!(!gone.out_closed());
    assert_eq!(gone.emit("x"), Ok(()));
    assert!(gone.out_closed());
    gone.warn("nobody hears this");
    assert_eq!(term(io::ErrorKind::StorageFull).emit("x").unwrap_err().code, Code::Failed);
}

#[test]
fn prompting_needs_somebody() {
    let with = |in_tty, err_tty, ci| {
        let streams = Streams { err_tty, in_tty, ci, ..Streams::default() };
        Term::with_streams(TermSettings::default(), streams, Box::new(io::sink()), Box::new(io::sink())).can_prompt()
    };
    assert!(with(true, true, false));
    assert!(!with(false, true, false) && !with(true, false, false) && !with(true, true, true));
}

#[test]
fn progress_in_a_pipe_is_a_line_per_event() {
    let term = Term::test(false, false, 80);
    let line = term.progress("deployment/carts");
    line.update("1 of 2 updated");
    line.clone().update("1 of 2 updated");
    line.update("2 of 2 updated");
    line.done("rolled out");
    line.update("late");
    line.fail("later");
    assert_eq!(
        term.stderr(),
        "deployment/carts: 1 of 2 updated\ndeployment/carts: 2 of 2 updated\ndeployment/carts: rolled out\n"
    );
}

#[test]
fn counts_in_a_pipe_are_no_lines() {
    let term = Term::test(false, false, 80);
    let line = term.progress("associations");
    (1..=5_000).for_each(|n| line.count(format!("{n} of 5000 read")));
    line.done("read");
    assert_eq!(term.stderr(), "associations: read\n");
}

#[test]
fn progress_at_a_terminal_leaves_the_outcome() {
    let term = Term::test(true, true, 80);
    let (a, b) = (term.progress("deployment/a"), term.progress("deployment/b"));
    a.update("1 of 2 updated");
    term.status("between");
    b.fail("crashed");
    a.done("rolled out");
    assert_eq!(term.stderr(), "between\n✗ deployment/b: crashed\n✔ deployment/a: rolled out\n");
}

#[test]
fn progress_can_be_lines_at_a_terminal_and_hidden() {
    let settings = TermSettings { no_progress: true, ..TermSettings::default() };
    for (settings, expected) in [(settings, "a: half\n✔ a: done\n"), (quiet(), "")] {
        let term = Term::test_with(settings, true, true, 80);
        let line = term.progress("a");
        line.update("half");
        line.done("done");
        assert_eq!(term.stderr(), expected);
    }
}

#[test]
fn progress_crosses_threads() {
    fn check<T: Send + Sync + Clone>() {}
    check::<Progress>();
    check::<Term>();
}

#[test]
fn plans_are_shown_before_they_are_asked_about() {
    let steps = [Step::DetachPolicy { role: "carts → old".to_owned(), policy_arn: "p".to_owned() }];
    let total = "Plan: 0 to create, 0 to change, 1 to delete";
    for (settings, tty, asked, expected) in [
        (TermSettings::default(), true, false, format!("Plan:\n  - detach p from role carts → old\n{total}\n")),
        (TermSettings::default(), false, false, format!("Plan:\n  - detach p from role carts -> old\n{total}\n")),
        (quiet(), true, false, String::new()),
        (quiet(), true, true, format!("Plan:\n  - detach p from role carts → old\n{total}\n")),
    ] {
        let term = Term::test_with(settings, tty, tty, 80);
        term.plan_steps(&[("Plan", &steps)], asked).unwrap();
        assert_eq!(term.stderr(), expected);
        assert_eq!(term.stdout(), "");
    }
}

#[test]
fn the_service_error_of_nobody_is_not_invented() {
    // No connection: no code and no request id, only the adapter's words.
    let mut failure = Failure::failed("cannot reach EKS");
    failure.service = Some(Box::new(ServiceError {
        kind: crate::failure::Kind::Other,
        service: "EKS",
        operation: "DescribeCluster".into(),
        code: String::new(),
        message: "connection refused".into(),
        request_id: None,
        status: None,
    }));
    let text = error::text(&failure, Paint { color: false }, None);
    assert_eq!(text, "error: cannot reach EKS\n  caused by: EKS DescribeCluster: connection refused\n");
    assert!(error::document(&failure).contains("\"code\":\"failed\""));
}

mod anything {
    //! Whatever the text: what is printed moves no cursor, turns no direction, and commands no CI system.

    use proptest::prelude::*;

    use super::*;
    use crate::output::{gate::has_command, mask::hidden};

    /// Streams of a CI system, with or without color.
    fn term(format: Format, out_tty: bool) -> TestTerm {
        let settings = TermSettings { format, ..TermSettings::default() };
        let streams = Streams { commands: true, out_tty, width: Some(60), ..Streams::default() };
        let (out, err) = (Buffer::default(), Buffer::default());
        let term = Term::with_streams(settings, streams, Box::new(out.clone()), Box::new(err.clone()));
        TestTerm { term, out, err }
    }

    fn hostile() -> impl Strategy<Value = String> {
        let pieces = prop::sample::select(vec![
            "::error::x",
            "##[error]x",
            "##vso[task.x]",
            "\n",
            "\r",
            "\t",
            " ",
            "\u{1b}[31m",
            "\u{1b}]0;x\u{7}",
            "\u{9b}2J",
            "\u{202e}",
            "\u{2066}",
            "\u{200b}",
            "\u{feff}",
            "\u{e0001}",
            "\0",
            "\u{85}",
            "\u{2028}",
            "a",
            ": ",
            "#",
            ":",
            "é",
        ]);
        prop::collection::vec(pieces, 0..10).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn is_harmless_in_every_format(text in hostile(), out_tty in any::<bool>()) {
            for format in [Format::Table, Format::Wide, Format::Name, Format::Json, Format::Yaml] {
                let term = term(format, out_tty);
                let table = || {
                    let mut table = Table::new(&[Column::new("NAME"), Column::new("VALUE")]);
                    table.row([Cell::new(text.clone()), Cell::new(text.clone())]);
                    table
                };
                term.render(&serde_json::json!({ "name": text }), table, [&text]).unwrap();
                if format == Format::Name {
                    prop_assert_eq!(term.stdout().lines().count(), 1);
                }
                term.emit_line(&text).unwrap();
                term.emit(&text).unwrap();
                term.status(&text);
                term.success(&text);
                term.warn(&text);
                term.hint(&text);
                term.plan_steps(&[(&text, &[])], true).unwrap();
                term.error(&Failure::failed(text.clone()).because(text.clone()).hint(text.clone()));
                for printed in [term.stdout(), term.stderr()] {
                    let raw = printed.chars().find(|c| *c != '\n' && *c != '\t' && hidden(*c));
                    prop_assert_eq!(raw, None, "{:?}", printed);
                    prop_assert!(!has_command(&printed), "{printed:?}");
                }
            }
        }
    }
}
