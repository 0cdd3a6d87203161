//! The real binary against a world of its own: nothing of this machine's environment reaches it.

use std::{
    fmt,
    io::Read,
    process::{Child, Command, Stdio},
    sync::{
        Mutex, OnceLock, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use podid_sandbox::{Sandbox, Scenario};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::schemas;

pub(crate) const PODID: &str = env!("CARGO_BIN_EXE_podid");

/// The one authority that a run trusts. Its key is gone; the worlds speak HTTP, and their clusters name their own.
const AUTHORITY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/authority.pem");

/// A world and a home directory.
pub(crate) struct Env {
    pub(crate) world: Sandbox,
    pub(crate) home: TempDir,
    vars: Vec<(String, String)>,
    unset: Vec<String>,
}

/// What a run came to; its `Display` is the transcript that snapshots hold.
#[must_use = "look at the outcome"]
#[derive(Debug, Clone)]
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Env {
    /// A world of this scenario.
    pub(crate) fn new(scenario: &str) -> Self {
        Self::with(scenario, &[])
    }

    /// A world that differs in these fields.
    pub(crate) fn with(scenario: &str, set: &[(&str, Value)]) -> Self {
        let world = Sandbox::start(Scenario::with(scenario, set).unwrap()).unwrap();
        Self { world, home: tempfile::tempdir().unwrap(), vars: Vec::new(), unset: Vec::new() }
    }

    /// Sets a variable for every run.
    pub(crate) fn var(&mut self, name: &str, value: &str) -> &mut Self {
        self.vars.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Takes a variable away from every run.
    pub(crate) fn unset(&mut self, name: &str) -> &mut Self {
        self.unset.push(name.to_owned());
        self
    }

    /// Neither credentials for AWS, nor where it is, nor a cluster's name.
    pub(crate) fn without_aws(mut self) -> Self {
        let names: Vec<&str> = self.world.exports().iter().map(|(name, _)| *name).collect();
        self.unset.extend(names.into_iter().filter(|name| name.starts_with("AWS_")).map(str::to_owned));
        self.unset.push("PODID_CLUSTER".to_owned());
        self
    }

    /// Writes the world's kubeconfig and answers its path.
    pub(crate) fn kubeconfig(&self) -> String {
        let path = self.home.path().join("kubeconfig");
        std::fs::write(&path, self.world.kubeconfig()).unwrap();
        path.display().to_string()
    }

    /// The command, with the cluster named by PODID_CLUSTER.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(PODID);
        command.args(args).stdin(Stdio::null()).env_clear();
        self.environment(|name, value| {
            command.env(name, value);
        });
        command
    }

    /// Every variable that a run sees.
    pub(crate) fn environment(&self, mut put: impl FnMut(&str, &str)) {
        let mut set = |name: &str, value: &str| {
            if !self.unset.iter().any(|unset| unset == name) {
                put(name, value);
            }
        };
        set("HOME", &self.home.path().display().to_string());
        set("PATH", "/usr/bin:/bin");
        set("COLUMNS", "100");
        set("TZ", "UTC");
        set("LANG", "C.UTF-8");
        set("PODID_CLUSTER", "eks-workshop");
        // The system's hundred and more authorities take an unoptimized build longer to parse than all else that a short command does.
        set("SSL_CERT_FILE", AUTHORITY);
        for (name, value) in self.world.exports() {
            set(name, &value);
        }
        for (name, value) in &self.vars {
            set(name, value);
        }
    }

    /// Runs podid in a pipe.
    pub(crate) fn run(&self, args: &[&str]) -> Run {
        finish(self.start(args))
    }

    /// Runs podid with a line of arguments.
    #[track_caller]
    pub(crate) fn podid(&self, line: &str) -> Run {
        let run = finish(self.begin(line));
        schemas::check(&line.split_whitespace().collect::<Vec<_>>(), &run);
        run
    }

    /// Starts podid in a pipe.
    pub(crate) fn start(&self, args: &[&str]) -> Child {
        self.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Starts podid in a pipe with a line of arguments.
    pub(crate) fn begin(&self, line: &str) -> Child {
        self.start(&line.split_whitespace().collect::<Vec<_>>())
    }

    /// Writes a file into the home directory and answers its path.
    pub(crate) fn file(&self, name: &str, text: &str) -> String {
        let path = self.home.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    /// Runs podid, and sends it this signal once the world is as `when` says.
    pub(crate) fn signalled(&self, line: &str, signal: &str, when: impl Fn(&Sandbox) -> bool) -> Run {
        let mut child = self.begin(line);
        let start = Instant::now();
        while !when(&self.world) {
            assert!(start.elapsed() < SOON, "{line}: it never came to be: {:?}", self.operations());
            assert!(child.try_wait().unwrap().is_none(), "{line}: ended before the signal: {}", finish(child));
            std::thread::sleep(Duration::from_millis(5));
        }
        let pid = child.id().to_string();
        assert!(Command::new("kill").args(["-s", signal, &pid]).status().unwrap().success());
        finish(child)
    }

    /// What was written, also in vain, in order. What EKS or IAM had to be asked again for counts once.
    pub(crate) fn writes(&self) -> Vec<String> {
        let mut writes = self.world.journal().writes();
        writes.dedup();
        writes
    }

    /// What was asked, in order.
    pub(crate) fn operations(&self) -> Vec<String> {
        self.world.journal().calls().iter().map(podid_sandbox::journal::Call::name).collect()
    }

    /// Runs podid on a terminal of this width; stdout and stderr are one there. `keys` are typed at once.
    pub(crate) fn tty(&self, width: u16, args: &[&str], keys: &str) -> Run {
        let (mut pty, pts) = pty_process::blocking::open().unwrap();
        pty.resize(pty_process::Size::new(40, width)).unwrap();
        let mut command = pty_process::blocking::Command::new(PODID).args(args).env_clear();
        let mut vars = Vec::new();
        self.environment(|name, value| vars.push((name.to_owned(), value.to_owned())));
        for (name, value) in vars.into_iter().filter(|(name, _)| name != "COLUMNS") {
            command = command.env(name, value);
        }
        // Typed ahead, so that the terminal shows them first.
        if !keys.is_empty() {
            std::io::Write::write_all(&mut pty, keys.as_bytes()).unwrap();
        }
        let mut child = command.env("TERM", "xterm").spawn(pts).unwrap();
        let mut screen = Vec::new();
        let mut buffer = [0_u8; 4096];
        // Linux answers EIO once the last process has closed the terminal.
        while let Ok(read) = pty.read(&mut buffer) {
            if read == 0 {
                break;
            }
            screen.extend_from_slice(&buffer[..read]);
        }
        let code = child.wait().unwrap().code().unwrap_or(-1);
        Run { code, stdout: settle(&String::from_utf8_lossy(&screen)), stderr: String::new() }
    }
}

/// The field that says what the app of carts does.
pub(crate) const APP: &str = "/manifests/8/spec/template/metadata/annotations/sandbox.podid.dev~1app";

/// The field that lets the caller do everything but this: an IAM action, or a list of them.
pub(crate) fn denying(action: impl Into<Value>) -> (&'static str, Value) {
    let policy = json!({
        "Version": "2012-10-17",
        "Statement": [
            { "Effect": "Allow", "Action": "*", "Resource": "*" },
            { "Effect": "Deny", "Action": action.into(), "Resource": "*" },
        ],
    });
    ("/callers/0/policies", json!([policy]))
}

/// The field that makes Kubernetes refuse these, as `VERB RESOURCE`.
pub(crate) fn forbidding(what: &[&str]) -> (&'static str, Value) {
    ("/callers/0/rbac_denies", json!(what))
}

/// The statement of a trust policy that admits one service account (`namespace`, `name`) of a cluster.
pub(crate) fn admitting(sid: &str, cluster: &str, (namespace, name): (&str, &str)) -> Value {
    json!({
        "Sid": sid,
        "Effect": "Allow",
        "Principal": { "Service": "pods.eks.amazonaws.com" },
        "Action": ["sts:AssumeRole", "sts:TagSession"],
        "Condition": { "StringEquals": {
            "aws:RequestTag/eks-cluster-arn": cluster,
            "aws:RequestTag/kubernetes-namespace": namespace,
            "aws:RequestTag/kubernetes-service-account": name,
        } },
    })
}

/// The line with more flags. Those of a command that runs another one stand before that.
pub(crate) fn flagged(line: &str, flags: &str) -> String {
    match line.split_once(" -- ") {
        Some((own, command)) => format!("{own} {flags} -- {command}"),
        None => format!("{line} {flags}"),
    }
}

/// Does each of these, so many at once; the results are in their order. One such row at a time: tests beside it have to find a
/// machine that answers in time.
pub(crate) fn at_once<T: Sync, R: Send>(most: usize, items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    static ONE: Mutex<()> = Mutex::new(());
    let _alone = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::new());
    let worker = || {
        loop {
            let i = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(i) else { return };
            let result = work(item);
            done.lock().unwrap().push((i, result));
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..most.min(items.len()) {
            scope.spawn(worker);
        }
    });
    let mut done = done.into_inner().unwrap();
    done.sort_by_key(|(i, _)| *i);
    done.into_iter().map(|(_, result)| result).collect()
}

/// Waits for a run's end.
pub(crate) fn finish(child: Child) -> Run {
    let output = child.wait_with_output().unwrap();
    Run {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// What stays on the screen: the lines that a progress bar wrote over are gone, escapes are dropped.
fn settle(screen: &str) -> String {
    let mut lines: Vec<String> = vec![String::new()];
    let mut row = 0_usize;
    let mut chars = screen.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' => {
                if chars.next_if_eq(&'[').is_none() {
                    chars.next();
                    continue;
                }
                let mut number = String::new();
                let mut last = ' ';
                for c in chars.by_ref() {
                    if c.is_ascii_alphabetic() {
                        last = c;
                        break;
                    }
                    number.push(c);
                }
                let n: usize = number.parse().unwrap_or(1);
                match last {
                    'A' => row = row.saturating_sub(n.max(1)),
                    'B' => row = (row + n.max(1)).min(lines.len() - 1),
                    'K' => lines[row].clear(),
                    'J' => lines.truncate(row + 1),
                    _ => {}
                }
            }
            '\r' => {
                if chars.peek() != Some(&'\n') {
                    lines[row].clear();
                }
            }
            '\n' => {
                row += 1;
                if row == lines.len() {
                    lines.push(String::new());
                }
            }
            c => lines[row].push(c),
        }
    }
    lines.iter().map(|l| l.trim_end()).collect::<Vec<_>>().join("\n").trim_end().to_owned() + "\n"
}

impl Run {
    /// stdout as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("{e}\n{self}"))
    }

    /// Asserts the exit code.
    #[track_caller]
    pub(crate) fn code(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self}");
        self
    }

    /// Asserts success.
    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        self.code(0)
    }

    /// Asserts that stderr says this.
    #[track_caller]
    pub(crate) fn says(self, text: &str) -> Self {
        assert!(self.stderr.contains(text) || self.stdout.contains(text), "`{text}` is not in\n{self}");
        self
    }

    /// The same where several reads fail alike, and the first to fail is told.
    pub(crate) fn steady_of_several(&self) -> String {
        static READ: OnceLock<regex::Regex> = OnceLock::new();
        let read = READ.get_or_init(|| regex::Regex::new(r"cannot (read|list) [^:\n]*").unwrap());
        read.replace(&self.steady(), "cannot [read something]").into_owned()
    }

    /// The transcript with what differs from run to run replaced, and without how far a wait was meanwhile.
    pub(crate) fn steady(&self) -> String {
        static WAITS: OnceLock<regex::Regex> = OnceLock::new();
        static LAST: OnceLock<regex::Regex> = OnceLock::new();
        let waits = WAITS.get_or_init(|| {
            regex::Regex::new(
                r"(?m)^(agent: (agent: \d|add-on \S+ is ).*|[a-z0-9-]+/\S+: (waiting for|the change to|new pods are (not injected yet|still injected|(not )?injected; confirming)).*)\n",
            )
            .unwrap()
        });
        let last = LAST.get_or_init(|| regex::Regex::new(r#"(?s),\n      "lastState": \{.*?\n      \}"#).unwrap());
        let text = self.to_string();
        steady(&waits.replace_all(&last.replace_all(&text, ""), ""))
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "exit {}", self.code)?;
        if !self.stdout.is_empty() {
            write!(f, "--- stdout\n{}", self.stdout)?;
        }
        let talk = without_calls(&self.stderr);
        if !talk.is_empty() {
            write!(f, "--- stderr\n{talk}")?;
        }
        Ok(())
    }
}

/// Without the lines that `-v` prints for calls, and those that only a slow machine has.
fn without_calls(talk: &str) -> String {
    static CALLS: OnceLock<regex::Regex> = OnceLock::new();
    let calls = CALLS.get_or_init(|| {
        regex::Regex::new(r"(?m)^(.*: (\d{3}|no response) in \d+ ms( \(request ID .*\))?|waiting for .* \(\d+ s\))\n")
            .unwrap()
    });
    calls.replace_all(talk, "").into_owned()
}

/// Replaces ids, times, ages, ports and pod name suffixes.
fn steady(text: &str) -> String {
    static RULES: OnceLock<Vec<(regex::Regex, &str)>> = OnceLock::new();
    let rules = RULES.get_or_init(|| {
        [
            (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "[time]"),
            (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "[uuid]"),
            (r"\ba-[a-z0-9]{17}\b", "a-[id]"),
            (r"127\.0\.0\.1:\d+", "127.0.0.1:[port]"),
            (r"/\S*/\.tmp\w+/", "[home]/"),
            // The letters of Kubernetes' own suffixes: no vowels, so that no word is one.
            (r"\b([a-z-]+)-[b-df-hj-np-tv-xz24-9]{8,10}-[b-df-hj-np-tv-xz24-9]{5}\b", "$1-[pod]"),
            (r"podid-probe-\w+", "podid-probe-[pod]"),
            (r"restarted \d+ times?", "restarted [n] times"),
            (r"(?m)(  |\()\d+[smhd](?: ago)?( +|\)|$)", "$1[age]$2"),
        ]
        .into_iter()
        .map(|(pattern, with)| (regex::Regex::new(pattern).unwrap(), with))
        .collect()
    });
    rules.iter().fold(text.to_owned(), |text, (rule, with)| rule.replace_all(&text, *with).into_owned())
}

/// The longest a test waits for something that should come at once.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// The words of a command as a shell splits them.
pub(crate) fn shell_words(command: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quote = None;
    for c in command.chars() {
        match (c, quote) {
            ('\'' | '"', None) => quote = Some(c),
            (c, Some(open)) if c == open => quote = None,
            (c, None) if c.is_whitespace() => {
                words.extend((!word.is_empty()).then(|| word.clone()));
                word.clear();
            }
            (c, _) => word.push(c),
        }
    }
    words.extend((!word.is_empty()).then_some(word));
    words
}
