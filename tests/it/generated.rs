//! man/, completions/, schema/ and docs/ are what the code says. `PODID_BLESS=1` rewrites them.

mod docs;
pub(crate) mod outputs;
mod text;
mod troubleshooting;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use clap::{CommandFactory, ValueEnum};
use clap_mangen::{
    Man,
    roff::{Roff, bold, roman},
};
use podid::{
    checks::modes::{Coverage, MODES},
    cli::{Cli, EXIT_CODES},
    commands::completions::{Shell, VARIABLE},
};
use serde_json::Value;

use super::support::{Env, PODID};

const BLESS: &str = "PODID_BLESS=1 cargo test --test it";

pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Compares a file with what it should hold, or rewrites it.
#[track_caller]
pub(crate) fn holds(path: &Path, wanted: &str) {
    if std::env::var_os("PODID_BLESS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, wanted).unwrap();
        return;
    }
    let held = fs::read_to_string(path).unwrap_or_default();
    let differ = held.lines().zip(wanted.lines()).find(|(held, wanted)| held != wanted);
    assert!(held == wanted, "{} is not what the code says: {differ:#?}; run: {BLESS}", path.display());
}

#[test]
fn schema() {
    let text = serde_json::to_string_pretty(&podid::model::manifest::json_schema()).unwrap() + "\n";
    holds(&root().join("schema/podid.v1.json"), &text);
    // The command prints the same.
    assert_eq!(Env::new("carts-before").podid("schema").ok().stdout, text);
}

/// Every command, the root first, as clap builds it.
fn commands() -> Vec<clap::Command> {
    fn walk(command: &clap::Command, all: &mut Vec<clap::Command>) {
        all.push(command.clone());
        command.get_subcommands().filter(|sub| !sub.is_hide_set()).for_each(|sub| walk(sub, all));
    }
    let mut root = Cli::command().disable_help_subcommand(true);
    root.build();
    let mut all = Vec::new();
    walk(&root, &mut all);
    all
}

/// `podid agent install`.
fn path(command: &clap::Command) -> &str {
    command.get_bin_name().unwrap_or(command.get_name())
}

/// `podid-agent-install`.
fn page(command: &clap::Command) -> String {
    path(command).replace(' ', "-")
}

fn section(roff: &mut Roff, title: &str) {
    roff.control("SH", [title]);
}

fn definitions(roff: &mut Roff, rows: &[(&str, &str)]) {
    for (term, meaning) in rows {
        roff.control("TP", []);
        roff.text([bold(*term)]);
        roff.text([roman(*meaning)]);
    }
}

/// One man page.
fn man(command: &clap::Command) -> String {
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ").to_owned();
    let version = Cli::command().get_version().unwrap_or_default().to_owned();
    let name = page(command);
    let man = Man::new(command.clone().override_usage(usage))
        .title(name.to_uppercase())
        .source(format!("podid {version}"))
        .manual("podid manual");
    let mut text = Vec::new();
    man.render_title(&mut text).unwrap();
    man.render_name_section(&mut text).unwrap();
    man.render_synopsis_section(&mut text).unwrap();
    man.render_description_section(&mut text).unwrap();
    if command.has_subcommands() {
        let mut commands = Vec::new();
        man.render_subcommands_section(&mut commands).unwrap();
        text.extend(String::from_utf8(commands).unwrap().replace("SUBCOMMANDS", "COMMANDS").into_bytes());
    }
    let mut options = Vec::new();
    man.render_options_section(&mut options).unwrap();
    // Help headings are parts of OPTIONS.
    for line in String::from_utf8(options).unwrap().lines() {
        let heading = line.strip_prefix(".SH ").filter(|heading| *heading != "OPTIONS");
        let line = heading.map_or(line.to_owned(), |heading| format!(".SS {}", capitalised(heading)));
        text.extend(format!("{line}\n").into_bytes());
    }
    let mut roff = Roff::default();
    output(&mut roff, command);
    if path(command) == "podid verify" {
        checks(&mut roff);
    }
    if path(command) == "podid apply" {
        file(&mut roff);
    }
    section(&mut roff, "EXIT STATUS");
    definitions(&mut roff, EXIT_CODES);
    section(&mut roff, "ENVIRONMENT");
    definitions(&mut roff, text::ENVIRONMENT);
    examples(&mut roff, command);
    section(&mut roff, "SEE ALSO");
    roff.text([roman(see_also(&name).join(", "))]);
    roff.to_writer(&mut text).unwrap();
    tidy(&String::from_utf8(text).unwrap())
}

/// One preamble instead of one per part, and an empty date where the macro expects a date.
fn tidy(page: &str) -> String {
    const PREAMBLE: &str = ".ie \\n(.g .ds Aq \\(aq\n.el .ds Aq '\n";
    let page = format!("{PREAMBLE}{}", page.replace(PREAMBLE, ""));
    let page = page.replacen(" 1  \"podid ", " 1 \"\" \"podid ", 1);
    // groff reads a page as Latin-1 unless told otherwise.
    page.chars().map(|c| if c.is_ascii() { c.to_string() } else { format!("\\[u{:04X}]", u32::from(c)) }).collect()
}

/// A page's words, without roff's escapes.
fn plain(page: &str) -> String {
    ["\\fB", "\\fI", "\\fR"].iter().fold(page.to_owned(), |text, font| text.replace(font, " ")).replace('\\', "")
}

/// `"GLOBAL OPTIONS"` becomes `"Global options"`.
fn capitalised(heading: &str) -> String {
    let lower = heading.to_lowercase();
    let at = lower.find(char::is_alphabetic).unwrap_or(0);
    format!("{}{}{}", &lower[..at], lower[at..=at].to_uppercase(), &lower[at + 1..])
}

fn output(roff: &mut Roff, command: &clap::Command) {
    let name = path(command).trim_start_matches("podid ");
    let schema = podid::commands::outputs::schema(name);
    let written = text::output(path(command));
    assert!(schema.is_none() || written.is_none(), "{name}: its schema describes its output");
    if schema.is_none() && written.is_none() {
        return;
    }
    section(roff, "OUTPUT");
    for form in text::FORMS {
        roff.text([roman(*form)]);
        roff.control("PP", []);
    }
    if let Some(schema) = schema {
        roff.text([roman(outputs::intro(name, &schema))]);
        let rows = outputs::rows(&schema);
        definitions(roff, &rows.iter().map(|(path, about)| (path.as_str(), about.as_str())).collect::<Vec<_>>());
    }
    if let Some(output) = written {
        roff.text([roman(output.intro)]);
        output.fields.iter().for_each(|rows| definitions(roff, rows));
    }
}

/// The keys of the file, from its schema.
fn file(roff: &mut Roff) {
    section(roff, "FILE");
    roff.text([roman(text::FILE)]);
    let schema = podid::model::manifest::json_schema();
    let definitions_of = |what: &Value| {
        let properties = what["properties"].as_object().into_iter().flatten();
        let keys = properties
            .map(|(key, value)| (key.clone(), value["description"].as_str().unwrap_or_default().replace('\n', " ")));
        keys.collect::<Vec<_>>()
    };
    let parts = [
        ("", schema.clone()),
        ("metadata.", schema["$defs"]["Metadata"].clone()),
        ("defaults.", schema["$defs"]["Defaults"].clone()),
        ("agent.", schema["$defs"]["Agent"].clone()),
        ("roles[].", schema["$defs"]["Role"].clone()),
        ("roles[].policies.", schema["$defs"]["Policies"].clone()),
        ("roles[].policies.dynamodb[].", schema["$defs"]["Table"].clone()),
        ("roles[].policies.inline[].", schema["$defs"]["Inline"].clone()),
        ("associations[].", schema["$defs"]["Association"].clone()),
    ];
    for (prefix, part) in parts {
        let keys = definitions_of(&part);
        assert!(!keys.is_empty(), "{prefix}: {part}");
        for (key, about) in keys.iter().filter(|(_, about)| !about.is_empty()) {
            definitions(roff, &[(&format!("{prefix}{key}"), about)]);
        }
    }
}

/// Every check with what lies behind it, and what none can see.
fn checks(roff: &mut Roff) {
    section(roff, "CHECKS");
    for check in podid::checks::all() {
        definitions(roff, &[(check.id, &format!("{}. {}", capital(check.title), check.background))]);
    }
    section(roff, "WHAT NO CHECK SEES");
    for mode in MODES {
        if let Coverage::Unseen { look: what } | Coverage::AtCreation { told: what } = mode.coverage {
            definitions(roff, &[(&capital(mode.title), what)]);
        }
    }
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn examples(roff: &mut Roff, command: &clap::Command) {
    let Some(help) = command.get_after_long_help() else { return };
    section(roff, "EXAMPLES");
    roff.control("nf", []);
    // What follows a blank line has a section of its own.
    for line in help.to_string().lines().skip_while(|line| *line != "Examples:").skip(1).take_while(|l| !l.is_empty()) {
        roff.text([roman(line.strip_prefix("  ").unwrap_or(line))]);
    }
    roff.control("fi", []);
}

/// The page above, the pages below, and those of others.
fn see_also(name: &str) -> Vec<String> {
    let pages: Vec<String> = commands().iter().map(page).collect();
    let beside = pages.iter().filter(|other| {
        let (short, long) = if name.len() < other.len() { (name, other.as_str()) } else { (other.as_str(), name) };
        short != long && long.strip_prefix(short).is_some_and(|rest| rest.starts_with('-'))
    });
    beside.map(|other| format!("{other}(1)")).chain(text::SEE_ALSO.iter().map(|&other| other.to_owned())).collect()
}

#[test]
fn man_pages_are_current() {
    let dir = root().join("man");
    let commands = commands();
    for command in &commands {
        holds(&dir.join(format!("{}.1", page(command))), &man(command));
    }
    let wanted: BTreeSet<String> = commands.iter().map(|command| format!("{}.1", page(command))).collect();
    let held: BTreeSet<String> =
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(held, wanted, "pages in man/ without a command, or the other way round");
}

#[test]
fn man_pages_have_every_section() {
    for command in commands() {
        let (page, text) = (page(&command), man(&command));
        let leaf = !command.has_subcommands();
        for section in ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXIT STATUS", "ENVIRONMENT", "SEE ALSO"] {
            let title = if section.contains(' ') { format!(".SH \"{section}\"") } else { format!(".SH {section}") };
            assert_eq!(text.lines().filter(|line| *line == title).count(), 1, "{section} in {page}");
        }
        assert!(!leaf || text.contains(".SH EXAMPLES"), "{page} has no examples");
        assert!(leaf || text.contains(".SH COMMANDS"), "{page} has no commands");
        assert!(!text.contains(".SH EXTRA") && !text.contains("Examples:"), "{page}");
    }
}

/// Field names in an answer, but not the keys of maps that others fill.
fn fields(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                found.insert(key.clone());
                if !(matches!(key.as_str(), "tags" | "selector") || key == "trust" && value.get("Statement").is_some())
                {
                    fields(value, found);
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|value| fields(value, found)),
        _ => {}
    }
}

#[test]
fn man_pages_explain_every_field() {
    let (before, irsa) = (Env::new("carts-before"), Env::new("carts-irsa"));
    let blue = Env::with("carts-verified", &crate::copy::blue());
    let addons = Env::new("carts-addons");
    for line in [
        "addon associate vpc-cni --create-role --yes",
        "addon list",
        "addon show vpc-cni",
        "addon disassociate vpc-cni --yes",
        "migrate plan --all",
        "agent install --dry-run",
        "agent install",
        "agent status",
        "associate carts/carts --create-role --dynamodb eks-workshop-carts --recycle",
        "list",
        "who-can dynamodb:Query eks-workshop-carts",
        "access carts/carts",
        "audit",
        "map",
        "show carts/carts",
        "recycle carts/carts",
        "disassociate carts/carts --yes",
        "apply -f examples/carts.yaml",
        "copy --from blue --dry-run",
    ] {
        let env = match line.split(' ').next() {
            Some("migrate") => &irsa,
            Some("copy") => &blue,
            Some("addon") => &addons,
            _ => &before,
        };
        let json = env.podid(&format!("{line} -o json")).ok().json();
        let command = commands()
            .into_iter()
            .filter(|command| format!("podid {line}").starts_with(path(command)))
            .max_by_key(|command| path(command).len())
            .unwrap();
        let mut explained = plain(&man(&command));
        // What a page holds by reference.
        for (page, other) in [("podid list", "podid-list(1)"), ("podid agent status", "podid-agent-status(1)")] {
            if explained.contains(&format!("{other} explains")) || explained.contains(&format!("{other} prints")) {
                explained.push_str(&plain(&man(commands().iter().find(|c| path(c) == page).unwrap())));
            }
        }
        let words: BTreeSet<&str> = explained.split(|c: char| !c.is_ascii_alphanumeric()).collect();
        let mut found = BTreeSet::new();
        fields(&json, &mut found);
        for field in found {
            assert!(words.contains(field.as_str()), "`{field}` of `podid {line} -o json` is not in its man page");
        }
    }
}

#[test]
fn completions_print_the_files() {
    let env = Env::new("carts-before");
    for shell in Shell::value_variants() {
        let name = shell.to_possible_value().unwrap().get_name().to_owned();
        let run = env.run(&["completions", &name]).ok();
        assert_eq!(run.stdout, fs::read_to_string(root().join("completions").join(shell.file())).unwrap(), "{name}");
        assert_eq!(run.stderr, "", "{name}");
    }
    let files = fs::read_dir(root().join("completions")).unwrap().count();
    assert_eq!(files, Shell::value_variants().len(), "files in completions/ without a shell");
    assert!(env.world.journal().calls().is_empty(), "completions ask nobody");
}

#[test]
fn every_shell_gets_a_registration() {
    for shell in Shell::value_variants() {
        let name = shell.to_possible_value().unwrap().get_name().to_owned();
        let output = Command::new(PODID).env_clear().env(VARIABLE, &name).output().unwrap();
        let script = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && script.contains("podid"), "{name}: {script}");
        assert!(shell.stub().contains(VARIABLE), "{name}");
    }
}

/// The text with what stands between the markers replaced.
fn between(text: &str, name: &str, wanted: &str) -> String {
    let (begin, end) = (format!("<!-- {name}:begin -->\n"), format!("<!-- {name}:end -->"));
    let (before, rest) = text.split_once(&begin).unwrap();
    let (_, after) = rest.split_once(&end).unwrap();
    format!("{before}{begin}{wanted}{end}{after}")
}

/// Every call that podid makes here is on the page of permissions.
#[test]
fn the_page_names_every_permission() {
    let env = Env::new("carts-before");
    let managed = "arn:aws:iam::aws:policy/AmazonDynamoDBReadOnlyAccess";
    let create = "associate carts/carts --create-role --dynamodb eks-workshop-carts";
    for line in [
        "agent status",
        create,
        &format!("{create} --install-agent --recycle"),
        &format!("{create} --policy-arn {managed} --tag team=a --yes"),
        "associate carts/carts --role eks-workshop-nodes --yes",
        "list",
        "show carts/carts",
        "show carts/card",
        "recycle carts/carts",
        "recycle carts/card",
        "disassociate carts/carts --delete-role --yes",
        "list -c nowhere",
        "role create tools --yes",
        "role list --all-clusters",
        "role show tools",
        "role trust tools --service-account carts/carts",
        "role delete tools --yes",
        "policy print --dynamodb eks-workshop-carts",
        "policy dynamodb eks-workshop-carts",
        "policy attach eks-workshop-nodes --dynamodb eks-workshop-carts --yes",
        "policy detach eks-workshop-nodes --dynamodb eks-workshop-carts --yes",
        &format!("policy attach eks-workshop-nodes --policy-arn {managed} --yes"),
        &format!("policy detach eks-workshop-nodes --policy-arn {managed} --yes"),
    ] {
        let _ = env.podid(line);
    }
    let permissions = fs::read_to_string(root().join("docs/permissions.md")).unwrap();
    let words: BTreeSet<&str> =
        permissions.split(|c: char| !(c.is_ascii_alphanumeric() || "/:-".contains(c))).collect();
    // What every command may need, by its own word.
    for line in ["iam-policy -o name", "iam-policy --rbac -o name"] {
        for needed in env.podid(line).ok().stdout.lines() {
            let word = needed
                .split(['.', ' '])
                .find(|word| !["get", "list", "create", "patch", "watch", "delete"].contains(word));
            assert!(words.contains(word.unwrap()), "`{needed}` is not in docs/permissions.md");
        }
    }
    for call in env.world.journal().calls() {
        let words_of_call: Vec<String> = match call.operation.split_once(' ') {
            // `create pods (dry-run)`; a pod's log is `get pods/log`.
            Some(_) => call.operation.split(' ').take(2).map(str::to_owned).collect(),
            None => vec![format!("{}:{}", call.service, call.operation)],
        };
        for word in words_of_call {
            assert!(words.contains(word.as_str()), "`{word}` ({}) is not in docs/permissions.md", call.operation);
        }
    }
}
