//! What a kubeconfig can bring: credentials that are refused or cannot be sent, plugins that fail, hang or talk too much, http.

use std::{
    io::{Read, Write},
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    process::Command,
    time::{Duration, Instant},
};

use serde_json::json;

#[cfg(target_os = "linux")]
use super::inputs::held;
use crate::{
    kill::ready,
    support::{Env, Run, SOON, finish, forbidding},
};

const SECRET: &str = "hunter2-of-the-vault";

/// The world's kubeconfig with another user entry, its lines indented as they are to stand.
fn user(env: &Env, entry: &str) -> String {
    let text = env.world.kubeconfig();
    let (head, _) = text.rsplit_once("    token: ").unwrap();
    env.file("kubeconfig", &format!("{head}{entry}"))
}

/// The token that the world knows.
fn token(env: &Env) -> String {
    env.world.kubeconfig().rsplit_once("token: ").unwrap().1.trim().to_owned()
}

/// A plugin that does this, with a secret in its environment.
fn plugin(env: &Env, script: &str) -> String {
    let path = env.file("plugin", &format!("#!/bin/sh\necho ran >> \"$0.log\"\n{script}\n"));
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    exec(env, &path)
}

fn exec(env: &Env, command: &str) -> String {
    user(
        env,
        &format!(
            "    exec:\n      apiVersion: client.authentication.k8s.io/v1\n      command: {command}\n      interactiveMode: Never\n      \
             env: [{{name: VAULT_TOKEN, value: {SECRET}}}]\n"
        ),
    )
}

fn gives(token: &str) -> String {
    format!("printf '%s\\n' '{}'", json!({ "kind": "ExecCredential", "status": { "token": token } }))
}

fn runs(env: &Env) -> usize {
    std::fs::read_to_string(env.home.path().join("plugin.log")).unwrap_or_default().lines().count()
}

/// Neither secrets, nor what has nothing to do with it.
#[track_caller]
fn to_the_point(run: &Run) {
    for text in [SECRET, "no access entry for", "AWS_ENDPOINT_URL", "VAULT_TOKEN"] {
        assert!(!run.stderr.contains(text), "`{text}` is in\n{run}");
    }
}

const LINES: [&str; 3] = ["recycle carts/carts --yes", "agent status", "associate carts/carts --create-role --yes"];

#[test]
fn a_refusal_names_whose_credentials_were_refused() {
    let env = ready(&[]);
    let file = env.file("token", "sandbox-nobody\n");
    for (entry, wanted, command) in [
        (
            "    token: sandbox-nobody\n".to_owned(),
            "rejected the token of kubeconfig user `arn:",
            "kubectl config set-credentials",
        ),
        (format!("    tokenFile: {file}\n"), file.as_str(), "kubectl create token"),
        (
            "    username: dev\n    password: x\n".to_owned(),
            "rejected the password of kubeconfig user `arn:",
            "with `--token`",
        ),
        ("    {}\n".to_owned(), "has no credentials", "kubectl config set-context"),
    ] {
        let path = user(&env, &entry);
        for line in LINES {
            let run = env.podid(&format!("{line} --kubeconfig {path}")).code(4).says(wanted).says(command);
            to_the_point(&run.says("omit `--kubeconfig` and `--context`"));
        }
    }
    // The twins: the same with what the world knows, and podid's own token where that is refused.
    let path = user(&env, &format!("    tokenFile: {}\n", env.file("token", &format!("{}\n", token(&env)))));
    let _ = env.podid(&format!("agent status --kubeconfig {path}")).ok();
    let stranger = ready(&[("/callers/0/access_entry", json!(false))]);
    let _ = stranger.podid("agent status").code(4).says("no access entry for arn:aws:iam::111122223333:user/workshop");
}

#[test]
fn a_plugin_runs_once() {
    let env = ready(&[]);
    let path = plugin(&env, &gives(&token(&env)));
    let _ = env.podid(&format!("associate carts/carts --create-role --yes --kubeconfig {path}")).ok();
    assert_eq!(runs(&env), 1);
    // One that gives what is refused, or fails, is not run again for each read.
    for (script, wanted) in [
        (gives("sandbox-nobody"), "rejected the credentials from credential plugin"),
        (format!("echo \"no session for {SECRET}\" >&2; exit 3"), "no session for ***"),
    ] {
        std::fs::remove_file(env.home.path().join("plugin.log")).unwrap();
        let path = plugin(&env, &script);
        let run = env.podid(&format!("recycle carts/carts --yes --kubeconfig {path}")).code(4).says(wanted);
        to_the_point(&run.says("/plugin`"));
        assert_eq!(runs(&env), 1);
    }
}

#[test]
fn a_plugin_that_is_not_there_or_says_nothing_useful() {
    let env = ready(&[]);
    let fails = |path: &str, wanted: &str| {
        let run = env.podid(&format!("agent status --kubeconfig {path}")).code(4).says(wanted);
        assert!(!run.stderr.contains("c2VjcmV0"), "{run}");
        to_the_point(&run);
    };
    fails(&exec(&env, "aws-sso-util"), "cannot start credential plugin `aws-sso-util`");
    for (script, wanted) in [
        ("echo k8s-aws-v1.c2VjcmV0".to_owned(), "did not print an ExecCredential"),
        ("yes".to_owned(), "printed more than 1 MiB"),
        (gives("a\u{1}b"), "not allowed in an HTTP header"),
    ] {
        fails(&plugin(&env, &script), wanted);
    }
}

/// Waits until the plugin's child is there, and answers its process id.
fn child(env: &Env) -> String {
    let path = env.home.path().join("child");
    let start = Instant::now();
    loop {
        if let Some(id) = std::fs::read_to_string(&path).ok().filter(|id| id.ends_with('\n')) {
            return id.trim().to_owned();
        }
        assert!(start.elapsed() < SOON, "the plugin did not start");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Gone, or a zombie that nobody in this container reaps.
fn gone(id: &str) -> bool {
    std::fs::read_to_string(format!("/proc/{id}/stat")).map_or(true, |stat| stat.contains(") Z "))
}

#[test]
fn a_plugin_that_hangs_is_ended_with_its_children() {
    let env = ready(&[]);
    let hangs = format!("sleep 1000 & echo $! > '{}/child'; wait", env.home.path().display());
    for (limit, signal, code) in [("2s", None, 5), ("60s", Some("INT"), 130), ("60s", Some("TERM"), 143)] {
        let _ = std::fs::remove_file(env.home.path().join("child"));
        let path = plugin(&env, &hangs);
        let podid = env.begin(&format!("agent status --kubeconfig {path} --timeout {limit}"));
        let id = child(&env);
        // Its memory has credentials in it.
        let limits = std::fs::read_to_string(format!("/proc/{}/limits", podid.id())).unwrap();
        let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
        assert_eq!(core.split_whitespace().nth(4), Some("0"), "{core}");
        if let Some(signal) = signal {
            assert!(Command::new("kill").args(["-s", signal, &podid.id().to_string()]).status().unwrap().success());
        }
        let run = finish(podid).code(code);
        let start = Instant::now();
        while !gone(&id) {
            assert!(start.elapsed() < SOON, "the plugin's child {id} stayed behind\n{run}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

#[test]
fn a_token_that_no_header_can_hold() {
    let env = ready(&[]);
    let good = token(&env);
    let path = user(&env, &format!("    token: {good}\n"));
    let _ = env.podid(&format!("agent status --kubeconfig {path}")).ok();
    for bad in [format!("\"{good}\\r\\nX-Evil: 1\""), format!("\"{good}\\0\""), "\"für\"".to_owned()] {
        let path = user(&env, &format!("    token: {bad}\n"));
        let run = env.podid(&format!("agent status --kubeconfig {path}")).code(2);
        let run = run.says("the token of kubeconfig user `arn:").says(&format!("in `{path}`"));
        assert!(!run.stderr.contains(&good) && !run.stderr.contains("Evil"), "{run}");
    }
}

#[test]
fn auth_providers_are_not_run() {
    let env = ready(&[]);
    let touched = env.home.path().join("touched");
    for (provider, wanted) in [("gcp", "gke-gcloud-auth-plugin"), ("azure", "kubelogin"), ("oidc", "oidc-login")] {
        let path = user(
            &env,
            &format!(
                "    auth-provider:\n      name: {provider}\n      config: {{cmd-path: /usr/bin/touch, cmd-args: {}, id-token: x}}\n",
                touched.display()
            ),
        );
        let _ = env.podid(&format!("agent status --kubeconfig {path}")).code(2).says(provider).says(wanted);
    }
    assert!(!touched.exists());
}

#[test]
fn an_unchecked_certificate_is_warned_about_once() {
    let env = ready(&[]);
    let checked = env.world.kubeconfig();
    let authority = checked.lines().find(|line| line.contains("certificate-authority-data")).unwrap();
    let path = env.file("kubeconfig", &checked.replace(authority, "    insecure-skip-tls-verify: true"));
    let run = env.podid(&format!("agent status --kubeconfig {path}")).ok();
    assert_eq!(run.stderr.matches("insecure-skip-tls-verify").count(), 1, "{run}");
    let run = env.podid(&format!("agent status --kubeconfig {}", env.kubeconfig())).ok();
    assert!(!run.stderr.contains("insecure-skip-tls-verify"), "{run}");
}

/// A server that answers one request after another with 401, and tells what it read.
fn eavesdropper() -> (String, std::sync::mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (sender, heard) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut buffer = [0; 8192];
            let read = stream.read(&mut buffer).unwrap_or_default();
            if sender.send(String::from_utf8_lossy(&buffer[..read]).into_owned()).is_err() {
                return;
            }
            let _ = stream.write_all(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        }
    });
    (url, heard)
}

#[test]
fn nothing_secret_is_sent_over_http() {
    let env = ready(&[]);
    let (url, heard) = eavesdropper();
    let gives = gives(&token(&env));
    let texts = [env.world.kubeconfig(), std::fs::read_to_string(plugin(&env, &gives)).unwrap()];
    for text in texts {
        let text = text.replace(env.world.kube_url(), &url);
        let path = env.file("kubeconfig", &text);
        let _ = env.podid(&format!("agent status --kubeconfig {path}")).code(4).says("no credentials are sent to it");
        let requests: Vec<String> = heard.try_iter().collect();
        assert!(!requests.is_empty());
        for request in requests {
            assert!(!request.to_lowercase().contains("authorization"), "{request}");
        }
    }
    // kubectl runs no plugin then.
    assert_eq!(runs(&env), 0);
}

/// A server that answers everything with so many bytes of nothing.
fn talker(bytes: usize) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 8192]);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n");
            let chunk = [b' '; 8 << 10];
            let mut left = bytes;
            while left > 0 && stream.write_all(&chunk[..left.min(chunk.len())]).is_ok() {
                left -= left.min(chunk.len());
            }
            let _ = stream.write_all(b"{}");
        }
    });
    url
}

#[test]
fn an_answer_that_does_not_end() {
    let env = ready(&[]);
    for (bytes, code, wanted) in
        [(1 << 20, 2, "is for another cluster"), (usize::MAX, 1, "sent a response of more than 4 MiB")]
    {
        let text = env.world.kubeconfig().replace(env.world.kube_url(), &talker(bytes));
        let authority = text.lines().find(|line| line.contains("certificate-authority-data")).unwrap().to_owned();
        let path = env.file("kubeconfig", &text.replace(&authority, ""));
        let _ = env.podid(&format!("agent status --kubeconfig {path}")).code(code).says(wanted);
    }
}

#[test]
fn a_clock_that_is_off_is_named_and_made_up_for() {
    for (ahead, wanted) in
        [(0, None), (120, None), (1200, Some("20 minutes behind AWS's")), (-1200, Some("20 minutes ahead of AWS's"))]
    {
        let env = ready(&[("/clock_ahead_s", json!(ahead))]);
        let run = env.podid("agent status").ok();
        assert_eq!(run.stderr.matches("timedatectl").count(), usize::from(wanted.is_some()), "{run}");
        let run = run.says(wanted.unwrap_or_default());
        assert!(!run.stderr.contains("access entry"), "{run}");
    }
}

#[test]
fn endpoints_over_http_are_warned_about() {
    let env = ready(&[]);
    let run = |url: &str| crate::connect::with(&env, "agent status", &[("AWS_ENDPOINT_URL_DYNAMODB", Some(url))]).ok();
    for url in ["http://[::1]:1", "http://localhost:1", "http://127.0.0.2:1", "https://aws.example"] {
        assert!(!run(url).stderr.contains("AWS_ENDPOINT_URL_DYNAMODB"), "{url}");
    }
    let warned = run("http://me:secret@192.0.2.1:1");
    assert_eq!(
        warned.stderr.matches("`AWS_ENDPOINT_URL_DYNAMODB` sends AWS calls to 192.0.2.1 over http").count(),
        1,
        "{warned}"
    );
    assert!(!warned.stderr.contains("secret"), "{warned}");
}

#[test]
fn a_permission_that_is_missing_loses_only_what_it_is_for() {
    let line = "recycle carts/carts --yes";
    for (refused, wanted) in [
        (
            &["list statefulsets"][..],
            Some("StatefulSets of namespace `carts` are omitted: not allowed: list statefulsets"),
        ),
        (&["list statefulsets", "list daemonsets"], Some("not allowed: list statefulsets and daemonsets")),
        (&[], None),
    ] {
        let env = Env::with("carts-associated", &[forbidding(refused)]);
        let run = env.podid(line).ok().says(wanted.unwrap_or_default());
        assert_eq!(run.stderr.matches("are omitted").count(), usize::from(wanted.is_some()), "{run}");
        assert_eq!(env.writes(), ["kubernetes patch deployments"], "{run}");
        let _ = env.podid("show carts/carts").ok().says("deployment/carts");
    }
    for (refused, wanted) in [
        (&["list pods"][..], "not allowed: list pods\n"),
        (
            &["list deployments", "list statefulsets", "list daemonsets"],
            "not allowed: list deployments, statefulsets and daemonsets\n",
        ),
    ] {
        let env = Env::with("carts-associated", &[forbidding(refused)]);
        let run = env.podid(line).code(4).says("the workloads and pods of carts/carts could not be read").says(wanted);
        assert!(env.writes().is_empty(), "{run}");
    }
}

/// Writes a kubeconfig in which one file has this path, and answers its own path.
/// While a cluster's CA is replaced there are two certificates in its bundle, in either order.
#[test]
fn a_bundle_of_two_authorities_works() {
    use base64::{Engine, engine::general_purpose::STANDARD};

    let env = ready(&[]);
    let whole = env.world.kubeconfig();
    let data = whole.lines().find_map(|line| line.trim().strip_prefix("certificate-authority-data: ")).unwrap();
    let (own, other) = (String::from_utf8(STANDARD.decode(data).unwrap()).unwrap(), include_str!("../authority.pem"));
    for (bundle, works) in [(format!("{own}{other}"), true), (format!("{other}{own}"), true), (other.to_owned(), false)]
    {
        let path = env.file("kubeconfig", &whole.replace(data, &STANDARD.encode(&bundle)));
        let run = env.run(&["agent", "status", "--kubeconfig", &path]);
        assert_eq!(run.code == 0, works, "{run}");
    }
}

#[cfg(target_os = "linux")]
type Kubeconfig<'a> = Box<dyn Fn(&Env, &str) -> String + 'a>;

/// Each file that a kubeconfig brings may be a pipe that nobody writes to.
#[cfg(target_os = "linux")]
#[test]
fn reading_ends_with_a_signal_or_the_deadline() {
    use base64::{Engine, engine::general_purpose::STANDARD};

    let mut env = ready(&[]);
    let pipe = env.home.path().join("pipe").display().to_string();
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let whole = env.world.kubeconfig();
    let data = whole.lines().find_map(|line| line.trim().strip_prefix("certificate-authority-data: ")).unwrap();
    let authority = STANDARD.decode(data).unwrap();
    let from = |env: &Env, path: &str| {
        let line =
            whole.replace(&format!("certificate-authority-data: {data}"), &format!("certificate-authority: {path}"));
        env.file("kubeconfig", &line)
    };
    let token = token(&env);
    let certificate = |key: &'static str, other: &'static str| {
        move |env: &Env, path: &str| {
            user(
                env,
                &format!(
                    "    token: {}\n    {key}: {path}\n    {other}: {}\n",
                    self::token(env),
                    env.file("other", "x")
                ),
            )
        }
    };
    let cases: [(Kubeconfig<'_>, Vec<u8>, bool); 5] = [
        (Box::new(|_, path| path.to_owned()), whole.clone().into_bytes(), true),
        (Box::new(from), authority, true),
        (Box::new(|env, path| user(env, &format!("    tokenFile: {path}\n"))), token.into_bytes(), true),
        (Box::new(certificate("client-certificate", "client-key")), b"x".to_vec(), false),
        (Box::new(certificate("client-key", "client-certificate")), b"x".to_vec(), false),
    ];
    let file = env.home.path().join("file").display().to_string();
    for (kubeconfig, content, works) in cases {
        let path = kubeconfig(&env, &pipe);
        let args = ["agent", "status", "--kubeconfig", &path];
        ends(&env, &args);
        // The twin is a file.
        std::fs::write(&file, content).unwrap();
        let path = kubeconfig(&env, &file);
        let run = env.podid(&format!("agent status --kubeconfig {path}"));
        assert!(if works { run.code == 0 } else { ![0, 5].contains(&run.code) }, "{run}");
    }
    // What names the cluster, for a command that needs nothing else of it; and one that could do without.
    env.unset("PODID_CLUSTER").var("KUBECONFIG", &pipe);
    for args in [&["list"][..], &["role", "list"], &["agent", "status"]] {
        ends(&env, args);
    }
    std::fs::write(&file, &whole).unwrap();
    env.var("KUBECONFIG", &file);
    let _ = env.podid("list").ok();
    let _ = env.podid("role list").ok();
}

#[cfg(target_os = "linux")]
fn ends(env: &Env, args: &[&str]) {
    let _ = held(env, &[args, &["--timeout", "2s"]].concat(), &[]).code(5).says("timed out after 2s while");
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let run = held(env, args, &[signal]);
        assert_eq!(run.code, code, "{args:?}: {run}");
    }
}
