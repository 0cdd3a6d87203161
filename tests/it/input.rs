//! Bad input: a message that names the argument, exit 2, and no call.

use crate::support::Env;

/// Asserts that a line is refused before any call.
fn refused(line: &str) -> String {
    let env = Env::new("carts-agent");
    let run = env.podid(line).code(2);
    assert!(env.world.journal().calls().is_empty(), "{line}: {:?}", env.operations());
    assert!(run.stdout.is_empty(), "{run}");
    run.steady()
}

#[test]
fn names() {
    insta::assert_snapshot!(refused("show Carts/carts"), @r"
    exit 2
    --- stderr
    error: invalid value 'Carts/carts' for '<NAMESPACE/SERVICE_ACCOUNT>': namespace `Carts` has upper-case letters; Kubernetes names are lower-case

    For more information, try '--help'.
    ");
    insta::assert_snapshot!(refused("show carts/carts/x"), @r"
    exit 2
    --- stderr
    error: invalid value 'carts/carts/x' for '<NAMESPACE/SERVICE_ACCOUNT>': `carts` is not a kind of pod or workload: pod, deployment, statefulset, daemonset, replicaset, job, cronjob, rollout

    For more information, try '--help'.
    ");
    insta::assert_snapshot!(refused("recycle carts/-carts"), @"
    exit 2
    --- stderr
    error: invalid value 'carts/-carts' for '[NAMESPACE/SERVICE_ACCOUNT]...': service account `-carts` must begin and end with a letter or digit

    For more information, try '--help'.
    ");
    insta::assert_snapshot!(refused("associate /carts --create-role"), @r"
    exit 2
    --- stderr
    error: invalid value '/carts' for '<NAMESPACE/SERVICE_ACCOUNT>': namespace `` is empty

    For more information, try '--help'.
    ");
    insta::assert_snapshot!(refused("list -n carts_x"), @r"
    exit 2
    --- stderr
    error: --namespace: namespace `carts_x` may have only lower-case letters, digits and `-`
    ");
    insta::assert_snapshot!(refused("associate carts/carts --role bad/name"), @r"
    exit 2
    --- stderr
    error: invalid value 'bad/name' for '--role <NAME|ARN>': role name `bad/name` has a `/`: pass only the name, or the role's ARN

    For more information, try '--help'.
    ");
}

#[test]
fn flags() {
    insta::assert_snapshot!(refused("list --timeout 0s"), @r"
    exit 2
    --- stderr
    error: invalid value '0s' for '--timeout <DURATION>': must be longer than zero

    For more information, try '--help'.
    ");
    insta::assert_snapshot!(refused("list --timeout soon"), @r"
    exit 2
    --- stderr
    error: invalid value 'soon' for '--timeout <DURATION>': expected number at 0; for example 90s, 5m or 1h

    For more information, try '--help'.
    ");
    insta::assert_snapshot!(refused("list -o xml"), @r"
    exit 2
    --- stderr
    error: invalid value 'xml' for '--output <FORMAT>'
      [possible values: table, wide, json, yaml, name]

      tip: a similar value exists: 'yaml'

    For more information, try '--help'.
    ");
    insta::assert_snapshot!(refused("list -q -v"), @"
    exit 2
    --- stderr
    error: the argument '--quiet' cannot be used with '--verbose...'

    Usage: podid list --quiet --cluster <CLUSTER> [NAMESPACE/SERVICE_ACCOUNT]...

    For more information, try '--help'.
    ");
    insta::assert_snapshot!(refused("associate carts/carts --create-role --exit-code"), @r"
    exit 2
    --- stderr
    error: the following required arguments were not provided:
      --dry-run

    Usage: podid associate --dry-run --exit-code --cluster <CLUSTER> <--role <NAME|ARN>|--create-role> <NAMESPACE/SERVICE_ACCOUNT>

    For more information, try '--help'.
    ");
    insta::assert_snapshot!(refused("associate carts/carts --create-role --no-wait --recycle"), @r"
    exit 2
    --- stderr
    error: the argument '--no-wait' cannot be used with '--recycle'

    Usage: podid associate --no-wait --cluster <CLUSTER> <--role <NAME|ARN>|--create-role> <NAMESPACE/SERVICE_ACCOUNT>

    For more information, try '--help'.
    ");
    insta::assert_snapshot!(refused("associate carts/carts --role r --path /x/"), @r"
    exit 2
    --- stderr
    error: the following required arguments were not provided:
      --create-role

    Usage: podid associate --path <PATH> --cluster <CLUSTER> <--role <NAME|ARN>|--create-role> <NAMESPACE/SERVICE_ACCOUNT>

    For more information, try '--help'.
    ");
    insta::assert_snapshot!(refused("associate carts/carts --role r --scope pod"), @r"
    exit 2
    --- stderr
    error: invalid value 'pod' for '--scope <SCOPE>'
      [possible values: service-account, namespace, cluster, none]

    For more information, try '--help'.
    ");
    insta::assert_snapshot!(refused("lst"), @r"
    exit 2
    --- stderr
    error: unrecognized subcommand 'lst'

      tip: some similar subcommands exist: 'ls', 'list'

    Usage: podid [OPTIONS] <COMMAND>

    For more information, try '--help'.
    ");
    insta::assert_snapshot!(refused("list --clustr x -o json"), @r#"
    exit 2
    --- stderr
    {"error":{"code":"usage","message":"unexpected argument '--clustr' found","requestId":null,"hints":["see `podid --help`"]}}
    "#);
}
