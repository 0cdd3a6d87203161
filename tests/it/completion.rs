//! Live completion: what each shell is offered, that it comes in time, and that whatever fails is silent.

mod shells;
mod silent;

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    process::{Command, Stdio},
    time::{Duration, SystemTime},
};

use serde_json::{Value, json};
use shells::{Prompt, fish, shell};

use crate::{
    calls::tally,
    support::{Env, PODID, Run, finish},
};

const ROLE: &str = "arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo";

/// Variable for the budget; empty for its default.
const TIMEOUT: &str = "PODID_COMPLETE_TIMEOUT";

/// The context of the world's kubeconfig.
const CONTEXT: &str = "arn:aws:eks:us-west-2:111122223333:cluster/eks-workshop";

/// Two clusters, associations in both, and what else differs.
pub(crate) fn world(set: &[(&str, Value)]) -> Env {
    let association = |cluster: &str, namespace: &str, name: &str| json!({ "cluster": cluster, "namespace": namespace, "service_account": name, "role": ROLE });
    let mut fields = vec![
        ("/clusters/-", json!({ "name": "blue", "version": "1.33" })),
        ("/associations/-", association("eks-workshop", "team-a", "api")),
        ("/associations/-", association("eks-workshop", "team-b", "api")),
        ("/associations/-", association("blue", "team-c", "api")),
    ];
    fields.extend(set.iter().cloned());
    let mut env = Env::with("carts-associated", &fields);
    let kubeconfig = env.kubeconfig();
    env.var("KUBECONFIG", &kubeconfig);
    // For a busy machine, where the budget is not what is tested.
    env.var(TIMEOUT, "1m");
    fs::create_dir(env.home.path().join(".aws")).unwrap();
    env.file(".aws/config", "[default]\nregion = us-west-2\n[profile workshop]\nregion = us-west-2\n");
    env.file(".aws/credentials", "[keys]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\n");
    env
}

/// podid as fish asks it. The cursor stands at the end of the line.
fn ask(env: &Env, line: &str) -> Command {
    let mut command = env.command(&["--", "podid"]);
    command.args(line.split(' ')).env("PODID_COMPLETE", "fish").stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

pub(crate) fn asked(env: &Env, line: &str) -> Run {
    finish(ask(env, line).spawn().unwrap())
}

fn names(run: &Run) -> Vec<&str> {
    run.stdout.lines().map(|line| line.split('\t').next().unwrap_or_default()).collect()
}

#[track_caller]
pub(crate) fn offers(env: &Env, line: &str, wanted: &[&str]) {
    let run = asked(env, line).ok();
    assert_eq!((names(&run), run.stderr.as_str()), (wanted.to_vec(), ""), "{line}");
}

/// Nothing is offered, in silence and with exit code 0.
#[track_caller]
fn silent(env: &Env, line: &str) {
    let run = asked(env, line);
    assert_eq!((run.code, run.stdout.as_str(), run.stderr.as_str()), (0, "", ""), "{line}");
}

/// Files of the cache.
pub(crate) fn cached(env: &Env) -> Vec<PathBuf> {
    let folder = env.home.path().join(".cache/podid/completion");
    fs::read_dir(folder).map_or_else(|_| Vec::new(), |files| files.map(|file| file.unwrap().path()).collect())
}

/// What is typed, and what the key makes of it; a space follows what is whole.
const LINES: &[(&str, &str)] = &[
    ("podid sh", "podid show "),
    ("podid agent in", "podid agent install "),
    ("podid list -o j", "podid list -o json "),
    ("podid show --no-po", "podid show --no-pods "),
    ("podid show ca", "podid show carts/carts "),
    ("podid disassociate team-a/api team-b", "podid disassociate team-a/api team-b/api "),
    ("podid recycle carts/", "podid recycle carts/carts "),
    ("podid wait ca", "podid wait carts/carts "),
    ("podid list -n team-a", "podid list -n team-a "),
    ("podid list --cluster e", "podid list --cluster eks-workshop "),
    ("podid list --cluster=e", "podid list --cluster=eks-workshop "),
    ("podid list -c bl", "podid list -c blue "),
    ("podid show -c blue t", "podid show -c blue team-c/api "),
    ("podid show --cluster=blue t", "podid show --cluster=blue team-c/api "),
    ("podid --cluster blue list te", "podid --cluster blue list team-c/api "),
    ("podid associate ca", "podid associate carts/"),
    ("podid associate carts/c", "podid associate carts/carts "),
    ("podid role trust x --service-account carts/c", "podid role trust x --service-account carts/carts "),
    (
        "podid associate carts/carts --role eks-workshop-c",
        "podid associate carts/carts --role eks-workshop-carts-dynamo ",
    ),
    ("podid role show eks-workshop-c", "podid role show eks-workshop-carts-dynamo "),
    ("podid recycle carts/carts --workload dep", "podid recycle carts/carts --workload deployment/carts "),
    ("podid list --region eu-no", "podid list --region eu-north-1 "),
    ("podid list --profile wo", "podid list --profile workshop "),
    (
        "podid list --context arn:aws:eks:us-w",
        "podid list --context arn:aws:eks:us-west-2:111122223333:cluster/eks-workshop ",
    ),
    // A word with colons before the cursor is one word.
    (
        "podid show --context arn:aws:eks:us-west-2:111122223333:cluster/eks-workshop ca",
        "podid show --context arn:aws:eks:us-west-2:111122223333:cluster/eks-workshop carts/carts ",
    ),
    ("podid show 'ca", "podid show 'carts/carts' "),
];

#[test]
#[ignore = "needs bash, zsh and fish: `cargo test --test it -- --ignored`"]
fn bash_completes() {
    let env = world(&[]);
    let mut bash = Prompt::bash(&env);
    for (line, wanted) in LINES {
        bash.completes(line, wanted);
    }
    bash.lists("podid show ", &["carts/carts", "team-a/api", "team-b/api"]);
    assert!(!bash.screen().contains("--no-pods"), "flags stand back:\n{}", bash.screen());
}

#[test]
#[ignore = "needs bash, zsh and fish: `cargo test --test it -- --ignored`"]
fn zsh_completes() {
    let env = world(&[]);
    let mut zsh = Prompt::zsh(&env);
    for (line, wanted) in LINES {
        zsh.completes(line, wanted);
    }
    zsh.lists("podid show ", &["carts/carts", "team-a/api", "team-b/api"]);
    assert!(!zsh.screen().contains("--no-pods"), "flags stand back:\n{}", zsh.screen());
}

#[test]
#[ignore = "needs bash, zsh and fish: `cargo test --test it -- --ignored`"]
fn fish_completes() {
    let env = world(&[]);
    for (line, wanted) in LINES {
        // fish offers words, and puts quotes and spaces itself.
        let word = wanted.trim_end().rsplit(' ').next().unwrap().replace('\'', "");
        assert_eq!(fish(&env, line), (vec![word], String::new()), "{line}");
    }
    let (names, _) = fish(&env, "podid show ");
    assert_eq!(names, ["carts/carts", "team-a/api", "team-b/api"]);
}

#[test]
#[should_panic(expected = "no-such-shell is needed: install it (`apt-get install no-such-shell`); CONTRIBUTING.md")]
fn a_missing_shell_fails_the_tests() {
    let _ = shell("no-such-shell");
}

#[test]
fn what_is_typed_narrows() {
    let env = world(&[]);
    offers(&env, "list -n team-a ", &["team-a/api"]);
    offers(&env, "list -n team-* ", &["team-a/api", "team-b/api"]);
    offers(&env, "list team-a/api ", &["carts/carts", "team-b/api"]);
    offers(&env, "list -c blue -c ", &["eks-workshop"]);
    offers(&env, "list -n ", &["carts", "team-a", "team-b"]);
    offers(&env, "associate ", &["carts/", "default/", "kube-system/"]);
    offers(&env, "recycle --all --workload d", &["daemonset/eks-pod-identity-agent", "deployment/carts"]);
    offers(&env, "recycle carts/* --workload d", &["deployment/carts"]);
    offers(&env, "recycle carts/other --workload d", &[]);
    // Roles that cannot be used with Pod Identity are offered where nothing else fits.
    offers(&env, "role trust e", &["eks-workshop-carts-dynamo"]);
    offers(&env, "role trust eks-workshop-n", &["eks-workshop-nodes"]);
    offers(&env, "list --region cn", &["cn-north-1", "cn-northwest-1"]);
    offers(&env, "list --profile ", &["default", "keys", "workshop"]);
    offers(&env, "iam-policy --rbac -n d", &["default"]);
}

/// The cluster comes from the same places as for the command.
#[test]
fn the_cluster_at_hand() {
    let mut env = world(&[]);
    offers(&env, "show t", &["team-a/api", "team-b/api"]);
    env.var("PODID_CLUSTER", "blue");
    offers(&env, "show t", &["team-c/api"]);
    env.unset("PODID_CLUSTER");
    // By the current kube context now.
    offers(&env, "show t", &["team-a/api", "team-b/api"]);
    let path = env.kubeconfig();
    env.unset("KUBECONFIG");
    silent(&env, "show t");
    offers(&env, &format!("show --kubeconfig {path} t"), &["team-a/api", "team-b/api"]);
    offers(&env, &format!("show --kubeconfig {path} --context {CONTEXT} t"), &["team-a/api", "team-b/api"]);
    silent(&env, &format!("show --kubeconfig {path} --context other t"));
    // Kubernetes is reached by it too.
    offers(&env, &format!("associate --kubeconfig {path} carts/c"), &["carts/carts"]);
}

#[test]
fn a_profile_that_is_typed() {
    let mut env = world(&[]);
    let url = env.world.aws_url().to_owned();
    for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL", "AWS_REGION", "AWS_DEFAULT_REGION"] {
        env.unset(name);
    }
    env.file(".aws/config", &format!("[profile shop]\nregion = us-west-2\nendpoint_url = {url}\n"));
    let (key, secret) = ("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
    env.file(".aws/credentials", &format!("[shop]\naws_access_key_id = {key}\naws_secret_access_key = {secret}\n"));
    offers(&env, "show --profile shop ca", &["carts/carts"]);
    silent(&env, "show ca");
    for file in cached(&env) {
        let text = fs::read_to_string(&file).unwrap();
        assert!(!text.contains(key) && !text.contains(secret), "{text}");
    }
}

#[test]
fn each_costs_as_few_calls_as_it_can() {
    let env = world(&[]);
    for (line, offered, calls) in [
        ("show ca", "carts/carts", &["1 eks ListPodIdentityAssociations"][..]),
        ("list -c b", "blue", &["1 eks ListClusters"]),
        ("role show e", "eks-workshop-carts-dynamo", &["1 iam ListRoles"]),
        ("associate ca", "carts/", &["1 eks DescribeCluster", "1 kubernetes list namespaces"]),
        ("associate carts/c", "carts/carts", &["1 eks DescribeCluster", "1 kubernetes list serviceaccounts"]),
        (
            "recycle carts/carts --workload d",
            "deployment/carts",
            &[
                "1 eks DescribeCluster",
                "1 kubernetes list daemonsets",
                "1 kubernetes list deployments",
                "1 kubernetes list statefulsets",
            ],
        ),
        ("list --profile w", "workshop", &[]),
        ("list --context a", CONTEXT, &[]),
        ("list --region eu-no", "eu-north-1", &[]),
    ] {
        env.world.journal().clear();
        offers(&env, line, &[offered]);
        assert_eq!(tally(&env), calls, "{line}");
    }
    assert!(env.writes().is_empty());
}

#[test]
fn names_are_kept_for_a_minute() {
    let env = world(&[]);
    let lists = || env.world.journal().count("eks", "ListPodIdentityAssociations");
    offers(&env, "show ca", &["carts/carts"]);
    let before = lists();
    // The same names, for another command and other letters.
    offers(&env, "disassociate team-a", &["team-a/api"]);
    offers(&env, "list -n ", &["carts", "team-a", "team-b"]);
    assert_eq!(lists(), before);
    let [file] = &cached(&env)[..] else { panic!("{:?}", cached(&env)) };
    assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
    // Others are read anew.
    offers(&env, "show -c blue t", &["team-c/api"]);
    assert!(lists() > before);

    let before = lists();
    fs::write(file, "[{").unwrap();
    offers(&env, "show ca", &["carts/carts"]);
    assert!(lists() > before, "a broken file was believed");
    let before = lists();
    let past = SystemTime::now() - Duration::from_secs(61);
    fs::File::options().write(true).open(file).unwrap().set_modified(past).unwrap();
    offers(&env, "show ca", &["carts/carts"]);
    assert!(lists() > before, "an old file was believed");
}

/// Whatever decides the answer is part of what it is kept by.
#[test]
fn another_configuration_is_asked_anew() {
    let mut env = world(&[]);
    env.unset("PODID_CLUSTER");
    offers(&env, "show t", &["team-a/api", "team-b/api"]);
    let text = env.world.kubeconfig().replace("cluster/eks-workshop", "cluster/blue");
    env.file("kubeconfig", &text);
    offers(&env, "show t", &["team-c/api"]);
    let closed = "http://127.0.0.1:1";
    env.var("AWS_ENDPOINT_URL_EKS", closed);
    silent(&env, "show t");
}

#[test]
fn what_podid_changes_is_offered_at_once() {
    let env = world(&[]);
    offers(&env, "show ca", &["carts/carts"]);
    let _ = env.podid("disassociate carts/carts --no-wait --yes").ok();
    offers(&env, "show ca", &[]);
    assert!(names(&asked(&env, "show t").ok()).len() < 3);
}

#[test]
fn flags_and_commands_ask_nobody() {
    let env = world(&[]);
    let trap = env.home.path().join("trap");
    assert!(Command::new("mkfifo").arg(&trap).status().unwrap().success());
    for (line, wanted) in [
        ("sho", "show"),
        ("show --no-pod", "--no-pods"),
        ("show -", "-c"),
        ("agent in", "install"),
        ("list --output j", "json"),
        ("list --region eu-no", "eu-north-1"),
        ("wait carts/carts --for inj", "injected"),
        // Nothing more can be an argument here, so flags are offered.
        ("agent status ", "--watch"),
    ] {
        let mut command = ask(&env, line);
        for name in ["AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "KUBECONFIG"] {
            command.env(name, &trap);
        }
        let run = finish(command.spawn().unwrap()).ok();
        assert!(names(&run).contains(&wanted) && run.stderr.is_empty(), "{line}: {run}");
    }
    assert!(env.world.journal().calls().is_empty() && cached(&env).is_empty());
}

/// Who asks nothing is not answered, and podid is itself otherwise.
#[test]
fn the_variables_of_the_protocol() {
    let env = world(&[]);
    for off in ["", "0"] {
        let output = env.command(&["--version"]).env("PODID_COMPLETE", off).output().unwrap();
        assert!(String::from_utf8(output.stdout).unwrap().starts_with("podid "), "{off}");
    }
    let output = Command::new(PODID).env_clear().env("PODID_COMPLETE", "tcsh").output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && said.contains("unknown shell `tcsh`"), "{said}");
    // Words for a shell that is not known: there is nobody to talk to.
    let mut command = ask(&env, "show ca");
    let run = finish(command.env("PODID_COMPLETE", "tcsh").spawn().unwrap());
    assert_eq!((run.code, run.stdout.as_str(), run.stderr.as_str()), (0, "", ""));
    // An index beyond the words.
    let mut command = ask(&env, "show ca");
    let run = finish(command.env("PODID_COMPLETE", "zsh").env("_CLAP_COMPLETE_INDEX", "99").spawn().unwrap());
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
}
