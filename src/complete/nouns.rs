//! Which arguments take which names, and the names that fit what is typed.

use std::{ffi::OsStr, sync::Arc, time::Instant};

use clap::{Arg, Command};
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};
use serde::{Deserialize, Serialize};

use super::{cache::Name, line::Line, reader, typed::Typed};
use crate::{
    commands::outputs,
    model::{
        add_on_policy::{ADD_ONS, AddOnPolicy},
        glob::{Glob, Pattern},
        policy::known_actions,
        regions,
        subject::ObjectKind,
    },
};

/// Names that have to be read, somewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Noun {
    /// Clusters of the region.
    Clusters,
    /// Service accounts of the cluster that have an association.
    Associations,
    /// Namespaces in Kubernetes.
    Namespaces,
    /// Service accounts of a namespace in Kubernetes.
    ServiceAccounts(String),
    /// Roles of the account; those that do not trust Pod Identity aside.
    Roles,
    /// Workloads of the service accounts that one of these patterns stands for; of all, without any.
    Workloads(Vec<String>),
    /// Objects of a kind in a namespace.
    Objects(String, String),
    /// EKS add-ons that are installed in the cluster.
    EksAddOns,
    /// Profiles of the AWS configuration.
    Profiles,
    /// Contexts of the kubeconfig.
    Contexts,
}

/// What an argument takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ValueKind {
    Action,
    AddOn,
    Association,
    AssociatedNamespace,
    Cluster,
    Context,
    EksAddOn,
    Documented,
    Namespace,
    Profile,
    Region,
    Role,
    ServiceAccount,
    Subject,
    Workload,
}

impl ValueKind {
    /// Told by the name that the help gives the value: every command uses the same words.
    fn of(command: &str, arg: &Arg) -> Option<Self> {
        let value = arg.get_value_names()?.first()?.as_str();
        Some(match (value, command) {
            ("CLUSTER", _) => Self::Cluster,
            ("REGION", _) => Self::Region,
            ("PROFILE", _) => Self::Profile,
            ("CONTEXT", _) => Self::Context,
            // These come before the association.
            (
                "NAMESPACE/SERVICE_ACCOUNT",
                "associate" | "copy" | "role create" | "role trust" | "migrate plan" | "migrate run"
                | "migrate rollback" | "migrate finish",
            ) => Self::ServiceAccount,
            ("NAMESPACE/SERVICE_ACCOUNT", "credentials" | "exec" | "show" | "verify" | "wait" | "recycle") => {
                Self::Subject
            }
            ("NAMESPACE/SERVICE_ACCOUNT", _) => Self::Association,
            (
                "NAMESPACE",
                "credentials" | "exec" | "list" | "verify" | "show" | "wait" | "recycle" | "disassociate" | "export"
                | "map",
            ) => Self::AssociatedNamespace,
            ("NAMESPACE", _) => Self::Namespace,
            ("ROLE" | "NAME|ARN", _) => Self::Role,
            ("ACTION", _) => Self::Action,
            ("EKS_ADD_ON", _) => Self::EksAddOn,
            ("ADD_ON" | "NAME[=ARGUMENT]", _) => Self::AddOn,
            ("COMMAND", "schema") => Self::Documented,
            ("KIND/NAME", _) => Self::Workload,
            _ => return None,
        })
    }
}

/// Lets the arguments of a built command answer with names. Where a name or a command can be typed and nothing is yet, flags
/// stand back.
pub(super) fn attach(root: &mut Command, line: &Line, until: Instant) {
    let typed = Arc::new(Typed::read(root, line.before()));
    let bare = line.current().is_empty();
    each(root, "", &mut |path, arg| {
        let arg = if bare && !arg.is_positional() { arg.hide(true) } else { arg };
        let Some(takes) = ValueKind::of(path, &arg) else { return arg };
        let typed = Arc::clone(&typed);
        arg.add(ArgValueCompleter::new(move |current: &OsStr| {
            // A flag that is being typed is tried as an argument too.
            let current = current.to_str().filter(|current| !current.starts_with('-'));
            current.map_or_else(Vec::new, |current| candidates(takes, &typed, current, until))
        }))
    });
}

/// Changes every argument of every command; `path` is the command's, without `podid`.
fn each(command: &mut Command, path: &str, change: &mut impl FnMut(&str, Arg) -> Arg) {
    *command = std::mem::take(command).mut_args(|arg| change(path, arg));
    for below in command.get_subcommands_mut() {
        let path = format!("{path} {}", below.get_name()).trim().to_owned();
        each(below, &path, change);
    }
}

fn candidates(takes: ValueKind, typed: &Typed, current: &str, until: Instant) -> Vec<CompletionCandidate> {
    let read = |noun: Noun| reader::names(&noun, typed, until);
    let mut names = match takes {
        ValueKind::Action => actions(current),
        ValueKind::AddOn => add_ons(),
        ValueKind::EksAddOn => without(read(Noun::EksAddOns), typed.arguments.iter().map(String::as_str)),
        ValueKind::Documented => documented(&typed.arguments),
        ValueKind::Region => regions(typed),
        ValueKind::Cluster => without(read(Noun::Clusters), typed.values("cluster")),
        ValueKind::Profile => read(Noun::Profiles),
        ValueKind::Context => read(Noun::Contexts),
        ValueKind::Role => read(Noun::Roles),
        ValueKind::Workload => without(read(Noun::Workloads(typed.arguments.clone())), typed.values("workload")),
        ValueKind::Namespace => without(read(Noun::Namespaces), typed.values("namespace")),
        ValueKind::AssociatedNamespace => namespaces(&read(Noun::Associations)),
        ValueKind::Association => {
            let names = without(read(Noun::Associations), typed.arguments.iter().map(String::as_str));
            within(names, typed.flag("namespace"))
        }
        ValueKind::Subject => match objects(current, typed.flag("namespace")) {
            Some((before, noun)) => prefixed(read(noun), &before, ""),
            None => return candidates(ValueKind::Association, typed, current, until),
        },
        ValueKind::ServiceAccount => match current.split_once('/') {
            Some((namespace, _)) => {
                prefixed(read(Noun::ServiceAccounts(namespace.to_owned())), &format!("{namespace}/"), "")
            }
            None => prefixed(read(Noun::Namespaces), "", "/"),
        },
    };
    names.retain(|name| name.text.starts_with(current));
    names.into_iter().map(|name| CompletionCandidate::new(name.text).hide(name.aside)).collect()
}

/// What is typed of `KIND/NAME` or `NS/KIND/NAME` up to the name, and the objects that it may go on with.
fn objects(current: &str, namespace: Option<&str>) -> Option<(String, Noun)> {
    let (before, _) = current.rsplit_once('/')?;
    let (namespace, kind) = match before.split_once('/') {
        Some((namespace, kind)) => (namespace, kind),
        None => (namespace?, before),
    };
    let kind = ObjectKind::named(kind)?.word().to_owned();
    Some((format!("{before}/"), Noun::Objects(namespace.to_owned(), kind)))
}

/// Those that are not typed yet.
fn without<'a>(mut names: Vec<Name>, typed: impl Iterator<Item = &'a str>) -> Vec<Name> {
    let typed: Vec<&str> = typed.collect();
    names.retain(|name| !typed.contains(&name.text.as_str()));
    names
}

/// Those of a namespace that is named or a pattern; what is neither lets all pass.
fn within(mut names: Vec<Name>, namespace: Option<&str>) -> Vec<Name> {
    if let Some(Ok(glob)) = namespace.map(Glob::namespace) {
        names.retain(|name| name.text.split_once('/').is_some_and(|(namespace, _)| glob.matches(namespace)));
    }
    names
}

fn namespaces(associations: &[Name]) -> Vec<Name> {
    let mut all: Vec<&str> = associations.iter().filter_map(|name| Some(name.text.split_once('/')?.0)).collect();
    all.sort_unstable();
    all.dedup();
    all.into_iter().filter_map(Name::new).collect()
}

fn prefixed(names: Vec<Name>, before: &str, after: &str) -> Vec<Name> {
    names.into_iter().map(|name| Name { text: format!("{before}{}{after}", name.text), ..name }).collect()
}

/// The actions that are known; their services first.
fn actions(current: &str) -> Vec<Name> {
    let all = known_actions();
    let named = |action: &String| current.contains(':').then(|| action.clone());
    let service = |action: &String| action.split_once(':').map(|(service, _)| format!("{service}:"));
    let mut texts: Vec<String> = all.iter().filter_map(|action| named(action).or_else(|| service(action))).collect();
    texts.dedup();
    texts.into_iter().filter_map(Name::new).collect()
}

/// Every add-on, up to its argument.
fn add_ons() -> Vec<Name> {
    let text =
        |policy: &AddOnPolicy| policy.argument.map_or_else(|| policy.name.to_owned(), |_| format!("{}=", policy.name));
    ADD_ONS.iter().filter_map(|policy| Name::new(text(policy))).collect()
}

/// The commands with a schema, word by word.
fn documented(typed: &[String]) -> Vec<Name> {
    let mut before = typed.join(" ");
    if !before.is_empty() {
        before.push(' ');
    }
    let next = |command: &'static str| command.strip_prefix(before.as_str())?.split(' ').next();
    let mut words: Vec<&str> = outputs::commands().filter_map(next).collect();
    words.dedup();
    words.into_iter().filter_map(Name::new).collect()
}

/// Every region; those of other partitions than the one at hand aside.
fn regions(typed: &Typed) -> Vec<Name> {
    let at_hand = typed.flag("cluster").and_then(|cluster| cluster.split(':').nth(3)).map(str::to_owned);
    let configured = ["AWS_REGION", "AWS_DEFAULT_REGION"].iter().find_map(|name| std::env::var(name).ok());
    let here = regions::beside(&at_hand.or(configured).unwrap_or_default());
    let aside = |region: &regions::Region| !here.contains(region);
    regions::all().iter().filter_map(|region| Some(Name { aside: aside(region), ..Name::new(region.name)? })).collect()
}

/// The patterns among what is typed.
pub(super) fn patterns(typed: &[String]) -> Vec<Pattern> {
    typed.iter().filter_map(|text| text.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use clap::CommandFactory;

    use super::*;
    use crate::{cli::Cli, model::grant::SERVICES};

    fn names(texts: &[&str]) -> Vec<Name> {
        texts.iter().filter_map(|text| Name::new(*text)).collect()
    }

    /// Values that are free text, or that clap completes itself: files, and what has a list of possible values.
    const OTHERS: &[&str] = &[
        "ACTION@RESOURCE",
        "ACCESS",
        "ARN",
        "CHECK",
        "COMMAND",
        "CONDITION",
        "DAYS",
        "DURATION",
        "FILE",
        "FORMAT",
        "GROUP",
        "INDEX",
        "JSON|@FILE",
        "KEY=VALUE",
        "LINES",
        "PATH",
        "MODE",
        "N",
        "ID",
        "NAME",
        "PATH",
        "PATTERN",
        "RESOURCE",
        "SCOPE",
        "SERVICE_ACCOUNT",
        "SHELL",
        "TABLE[=ACCESS]",
        "TAG",
        "TEXT",
        "VERSION",
        "WHEN",
    ];

    /// A new argument is to be looked at: does it take a name that podid can read?
    #[test]
    fn every_argument_is_known() {
        let mut root = Cli::command();
        root.build();
        let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
        each(&mut root, "", &mut |path, arg| {
            let value = arg.get_value_names().and_then(|names| names.first()).map(ToString::to_string);
            match (ValueKind::of(path, &arg), value) {
                (Some(takes), _) => {
                    let at = format!("{path} {}", arg.get_id()).trim().to_owned();
                    found.entry(format!("{takes:?}")).or_default().push(at);
                }
                (None, Some(value)) if SERVICES.iter().any(|service| service.value == value) => {}
                (None, Some(value)) if arg.get_action().takes_values() && !path.starts_with("help") => {
                    assert!(OTHERS.contains(&value.as_str()), "{path} {}: {value} takes what?", arg.get_id());
                }
                _ => {}
            }
            arg
        });
        let of = |takes: &str| {
            let mut all: Vec<&str> = found[takes].iter().map(String::as_str).collect();
            all.sort_unstable();
            all
        };
        for (takes, wanted) in [
            ("Association", "access subject, disassociate subjects, export subjects, list subjects, map subjects"),
            ("Action", "who-can action"),
            ("Documented", "schema command"),
            (
                "Subject",
                "credentials subject, exec subject, recycle subjects, show subject, verify subjects, wait subject",
            ),
            (
                "ServiceAccount",
                "associate subject, copy subjects, migrate finish subjects, migrate plan subjects, migrate rollback subjects, migrate run subjects, role create service_account, role trust service_account",
            ),
            (
                "Role",
                "addon associate role, associate role, iam-policy role, list role, map role, policy attach role, policy detach role, role delete role, role show role, role trust role",
            ),
            (
                "AssociatedNamespace",
                "credentials namespace, disassociate namespace, exec namespace, export namespace, list namespace, map namespace, recycle namespace, show namespace, verify namespace, wait namespace",
            ),
            (
                "Namespace",
                "apply namespace, associate namespace, copy namespace, iam-policy namespace, migrate finish namespace, migrate plan namespace, migrate rollback namespace, migrate run namespace",
            ),
            ("EksAddOn", "addon associate name, addon disassociate name, addon show name"),
            ("Workload", "recycle workload"),
        ] {
            assert_eq!(of(takes).join(", "), wanted, "{takes}");
        }
        assert!(["copy from", "copy to", "diff against"].iter().all(|it| of("Cluster").contains(it)), "{found:?}");
        for global in ["Cluster", "Region", "Profile", "Context"] {
            assert!(of(global).contains(&global.to_lowercase().as_str()), "{found:?}");
            assert!(of(global).contains(&format!("role trust {}", global.to_lowercase()).as_str()), "{found:?}");
        }
    }

    #[test]
    fn what_is_typed_narrows() {
        let all = || names(&["a/one", "a/two", "b/one"]);
        assert_eq!(without(all(), ["a/two", "x/y"].into_iter()), names(&["a/one", "b/one"]));
        assert_eq!(within(all(), Some("b")), names(&["b/one"]));
        assert_eq!(within(all(), Some("?")), all());
        assert_eq!(within(all(), Some("NO NAME")), all());
        assert_eq!(within(all(), None), all());
        assert_eq!(namespaces(&all()), names(&["a", "b"]));
        assert_eq!(prefixed(names(&["one"]), "a/", ""), names(&["a/one"]));
    }

    #[test]
    fn commands_come_word_by_word() {
        let of = |typed: &[&str]| documented(&typed.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert!(of(&[]).contains(&names(&["role"])[0]), "{:?}", of(&[]));
        assert_eq!(of(&["role"]), names(&["list", "show", "trust"]));
        assert_eq!(of(&["list"]), names(&[]));
    }

    #[test]
    fn objects_by_kind_and_namespace() {
        let noun = |kind: &str| Noun::Objects("carts".to_owned(), kind.to_owned());
        for (current, namespace, expected) in [
            ("deploy/", Some("carts"), Some(("deploy/", noun("deployment")))),
            ("pod/ca", Some("carts"), Some(("pod/", noun("pod")))),
            ("carts/cj/x", None, Some(("carts/cj/", noun("cronjob")))),
            ("deploy/", None, None),
            ("carts/", Some("carts"), None),
            ("pod", Some("carts"), None),
            ("carts/secret/", None, None),
        ] {
            let expected = expected.map(|(before, noun)| (before.to_owned(), noun));
            assert_eq!(objects(current, namespace), expected, "{current}");
        }
    }

    #[test]
    fn regions_of_the_clusters_partition_come_first() {
        let mut root = Cli::command();
        root.build();
        let words = ["list", "--cluster", "arn:aws-cn:eks:cn-north-1:999900001111:cluster/big"].map(str::to_owned);
        let first: Vec<String> =
            regions(&Typed::read(&root, &words)).into_iter().filter(|name| !name.aside).map(|name| name.text).collect();
        assert_eq!(first, ["cn-north-1", "cn-northwest-1"]);
    }

    #[test]
    fn what_is_no_pattern_is_passed_over() {
        assert_eq!(patterns(&["carts/carts".into(), "team-*/*".into(), "carts".into()]).len(), 2);
    }
}
