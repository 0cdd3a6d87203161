//! The shells themselves: bash and zsh on a terminal with the key pressed, fish asked by its own `complete -C`.

use std::{
    env,
    fmt::Write as _,
    fs,
    io::{Read, Write},
    path::PathBuf,
    process::Stdio,
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use crate::support::{Env, PODID};

/// The longest a test waits for a shell. Long: other builds may have the machine.
const LONG: Duration = Duration::from_mins(1);

/// The key that writes the line as it stands to a file (Ctrl-O), and the one that empties it (Ctrl-U).
const DUMP: &str = "\x0f";
const EMPTY: &str = "\x15";

/// The folder of the scripts that packages install.
fn scripts() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("completions")
}

/// A shell by its name. Without it nothing is tested, and so the test fails.
pub(super) fn shell(name: &str) -> PathBuf {
    let found =
        env::split_paths(&env::var_os("PATH").unwrap()).map(|folder| folder.join(name)).find(|path| path.is_file());
    found.unwrap_or_else(|| {
        panic!("{name} is needed: install it (`apt-get install {name}`); CONTRIBUTING.md says what the tests need")
    })
}

/// A shell at its prompt, with podid's completion loaded as a package installs it.
pub(super) struct Prompt {
    pty: Arc<pty_process::blocking::Pty>,
    screen: Arc<Mutex<String>>,
    child: std::process::Child,
    dumped: PathBuf,
    next: PathBuf,
}

impl Drop for Prompt {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Prompt {
    /// `bash`, sourcing `completions/podid.bash`.
    pub(super) fn bash(env: &Env) -> Self {
        let rc = "source \"$SCRIPTS/podid.bash\"\n\
                  PS1='ready> '\n\
                  bind 'set bell-style none'; bind 'set enable-bracketed-paste off'\n\
                  bind 'set show-all-if-ambiguous on'; bind 'set page-completions off'; bind 'set completion-query-items 0'\n\
                  dump() { printf %s \"$READLINE_LINE\" > \"$DUMP.part\"; mv \"$DUMP.part\" \"$DUMP\"; }\n\
                  bind -x '\"\\C-o\": dump'\n";
        let rc = env.file("bashrc", rc);
        Self::start(env, "bash", &["--noprofile", "--rcfile", &rc, "-i"])
    }

    /// `zsh`, finding `completions/_podid` among its functions.
    pub(super) fn zsh(env: &Env) -> Self {
        let rc = "fpath=(\"$SCRIPTS\" $fpath)\n\
                  autoload -Uz compinit && compinit -u -D\n\
                  PS1='ready> '; unsetopt beep prompt_cr prompt_sp; LISTMAX=0\n\
                  dump() { print -rn -- \"$BUFFER\" > \"$DUMP.part\"; command mv \"$DUMP.part\" \"$DUMP\" }\n\
                  zle -N dump; bindkey -e; bindkey '^O' dump\n";
        env.file(".zshrc", rc);
        Self::start(env, "zsh", &["-d", "-i"])
    }

    fn start(env: &Env, name: &str, args: &[&str]) -> Self {
        let (pty, pts) = pty_process::blocking::open().unwrap();
        pty.resize(pty_process::Size::new(50, 200)).unwrap();
        let dumped = env.home.path().join("line");
        let mut command = pty_process::blocking::Command::new(shell(name)).args(args).env_clear();
        for (variable, value) in variables(env) {
            command = command.env(variable, value);
        }
        command = command.env("TERM", "xterm").env("SCRIPTS", scripts()).env("DUMP", &dumped);
        let child = command.current_dir(env.home.path()).spawn(pts).unwrap();
        let pty = Arc::new(pty);
        let screen = Arc::new(Mutex::new(String::new()));
        let (shown, seen) = (Arc::clone(&pty), Arc::clone(&screen));
        thread::spawn(move || {
            let mut buffer = [0_u8; 4096];
            while let Ok(read) = (&*shown).read(&mut buffer) {
                seen.lock().unwrap().push_str(&String::from_utf8_lossy(&buffer[..read]));
            }
        });
        let next = env.home.path().join("line.part");
        let mut prompt = Self { pty, screen, child, dumped, next };
        prompt.until("it is ready", |screen| screen.contains("ready> "));
        prompt
    }

    /// What was on the screen since it was last looked at anew.
    pub(super) fn screen(&self) -> String {
        self.screen.lock().unwrap().clone()
    }

    fn until(&mut self, what: &str, is: impl Fn(&str) -> bool) {
        let start = Instant::now();
        while !is(&self.screen()) {
            assert!(self.child.try_wait().unwrap().is_none(), "{what}: the shell ended:\n{}", self.screen());
            assert!(start.elapsed() < LONG, "{what}: it never came:\n{}", self.screen());
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn send(&mut self, keys: &str) {
        (&*self.pty).write_all(keys.as_bytes()).unwrap();
    }

    /// Types the line, presses the key, and answers the line as it stands then. What else is shown stays on the screen.
    pub(super) fn press(&mut self, line: &str) -> String {
        self.screen.lock().unwrap().clear();
        let _ = (fs::remove_file(&self.dumped), fs::remove_file(&self.next));
        self.send(&format!("{EMPTY}{line}\t{DUMP}"));
        let start = Instant::now();
        loop {
            if let Ok(line) = fs::read_to_string(&self.dumped) {
                return line;
            }
            assert!(self.child.try_wait().unwrap().is_none(), "`{line}`: the shell ended:\n{}", self.screen());
            assert!(start.elapsed() < LONG, "`{line}`: it is not at its prompt again:\n{}", self.screen());
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Presses the key, and compares the line with this.
    #[track_caller]
    pub(super) fn completes(&mut self, line: &str, wanted: &str) {
        let now = self.press(line);
        assert_eq!(now, wanted, "`{line}`:\n{}", self.screen());
    }

    /// Types the line and presses the key, until all of these are listed. Nothing is typed ahead: that keeps zsh from listing.
    #[track_caller]
    pub(super) fn lists(&mut self, line: &str, wanted: &[&str]) {
        self.screen.lock().unwrap().clear();
        self.send(&format!("{EMPTY}{line}\t"));
        self.until(line, |screen| wanted.iter().all(|name| screen.contains(name)));
    }
}

fn variables(env: &Env) -> Vec<(String, String)> {
    let mut variables = Vec::new();
    env.environment(|name, value| variables.push((name.to_owned(), value.to_owned())));
    for (name, value) in &mut variables {
        if name == "PATH" {
            // As an installed podid is found.
            *value = format!("{}:{value}", PathBuf::from(PODID).parent().unwrap().display());
        }
    }
    variables.retain(|(name, _)| name != "COLUMNS");
    variables
}

/// What `fish` offers for the line, by its own `complete -C`, and what was said on stderr.
pub(super) fn fish(env: &Env, line: &str) -> (Vec<String>, String) {
    let mut script = format!("source {}/podid.fish\n", scripts().display());
    let _ = writeln!(script, "complete -C '{}'", line.replace('\'', "\\'"));
    let output = std::process::Command::new(shell("fish"))
        .args(["--no-config", "-c", &script])
        .env_clear()
        .envs(variables(env))
        .current_dir(env.home.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let offered = String::from_utf8(output.stdout).unwrap();
    // The name, a tab, and its description.
    let names = offered.lines().map(|line| line.split('\t').next().unwrap_or_default().to_owned());
    (names.collect(), String::from_utf8(output.stderr).unwrap())
}
