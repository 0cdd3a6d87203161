//! podid as a process: the files it keeps, the signals it hears, and the streams it writes to.

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use podid_sandbox::{
    Sandbox,
    faults::{Action, Fault},
};
use serde_json::json;

use crate::{
    completion::{cached, offers, world},
    support::{APP, Env, PODID, SOON, finish},
};

/// A name as the cache's own files have it.
const OWN: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

const CREATE: &str = "associate carts/carts --role eks-workshop-carts-dynamo --no-wait --yes";

fn send(signal: &str, pid: u32) {
    assert!(Command::new("kill").args(["-s", signal, &pid.to_string()]).status().unwrap().success());
}

/// Somebody else's files, two of them named as podid's own.
fn foreign(folder: &Path) {
    fs::create_dir_all(folder).unwrap();
    for name in [OWN, "notes", "keys.part"] {
        fs::write(folder.join(name), "mine").unwrap();
    }
}

#[track_caller]
fn assert_untouched(folder: &Path) {
    let mut found: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    found.sort();
    assert_eq!(found, [OWN, "keys.part", "notes"]);
    for name in found {
        assert_eq!(fs::read_to_string(folder.join(name)).unwrap(), "mine");
    }
}

/// The cache's place leads elsewhere, or others may write there: names are offered all the same, and nothing there is touched.
#[test]
fn a_cache_that_is_not_the_users_alone() {
    let env = world(&[]);
    let elsewhere = env.home.path().join("elsewhere");
    let cache = env.home.path().join(".cache");
    let (podid, completion) = (cache.join("podid"), cache.join("podid/completion"));
    // Healthy: the names are kept.
    offers(&env, "show ca", &["carts/carts"]);
    assert_eq!(cached(&env).len(), 1);
    for (place, write) in [(&completion, "disassociate team-a/api --yes"), (&podid, "disassociate team-b/api --yes")] {
        fs::remove_dir_all(&cache).unwrap();
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        let target = if place == &podid { elsewhere.join("completion") } else { elsewhere.clone() };
        foreign(&target);
        symlink(&elsewhere, place).unwrap();
        offers(&env, "show ca", &["carts/carts"]);
        let _ = env.podid(write).ok();
        assert_untouched(&target);
        fs::remove_dir_all(&elsewhere).unwrap();
    }
    fs::remove_dir_all(&cache).unwrap();
    foreign(&completion);
    for mode in [0o777, 0o1777, 0o770] {
        fs::set_permissions(&completion, fs::Permissions::from_mode(mode)).unwrap();
        offers(&env, "show ca", &["carts/carts"]);
        assert_untouched(&completion);
    }
    fs::set_permissions(&completion, fs::Permissions::from_mode(0o700)).unwrap();
    offers(&env, "show ca", &["carts/carts"]);
    assert_eq!(cached(&env).len(), 4, "{:?}", cached(&env));
}

/// In place of the cache's file.
#[test]
fn what_is_no_file_is_not_waited_for() {
    let env = world(&[]);
    offers(&env, "show ca", &["carts/carts"]);
    let [file] = &cached(&env)[..] else { panic!("{:?}", cached(&env)) };
    let put: [(&str, &dyn Fn()); 3] = [
        ("pipe", &|| assert!(Command::new("mkfifo").arg(file).status().unwrap().success())),
        ("device", &|| symlink("/dev/zero", file).unwrap()),
        ("huge", &|| fs::File::create(file).unwrap().set_len(1 << 40).unwrap()),
    ];
    for (what, put) in put {
        fs::remove_file(file).unwrap();
        put();
        offers(&env, "show ca", &["carts/carts"]);
        assert!(fs::symlink_metadata(file).unwrap().is_file(), "{what}: not replaced");
    }
}

/// The cache is cleared by what changed something, and by nothing else.
#[test]
fn only_a_write_clears_the_cache() {
    let env = world(&[]);
    let line = "disassociate team-b/api --yes";
    let kept = || cached(&env).len();
    let refused = Action::error(400, "InvalidRequestException", "not now");
    env.world.faults().add(Fault::once("eks", "DeletePodIdentityAssociation", refused));
    for (line, ok) in [("disassociate team-b/api --dry-run", true), ("disassociate team-b", false), (line, false)] {
        offers(&env, "show ca", &["carts/carts"]);
        assert_eq!(kept(), 1);
        let run = env.podid(line);
        assert_eq!(run.code == 0, ok, "{line}: {run}");
        assert_eq!(kept(), 1, "{line}");
    }
    let _ = env.podid(line).ok();
    assert_eq!(kept(), 0);
}

/// A closed terminal asks as SIGTERM does; `nohup` keeps its word.
#[test]
fn hung_up() {
    let env = Env::new("carts-role");
    env.world.faults().add(Fault::always("eks", "DescribeCluster", Action::Delay(Duration::from_mins(5))));
    let asked = |world: &Sandbox| world.journal().count("eks", "DescribeCluster") > 0;
    let run = env.signalled(CREATE, "HUP", asked).code(129);
    assert!(run.stderr.contains("terminal was closed"), "{run}");
    // The twin hears nothing of it.
    let env = Env::new("carts-role");
    env.world.faults().add(Fault::once("eks", "DescribeCluster", Action::Delay(Duration::from_secs(1))));
    let mut command = Command::new("nohup");
    command.arg(PODID).args(CREATE.split(' ')).env_clear().stdin(Stdio::null());
    env.environment(|name, value| {
        command.env(name, value);
    });
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    env.world.wait_until(SOON, |_| asked(&env.world)).unwrap();
    send("HUP", child.id());
    let _ = finish(child).ok();
    assert_eq!(env.writes(), ["eks CreatePodIdentityAssociation"]);
}

#[test]
fn a_second_signal_ends_at_once() {
    for (first, second) in [("INT", "TERM"), ("HUP", "TERM"), ("TERM", "HUP")] {
        let env = Env::new("carts-role");
        // A write under way is given a moment after the first.
        let late = Action::Hold(Duration::from_mins(5));
        env.world.faults().add(Fault::always("eks", "CreatePodIdentityAssociation", late));
        let child = env.begin(CREATE);
        let asked = || env.world.journal().count("eks", "CreatePodIdentityAssociation") > 0;
        env.world.wait_until(SOON, |_| asked()).unwrap();
        // By one process: nothing comes between them.
        let both = format!("kill -s {first} {id}; kill -s {second} {id}", id = child.id());
        assert!(Command::new("sh").args(["-c", &both]).status().unwrap().success());
        let run = finish(child).says("stopped immediately: the outcome of calls in progress is unknown");
        // Which of them is heard first is the system's choice.
        assert!([130, 143, 129].contains(&run.code), "{first} {second}: {run}");
    }
}

/// podid holds its output out to somebody who does not take it: only the second signal ends that.
#[test]
fn a_second_signal_ends_what_the_first_cannot() {
    let one = |n| json!({ "cluster": "eks-workshop", "namespace": "carts", "service_account": format!("carts-{n}"), "role": "eks-workshop-carts-dynamo" });
    let many: Vec<_> = (0..400).map(|n| ("/associations/-", one(n))).collect();
    let env = Env::with("carts-associated", &many);
    // More than a pipe holds, and it is in the middle of it.
    let printing = || {
        let mut child = env.begin("list -o json");
        child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
        child
    };
    let child = printing();
    send("INT", child.id());
    let run = finish(child);
    assert!(run.stdout.contains("\"carts-399\"") && run.stdout.trim_end().ends_with('}'), "{}", run.stderr);
    for signals in [["INT", "TERM"], ["INT", "INT"]] {
        let mut child = printing();
        let start = Instant::now();
        let status = loop {
            // Pressed until it ends: two of a kind may be heard as one.
            for signal in signals {
                send(signal, child.id());
            }
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            assert!(start.elapsed() < SOON, "{signals:?}: it does not end");
            std::thread::sleep(Duration::from_millis(50));
        };
        assert!([Some(130), Some(143)].contains(&status.code()), "{signals:?}: {status}");
    }
}

/// The log of a pod that keeps a rollout from succeeding is being read.
#[test]
fn interrupted_while_a_log_is_read() {
    let set = [(APP, json!("crash AccessDenied"))];
    let line = "recycle carts/carts --yes";
    let env = Env::with("carts-associated", &set);
    env.world.faults().add(Fault::always("kubernetes", "get pods/log", Action::Delay(Duration::from_mins(5))));
    let asked = |world: &Sandbox| world.journal().count("kubernetes", "get pods/log") > 0;
    let run = env.signalled(line, "INT", asked).code(130);
    assert!(run.stderr.contains("interrupted"), "{run}");
    let _ = Env::with("carts-associated", &set).podid(line).code(6);
}

/// stdout is full once the write is done: that is no failure before any write, and what was done is not lost.
#[test]
fn nowhere_to_write_to() {
    for flags in ["", " -o json", " -o json -q", " -o name -q"] {
        let full = || fs::File::options().write(true).open("/dev/full").unwrap();
        let line = format!("{CREATE}{flags}");
        let env = Env::new("carts-role");
        let args: Vec<&str> = line.split(' ').collect();
        let child = env.command(&args).stdout(full()).stderr(Stdio::piped()).spawn().unwrap();
        let run = finish(child);
        if run.code == 0 {
            // Nothing had to be written there.
            assert!(flags.is_empty(), "{run}");
        } else {
            assert_eq!(run.code, 6, "{line}: {run}");
            assert!(run.stderr.contains("cannot write to standard output"), "{run}");
        }
        assert!(run.stderr.contains("associated carts/carts with role"), "{line}: {run}");
        let _ = Env::new("carts-role").podid(&line).ok();
    }
    // Nothing was written.
    let env = Env::new("carts-associated");
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let run = finish(env.command(&["list"]).stdout(full).stderr(Stdio::piped()).spawn().unwrap());
    assert_eq!(run.code, 1, "{run}");
}

/// What the sandbox hands out is nobody else's to read, has a name that nobody can guess, and goes with it, however it ends.
#[test]
fn the_sandboxs_kubeconfig() {
    let sandbox = Path::new(PODID).with_file_name("podid-sandbox");
    // `cargo test` builds the programs of the package under test only.
    let build = ["build", "--quiet", "--locked", "--package", "podid-sandbox", "--bin", "podid-sandbox"];
    assert!(Command::new(env!("CARGO")).args(build).status().unwrap().success());
    let home = tempfile::tempdir().unwrap();
    let mut names = Vec::new();
    for signal in ["INT", "TERM", "HUP"] {
        let mut child = Command::new(&sandbox).env("TMPDIR", home.path()).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let path = lines.find_map(|line| Some(line.strip_prefix("export KUBECONFIG=")?.to_owned())).unwrap();
        let path = Path::new(&path);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(path), mode(path.parent().unwrap())), (0o600, 0o700));
        assert!(!path.display().to_string().contains(&child.id().to_string()));
        names.push(path.to_owned());
        send(signal, child.id());
        assert!(child.wait().unwrap().success(), "{signal}");
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0, "{signal}: left behind");
    }
    names.dedup();
    assert_eq!(names.len(), 3);
}
