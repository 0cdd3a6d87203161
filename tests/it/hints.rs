//! Every command that podid names, in a hint, a help text or a page, is one that its parser accepts; and messages keep
//! to their style.

use std::{collections::BTreeSet, fs, path::Path};

use clap::CommandFactory;
use podid::cli::Cli;

use crate::{
    architecture::source::{root, sources, texts},
    support::shell_words,
};

/// What stands for names in commands, and a name that could stand there.
const STANDS_FOR: &[(&str, &str)] = &[
    ("NS/SA", "carts/carts"),
    ("NAMESPACE/SERVICE_ACCOUNT", "carts/carts"),
    ("SHELL", "bash"),
    ("{command}", "verify"),
    ("TABLE[=ACCESS]", "carts=read"),
    ("FILE", "podid.yaml"),
    ("ACTION@RESOURCE", "s3:ListBucket@arn:aws:s3:::orders"),
    ("ARN", "arn:aws:iam::111122223333:policy/carts"),
];

/// Programs that hints may name.
const PROGRAMS: &[&str] = &["aws", "helm", "kubectl", "podid"];

/// A command, and where it is named.
type Named = (String, String);

/// What stands between backticks and begins with a program's name.
fn quoted(text: &str, from: &str, found: &mut BTreeSet<Named>) {
    for part in text.split('`').skip(1).step_by(2) {
        if PROGRAMS.iter().any(|program| part.starts_with(&format!("{program} "))) {
            found.insert((part.to_owned(), from.to_owned()));
        }
    }
}

fn markdown(page: &str) -> bool {
    Path::new(page).extension().is_some_and(|extension| extension == "md")
}

/// Lines of examples: indented in a help or man page, fenced in Markdown; `\` at the end of lines that go on.
fn examples(text: &str, from: &str, found: &mut BTreeSet<Named>) {
    let whole = text.replace("\\\n", " ");
    let mut fenced = false;
    for line in whole.lines() {
        fenced ^= line.starts_with("```");
        let shown = if markdown(from) { fenced } else { line.starts_with("  ") };
        let line = line.trim().trim_start_matches("$ ");
        if shown && line.starts_with("podid ") {
            let end = [" # ", " | ", " > ", " && "].iter().filter_map(|end| line.find(end)).min();
            found.insert((line[..end.unwrap_or(line.len())].trim().to_owned(), from.to_owned()));
        }
    }
}

/// The long help of a command and of all below it.
pub(crate) fn helps(command: &mut clap::Command, found: &mut Vec<(String, String)>) {
    found.push((command.get_name().to_owned(), command.render_long_help().to_string()));
    for below in command.get_subcommands_mut() {
        helps(below, found);
    }
}

/// Every page in the repository that tells users of commands.
fn pages() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for folder in [root(), root().join("man"), root().join(".github"), root().join("docs")] {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for path in entries.map(|entry| entry.unwrap().path()).filter(|path| page(path)) {
            let text = fs::read_to_string(&path).unwrap();
            // roff writes a hyphen as `\-` and shows it as `-`.
            found.push((path.file_name().unwrap().to_str().unwrap().to_owned(), text.replace("\\-", "-")));
        }
    }
    assert!(found.iter().any(|(name, _)| name == "CHANGELOG.md"), "no page was found");
    found
}

fn page(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "md" || extension == "1")
}

fn named() -> BTreeSet<Named> {
    let mut found = BTreeSet::new();
    let mut all = Vec::new();
    // Where an example is longer than a line of most terminals, it is the example that has to break it.
    helps(&mut Cli::command().term_width(80), &mut all);
    assert!(all.len() > 8, "{} helps", all.len());
    all.extend(pages());
    for (from, text) in &all {
        quoted(text, from, &mut found);
        examples(text, from, &mut found);
    }
    for source in sources("src").iter().filter(|source| !source.is_tests()) {
        for text in texts(&source.text) {
            quoted(&text, &source.path, &mut found);
        }
    }
    found
}

/// The words of a command, with names for what stands for names.
fn words(command: &str) -> Vec<String> {
    shell_words(command).iter().map(|word| filled(word)).collect()
}

/// A word with a name for what a format or a placeholder leaves open.
fn filled(word: &str) -> String {
    if let Some((_, name)) = STANDS_FOR.iter().find(|(placeholder, _)| *placeholder == word) {
        return (*name).to_owned();
    }
    if !word.contains('{') {
        return word.to_owned();
    }
    let inner = word.trim_start_matches('{').trim_end_matches('}');
    // What an argument of a format is for is told by its name.
    if ["subject", "how.subject", "want.subject", "self.subject", "near", ""].contains(&inner) {
        return "carts/carts".to_owned();
    }
    word.replace(['{', '}'], "")
}

/// The name of a command alone, as a text tells of it.
fn is_name(words: &[String]) -> bool {
    let root = Cli::command();
    let mut command = &root;
    words[1..].iter().all(|word| match command.find_subcommand(word) {
        Some(below) => {
            command = below;
            true
        }
        None => false,
    })
}

#[test]
fn every_named_command_parses() {
    let mut wrong = Vec::new();
    let mut parsed = BTreeSet::new();
    for (command, from) in named().iter().filter(|(command, _)| command.starts_with("podid ")) {
        // A page may tell of a command by its name and what it is about.
        let name = if markdown(from) { command.trim_end_matches(" NS/SA") } else { command };
        if is_name(&words(name)) {
            continue;
        }
        let words = words(command);
        match Cli::command().try_get_matches_from(&words) {
            Ok(_) => {
                parsed.insert(words[1].clone());
            }
            Err(error) if !error.use_stderr() => {}
            Err(error) => wrong.push(format!("{from}: `{command}`\n    {}", error.to_string().trim())),
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    for command in Cli::command().get_subcommands() {
        assert!(parsed.contains(command.get_name()), "no example of `{}`", command.get_name());
    }
}

/// What `podid explain` puts together from a text is a command too.
#[test]
fn every_command_that_explain_prints_parses() {
    let who = |arn: &str| format!("User: arn:aws:{arn} is not authorized to perform: ");
    let callers = [
        "sts::111122223333:assumed-role/carts/eks-c-carts-1",
        "sts::111122223333:assumed-role/nodes/i-0a1b",
        "iam::111122223333:user/ci",
        "sts::********3333:assumed-role/a***/eks-c-carts-1",
    ];
    let calls = [
        "dynamodb:Query on resource: arn:aws:dynamodb:us-west-2:111122223333:table/carts/index/byId",
        "dynamodb:Query on resource: arn:aws:dynamodb:us-west-2:********3333:table/carts",
        "dynamodb:PutItem on resource: arn:aws:dynamodb:us-west-2:111122223333:table/a?b",
        "dynamodb:Query",
        "dynamodb:ListTables",
        "dynamodb:ListTables on resource: *",
        "dynamodb:TransactGetItems on resource: carts",
        "secretsmanager:GetSecretValue on resource: prod/db",
        "secretsmanager:DeleteSecret on resource: prod/db",
        "iam:GetInstanceProfile on resource: instance profile shop_1",
        "iam:PassRole on resource: arn:aws:iam::111122223333:role/carts",
        "sts:AssumeRole on resource: arn:aws:iam::444455556666:role/target",
        "sts:TagSession on resource: arn:aws:sts::444455556666:assumed-role/target/x",
        "sts:AssumeRole on resource: arn:aws:iam::************:role/target",
        "s3:GetObject on resource: \"arn:aws:s3:::orders/a b'c\"",
        "s3:GetObject on resource: \"arn:aws:s3:::orders/$(id)\"",
        "ssm:GetParameter on resource: /carts/db",
        "eks-auth:AssumeRoleForPodIdentity on resource: arn:aws:eks:us-west-2:111122223333:cluster/c",
    ];
    let ends = ["", " with an explicit deny in a service control policy", " because no session policy allows it"];
    let refusals = callers.iter().flat_map(|caller| calls.iter().map(move |call| format!("{}{call}", who(caller))));
    let texts = refusals.flat_map(|text| ends.map(|end| format!("{text}{end}")));
    let texts = texts.chain(podid::model::message::rows().map(|row| row.example.to_owned()));
    let mut found = BTreeSet::new();
    for text in texts {
        for hint in podid::explain::told(&text).iter().flat_map(|told| &told.hints) {
            quoted(&podid::output::mask::credentials(hint), &text, &mut found);
        }
    }
    assert!(found.iter().any(|(command, _)| command.contains("--secret 'prod/db=read'")), "it is not masked");
    let mut parsed = 0;
    for (command, text) in found.iter().filter(|(command, _)| command.starts_with("podid ")) {
        let words = words(&command.replace("@RESOURCE", "@arn:aws:s3:::orders").replace("ACTION@", "s3:ListBucket@"));
        if let Err(error) = Cli::command().try_get_matches_from(&words) {
            panic!("{text}\n`{command}`\n{error}");
        }
        parsed += 1;
    }
    assert!(parsed > 20, "{parsed} commands");
}

#[test]
fn a_command_that_does_not_exist_is_found() {
    for wrong in ["podid frobnicate", "podid associate NS/SA", "podid list --no-such-flag", "podid show {x} {y}"] {
        assert!(Cli::command().try_get_matches_from(words(wrong)).is_err_and(|e| e.use_stderr()), "{wrong}");
    }
    let mut found = BTreeSet::new();
    quoted("see `podid frobnicate {x}` or `other`", "here", &mut found);
    examples("podid says\n```\n$ podid list -o \\\n  json # all\nnot podid\n```\npodid says\n", "here.md", &mut found);
    let commands: Vec<&str> = found.iter().map(|(command, _)| command.as_str()).collect();
    assert_eq!(commands, ["podid frobnicate {x}", "podid list -o    json"]);
}

#[test]
fn other_programs_are_called_as_they_can_be() {
    let known: &[(&str, &[&str])] = &[
        ("aws", &["accessanalyzer", "configure", "dynamodb", "eks", "iam", "kms", "service-quotas", "sso", "sts"]),
        (
            "kubectl",
            &[
                "-n",
                "annotate",
                "argo",
                "auth",
                "config",
                "create",
                "delete",
                "describe",
                "get",
                "logs",
                "oidc-login",
                "rollout",
                "scale",
                "set",
            ],
        ),
        ("helm", &["list"]),
    ];
    let mut seen = 0;
    for (command, from) in named().iter().filter(|(command, _)| !command.starts_with("podid ")) {
        let words = words(command);
        let (_, second) = known.iter().find(|(program, _)| *program == words[0]).unwrap();
        let is_known = words.get(1).is_some_and(|word| second.contains(&word.as_str()));
        assert!(is_known || markdown(from), "{from}: `{command}`");
        seen += 1;
    }
    assert!(seen > 10, "{seen} commands");
}

/// The texts that begin an error: `Failure::usage("…`, `Refusal::new(format!("…`.
fn messages() -> Vec<Named> {
    let begin = ["Failure::usage(", "Failure::failed(", "Refusal::new("];
    let mut found = Vec::new();
    for source in sources("src").iter().filter(|source| !source.is_tests()) {
        let code = source.text.split("#[cfg(test)]").next().unwrap();
        for start in begin.iter().flat_map(|begin| code.match_indices(begin).map(|(at, _)| at + begin.len())) {
            let rest = code[start..].trim_start();
            let rest = rest.strip_prefix("format!(").unwrap_or(rest).trim_start();
            if rest.starts_with('"') {
                found.extend(texts(rest).into_iter().next().map(|text| (text, source.path.clone())));
            }
        }
    }
    assert!(found.len() > 40, "{} messages", found.len());
    found
}

#[test]
fn errors_are_fragments() {
    let mut wrong = Vec::new();
    for (text, from) in messages() {
        let first = text.split([' ', ',', ':', '`', '\'']).find(|word| !word.is_empty()).unwrap_or_default();
        let name = first.starts_with('-') || first.starts_with('{') || text.starts_with('`');
        let acronym = first.chars().skip(1).any(char::is_uppercase) || first == "EKS";
        if first.starts_with(char::is_uppercase) && !name && !acronym {
            wrong.push(format!("{from}: begins with a capital: {text}"));
        }
        if text.ends_with('.') || text.ends_with('!') {
            wrong.push(format!("{from}: ends as a sentence: {text}"));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn backticks_come_in_pairs() {
    let mut wrong = Vec::new();
    for source in sources("src").iter().filter(|source| !source.is_tests()) {
        let code = source.text.split("#[cfg(test)]").next().unwrap();
        for text in texts(code) {
            // A piece that ends in one is looked for, or put together with others.
            if text.matches('`').count() % 2 == 1 && text.contains(' ') && !text.ends_with(" `") {
                wrong.push(format!("{}: {text}", source.path));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}
