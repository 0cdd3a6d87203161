//! `--save` and `--from`: what was read, as a file for others, and the same verdict from that file.

use std::path::{Path, PathBuf};

use clap::Args;

use super::{Checked, Read, Verify};
use crate::{
    args::need_flags,
    checks::{self, Remedy, Report},
    commands::subject,
    context::Context,
    failure::{Code, Failure, Result},
    files,
    model::{
        bundle::{Bundle, BundleError},
        glob::Pattern,
        have::Observed,
        log_line::LogLine,
        snapshot::{PodLog, Snapshot},
        subject::SubjectText,
        text::{count, listed},
    },
    output::{json, mask},
};

/// Bytes of a bundle: thousands of service accounts.
const LARGEST: u64 = 64 << 20;

/// Names that a warning shows of many.
const NAMED: usize = 5;

/// Flags of what only a live read can do.
fn live_flags() -> impl Iterator<Item = &'static str> {
    let own = ["all_clusters", "all_regions", "needs", "dynamodb", "read_secrets", "no_logs", "tail", "since", "live"];
    own.into_iter().chain(["watch", "explain", "list_checks"]).chain(need_flags())
}

/// Which file.
#[derive(Debug, Args)]
pub(super) struct BundleArgs {
    /// Also write everything that was read to this file, without secrets, for --from
    #[arg(long, value_name = "FILE", conflicts_with_all = ["all_clusters", "all_regions", "watch", "explain", "list_checks"])]
    pub(super) save: Option<PathBuf>,
    /// Replace the file of --save if it exists
    #[arg(long, requires = "save")]
    force: bool,
    /// Check what this file of --save contains (- for stdin), without calling any service
    #[arg(long, value_name = "FILE", conflicts_with_all = live_flags().chain(["save"]))]
    pub(super) from: Option<PathBuf>,
}

impl Verify {
    /// Refuses what cannot be saved, before anything is read.
    pub(super) fn check_saves(&self, ctx: &Context, path: &Path) -> Result<()> {
        if path.as_os_str() == "-" {
            return Err(Failure::usage("`--save` writes a file, not stdout").hint("name a file"));
        }
        if ctx.clusters_by_flag().len() > 1 {
            return Err(Failure::usage("`--save` writes what was read of one cluster")
                .hint("run it once for each cluster, with a file of its own"));
        }
        if path.is_dir() {
            return Err(
                Failure::usage(format!("`--save`: `{}` is a directory", path.display())).hint("name a file in it")
            );
        }
        // Reading may take minutes: what cannot be written is told before.
        if let Some(folder) = path.parent().filter(|it| !it.as_os_str().is_empty() && !it.is_dir()) {
            return Err(Failure::usage(format!("`--save`: the directory `{}` does not exist", folder.display())));
        }
        if !self.bundle.force && path.symlink_metadata().is_ok() {
            return Err(exists(path));
        }
        Ok(())
    }

    /// Writes what was read, and says so. Only what the verdict rests on is kept of logs, and the verdict of what is written is
    /// compared with that of what was read.
    pub(super) async fn save(&self, ctx: &Context, path: &Path, read: Read, checked: &Checked) -> Result<()> {
        let Read { view, mut snapshots, unreached, .. } = read;
        let mut lines = 0;
        for it in &mut snapshots {
            trim_logs(it);
            lines +=
                it.logs.iter().chain(&it.agent_logs).filter_map(|log| log.lines.known()).map(Vec::len).sum::<usize>();
        }
        let number = snapshots.len();
        let read_at = snapshots.first().map_or_else(|| ctx.term.now(), |it| it.now);
        let bundle = Bundle::new(unreached.map(Code::number), read_at, &view, snapshots);
        let text = json::pretty(&bundle.redacted(&mask::credentials))?;
        if text.len() as u64 > LARGEST {
            return Err(Failure::failed(format!("the file of `--save` would be larger than {LARGEST} bytes"))
                .hint("name fewer service accounts, or a namespace with `-n`"));
        }
        let again = Bundle::parse(&text).and_then(Read::of);
        let again =
            again.map_err(|e| Failure::failed("cannot read what `--save` would write").because(e.to_string()))?;
        let other = differing(&checked.reports, &again.check().reports);
        let (to, force) = (path.to_owned(), self.bundle.force);
        let write = move || {
            files::create(&to, &text, force).map_err(|error| {
                if error.kind() == std::io::ErrorKind::AlreadyExists {
                    return exists(&to);
                }
                Failure::failed(format!("cannot write `{}`", to.display())).because(error.to_string())
            })
        };
        ctx.deadline.blocking(&format!("writing `{}`", path.display()), write).await?;
        let shown = path.display();
        ctx.term.success(format!("saved `{shown}`: what podid read of {}", count(number, "service account")));
        ctx.term.note(format!(
            "the file contains names, ARNs, policies, tags, settings and {}; values of Secrets are not in it, and text that looks like a credential is masked; look through it before you send it to others",
            count(lines, "log line"),
        ));
        if !other.is_empty() {
            ctx.term.warn(format!("masking changed the verdict in the file: {}", listed(&other, NAMED)));
        }
        ctx.term.hint(format!("check it without a cluster: `podid verify --from {shown}`"));
        Ok(())
    }

    /// Reads a bundle, and of it what was named.
    pub(super) async fn read_bundle(&self, ctx: &Context, path: &Path) -> Result<Read> {
        if let Some(flag) = ctx.service_flag() {
            return Err(Failure::usage(format!("`{flag}` conflicts with `--from`, which calls no service"))
                .hint("omit it: the file names the cluster"));
        }
        let (from, shown) = (path.to_owned(), path.display().to_string());
        let read = move || {
            let text = if from.as_os_str() == "-" {
                files::stream(&mut std::io::stdin(), LARGEST)
            } else {
                files::text(&from, LARGEST)
            };
            let refused =
                |why: String| Failure::usage(format!("--from: cannot read `{}`", from.display())).because(why);
            let bundle = Bundle::parse(&text.map_err(|e| refused(e.to_string()))?).and_then(Read::of);
            bundle.map_err(|error| {
                let hint = match error {
                    BundleError::Version(..) => "install the latest podid",
                    BundleError::Form(_) | BundleError::Kind => "write it again: `podid verify NS/SA --save FILE`",
                };
                refused(error.to_string()).hint(hint)
            })
        };
        let mut read = ctx.deadline.blocking(&format!("reading `{shown}`"), read).await?;
        let within = self.namespace.clone().filter(|_| self.subjects.is_empty()).map(Pattern::of);
        let named = if within.is_some() { Vec::new() } else { self.patterns()? };
        let patterns: Vec<Pattern> = within.into_iter().chain(named).collect();
        for pattern in &patterns {
            if !read.snapshots.iter().any(|it| pattern.matches(&it.subject)) {
                let there: Vec<String> = read.snapshots.iter().map(|it| it.subject.to_string()).collect();
                return Err(Failure::usage(format!("`{pattern}` is not in `{shown}`"))
                    .hint(format!("the file contains {}", listed(&there, NAMED))));
            }
        }
        if !patterns.is_empty() {
            read.snapshots.retain(|it| patterns.iter().any(|pattern| pattern.matches(&it.subject)));
        }
        Ok(read)
    }

    /// The service accounts that were named. Which pods are whose is not asked again.
    fn patterns(&self) -> Result<Vec<Pattern>> {
        let namespace = subject::namespace_of_names(self.namespace.as_ref())?;
        let pattern = |text: &SubjectText| text.pattern(namespace);
        self.subjects.iter().map(|text| pattern(text).map_err(|e| Failure::usage(e.to_string()))).collect()
    }
}

impl Read {
    fn of(bundle: Bundle) -> std::result::Result<Self, BundleError> {
        let denied = |code| if code == Code::Denied.number() { Code::Denied } else { Code::Failed };
        let unreached = bundle.unreached.map(denied);
        let before = Some((bundle.read_at, bundle.podid.clone()));
        let (cluster, view, snapshots) = bundle.restored()?;
        Ok(Self { cluster, view, snapshots, unreached, before })
    }
}

/// Somebody may copy what a file from others leads to: a command in which a name ends it and begins another one is not shown.
///
/// # Errors
/// Usage, naming the file and the command.
pub(super) fn refuse_operators(reports: &[Report], path: &Path) -> Result<()> {
    let remedies = reports.iter().flat_map(|report| &report.findings).flat_map(|finding| &finding.remedies);
    match remedies.map(Remedy::text).find(|text| has_operators(text)) {
        None => Ok(()),
        Some(text) => Err(Failure::usage(format!("--from: `{}` contains names with shell operators", path.display()))
            .because(text)
            .hint("a name in the file has characters that no service accepts: do not trust who sent it")),
    }
}

/// Whether a command in a sentence has what ends a command, outside of single quotes.
fn has_operators(text: &str) -> bool {
    let parts: Vec<&str> = text.split('`').collect();
    let commands = parts.iter().skip(1).step_by(2);
    let of_a_program =
        |command: &&&str| ["podid ", "kubectl ", "aws ", "helm "].iter().any(|it| command.starts_with(it));
    let mut bare = commands.filter(of_a_program).flat_map(|command| command.split('\'').step_by(2));
    parts.len().is_multiple_of(2) || bare.any(|outside| outside.contains([';', '|', '&', '<', '>', '$', '\n', '\r']))
}

fn exists(path: &Path) -> Failure {
    Failure::usage(format!("`{}` exists", path.display())).hint("pass `--force` to replace it, or name another file")
}

/// Service accounts whose report is not the same in both.
fn differing(live: &[Report], saved: &[Report]) -> Vec<String> {
    debug_assert_eq!(live.len(), saved.len(), "of the same service accounts, in the same order");
    live.iter().zip(saved).filter(|(live, saved)| live != saved).map(|(live, _)| live.title()).collect()
}

/// Leaves in each log only the lines without which the report would be another, and of those that masking makes unknown the words.
fn trim_logs(it: &mut Snapshot) {
    let report = checks::check(it);
    let lists: [fn(&mut Snapshot) -> &mut Vec<PodLog>; 2] = [|it| &mut it.logs, |it| &mut it.agent_logs];
    for list in lists {
        for log in 0..list(it).len() {
            let Observed::Known(lines) = list(it)[log].lines.clone() else { continue };
            let mut suffice = |lines: &[LogLine]| {
                list(it)[log].lines = Observed::Known(lines.to_vec());
                checks::check(it) == report
            };
            let mut lines = least(lines, &mut suffice);
            for at in 0..lines.len() {
                let whole = lines[at].clone();
                lines[at] = whole.masked();
                if whole.raw() != whole.shown() && !suffice(&lines) {
                    let mut known_by = |words: &[&str]| {
                        lines[at] = whole.known_by(words);
                        suffice(&lines)
                    };
                    let words = least(harmless(whole.raw(), whole.shown()), &mut known_by);
                    // The warning about another verdict says so then.
                    if !known_by(&words) {
                        lines[at] = whole.masked();
                    }
                }
            }
            list(it)[log].lines = Observed::Known(lines);
        }
    }
}

/// The words of a line and what stands between them, without those that masking took out and that may be a secret: only what is
/// shown anyway, plain words and codes of three digits are left.
fn harmless<'a>(raw: &'a str, shown: &str) -> Vec<&'a str> {
    let between = |c: char| !c.is_alphanumeric();
    let mut all = Vec::new();
    let mut rest = raw;
    while let Some(first) = rest.chars().next() {
        let end = if between(first) { first.len_utf8() } else { rest.find(between).unwrap_or(rest.len()) };
        let (word, after) = rest.split_at(end);
        let plain = word.chars().all(char::is_alphabetic) || word.len() <= 3;
        if between(first) || plain || shown.contains(word) {
            all.push(word);
        }
        rest = after;
    }
    all
}

/// What is left when as much is taken away as can be, larger parts first.
fn least<T: Clone>(mut all: Vec<T>, suffices: &mut dyn FnMut(&[T]) -> bool) -> Vec<T> {
    let mut size = all.len();
    while size > 0 {
        let mut from = 0;
        while from < all.len() {
            let to = all.len().min(from + size);
            let without = [&all[..from], &all[to..]].concat();
            if suffices(&without) {
                all = without;
            } else {
                from = to;
            }
        }
        size /= 2;
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_masking_took_out_is_left_out_unless_it_is_a_plain_word() {
        let raw = r#"{"authorization":"Bearer s3cr3tOpaque","err":"AccessDenied: 403"}"#;
        let kept = harmless(raw, r#"{"authorization":***"#).concat();
        assert_eq!(kept, r#"{"authorization":"Bearer ","err":"AccessDenied: 403"}"#);
    }

    #[test]
    fn operators_of_a_shell() {
        for good in [
            "`podid agent install --configuration-values '{\"a\":{\"b\":true}}'`",
            "set it: `kubectl set env deployment/carts A-`, then restart; or not",
            "use `$A & B`",
        ] {
            assert!(!has_operators(good), "{good}");
        }
        for (program, bad) in [
            ("podid", "disassociate a/b;reboot"),
            ("podid", "role trust x --fix\nreboot"),
            ("kubectl", "-n a$(reboot) get pods"),
            ("podid", "agent install --configuration-values 'a'; reboot 'b'"),
            ("podid", "verify a`b"),
        ] {
            assert!(has_operators(&format!("fix: `{program} {bad}`")), "{bad}");
        }
    }

    #[test]
    fn no_more_is_kept_than_suffices() {
        let all: Vec<u32> = (0..100).collect();
        for wanted in [vec![], vec![0], vec![99], vec![3, 50, 51], (0..100).collect()] {
            let kept = least(all.clone(), &mut |some| wanted.iter().all(|one| some.contains(one)));
            assert_eq!(kept, wanted);
        }
    }
}
