//! What holds at every terminal: no line of data is cut, no color carries meaning alone, nothing is asked twice.

use crate::support::Env;

#[test]
fn completions() {
    let env = Env::new("carts-before");
    for shell in ["bash", "zsh", "fish"] {
        let run = env.podid(&format!("completions {shell}")).ok();
        assert!(run.stdout.contains("podid") && run.stderr.is_empty(), "{run}");
    }
    insta::assert_snapshot!(env.podid("completions tcsh").code(2).steady(), @r"
    exit 2
    --- stderr
    error: invalid value 'tcsh' for '<SHELL>'
      [possible values: bash, zsh, fish, powershell, elvish]

      tip: a similar value exists: 'zsh'

    For more information, try '--help'.
    ");
    assert!(env.world.journal().calls().is_empty());
}

#[test]
fn colors_are_off_where_they_are_not_wanted() {
    let env = Env::new("carts-associated");
    assert!(!env.podid("show carts/carts").ok().stdout.contains('\u{1b}'));
    assert!(env.podid("list -c nowhere --color always").code(1).stderr.contains('\u{1b}'));
    assert!(!env.podid("list -c nowhere").code(1).stderr.contains('\u{1b}'));
}

/// What podid paints is painted, and not taken for foreign text, which is escaped.
#[test]
fn colors_are_never_printed_as_their_codes() {
    for world in ["carts-verified", "carts-before"] {
        let env = Env::new(world);
        let file = env.file("podid.yaml", crate::file::CARTS);
        let diff = format!("diff -f {file}");
        for line in [
            "list",
            "show carts/carts",
            "verify carts/carts",
            "verify carts/carts -v",
            "verify --all",
            "role list",
            "role trust eks-workshop-carts-dynamo",
            "agent status",
            "associate carts/carts --create-role --allow-missing-agent --dry-run -v",
            &diff,
        ] {
            let run = env.podid(&format!("{line} --color always"));
            let all = format!("{}{}", run.stdout, run.stderr);
            assert!(!all.contains("\\u{1b}"), "{world}: {line}: {run}");
            if line.starts_with("verify") {
                assert!(all.contains("\u{1b}["), "{world}: {line}: {run}");
            }
        }
    }
}

/// Identifiers are copied from the screen: they may run over its edge, but are never broken or cut.
#[test]
fn ids_are_whole_at_any_width() {
    let env = Env::new("carts-associated");
    let role = "arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo";
    for width in [40, 80, 200] {
        let run = env.tty(width, &["show", "carts/carts"], "").ok();
        assert!(run.stdout.contains(role), "{width}: {run}");
        let run = env.tty(width, &["list", "-o", "wide"], "").ok();
        assert!(run.stdout.contains(role), "{width}: {run}");
    }
}

#[test]
fn ci_is_not_asked() {
    let mut env = Env::new("carts-agent");
    let kubeconfig = env.kubeconfig();
    env.var("KUBECONFIG", &kubeconfig).var("CI", "true").unset("PODID_CLUSTER");
    let line = ["associate", "carts/carts", "--create-role"];
    let _ = env.tty(80, &line, "y\n").code(2).says("no terminal to ask on");
    assert!(env.writes().is_empty());
}

/// `-v` tells each call with its status and time, on stderr alone.
#[test]
fn calls_are_told() {
    let env = Env::new("carts-verified");
    let plain = env.podid("show carts/carts").ok();
    let run = env.podid("show carts/carts -v").ok();
    assert_eq!(run.stdout, plain.stdout);
    let line = |begins: &str| {
        run.stderr
            .lines()
            .find(|line| line.starts_with(begins))
            .unwrap_or_else(|| panic!("no {begins}: {}", run.stderr))
    };
    let request = line("EKS DescribePodIdentityAssociation: 200 in ");
    assert!(request.contains(" ms (request ID "), "{request}");
    line("IAM GetRole: 200 in ");
    line("Kubernetes GET /api/v1/namespaces/carts/pods: 200 in ");
    assert_eq!(plain.stderr, "");
}
