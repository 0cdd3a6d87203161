//! The messages by which programs report trouble with AWS credentials: who prints each, what it means and what helps.
//!
//! The rows are data, in files by who prints them. A text is matched as it was printed; what is shown of it is masked elsewhere.

mod agent;
mod answer;
mod endpoints;
mod go;
mod java;
mod meaning;
mod native;
mod network;
mod python;
mod requests;
mod script;
mod services;
#[cfg(test)]
mod tests;
mod tools;

use std::sync::LazyLock;

use aho_corasick::AhoCorasick;

pub use self::meaning::{Meaning, RECYCLE, VERIFY};
use super::foreign::{is_foreign, names_iam};

/// One known message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// Stable: `java2-chain`.
    pub id: &'static str,
    /// Who prints it: an SDK, a tool, or a service.
    pub printed_by: &'static str,
    /// What it means.
    pub meaning: Meaning,
    /// All of these are in a line that is this message; lower case.
    pub words: &'static [&'static str],
    /// None of these is; lower case.
    unless: &'static [&'static str],
    /// A line as it is printed.
    pub example: &'static str,
    /// Where the message is documented or reported in public.
    pub source: &'static str,
    /// The version that no longer prints it with Pod Identity.
    pub fixed: Option<&'static str>,
    /// What helps against this message more than against others of its meaning.
    pub own_remedy: Option<&'static str>,
    /// Its words are codes of errors, any of which AWS may have answered.
    by_code: bool,
    /// Of several that a line may be, the one with the highest rank counts, and of those the one with most words.
    rank: i8,
}

const fn row(
    id: &'static str,
    printed_by: &'static str,
    meaning: Meaning,
    words: &'static [&'static str],
    example: &'static str,
    source: &'static str,
) -> Row {
    Row {
        id,
        printed_by,
        meaning,
        words,
        unless: &[],
        example,
        source,
        fixed: None,
        own_remedy: None,
        by_code: false,
        rank: 0,
    }
}

impl Row {
    const fn fixed(mut self, version: &'static str) -> Self {
        self.fixed = Some(version);
        self
    }

    const fn remedy(mut self, remedy: &'static str) -> Self {
        self.own_remedy = Some(remedy);
        self
    }

    const fn unless(mut self, words: &'static [&'static str]) -> Self {
        self.unless = words;
        self
    }

    const fn rank(mut self, rank: i8) -> Self {
        self.rank = rank;
        self
    }

    fn weight(&self) -> (i8, usize) {
        (self.rank, self.words.iter().map(|word| word.len()).sum())
    }

    /// Whether it says more than another.
    pub fn outranks(&self, other: &Self) -> bool {
        self.rank > other.rank
    }

    /// Whether a program says it too after a refusal that names more.
    pub fn follows_from_a_refusal(&self) -> bool {
        self.rank < 0 || matches!(self.meaning, Meaning::UnnamedRefusal | Meaning::Encoded | Meaning::SecondRole)
    }

    /// Whether other messages say more, where there are any.
    pub fn is_general(&self) -> bool {
        self.rank < 0
    }

    /// What helps, best first. `NS/SA`, `ROLE`, `NAMESPACE` and `KIND/NAME` stand for those of the case.
    pub fn remedies(&self) -> Vec<String> {
        let own = self.own_remedy.map(str::to_owned);
        let upgrade = self.fixed.map(|version| format!("upgrade {} to {version} or later: {MINIMUM}", self.printed_by));
        // The versions are told already.
        let general = self.meaning.remedies().iter().filter(|text| upgrade.is_none() || !text.contains(MINIMUM));
        let general = general.map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let own_only = own.is_some() || (upgrade.is_some() && self.meaning.is_an_old_sdk());
        own.into_iter().chain(upgrade).chain(general.into_iter().filter(|_| !own_only)).collect()
    }
}

/// The versions of each SDK that support Pod Identity.
pub const MINIMUM: &str = "https://docs.aws.amazon.com/eks/latest/userguide/pod-id-minimum-sdk.html";

static ROWS: &[&[Row]] = &[
    agent::ROWS,
    network::ROWS,
    java::ROWS,
    go::ROWS,
    python::ROWS,
    script::ROWS,
    native::ROWS,
    tools::ROWS,
    services::ROWS,
    requests::ROWS,
    endpoints::ROWS,
    answer::ROWS,
];

/// Every known message.
pub fn rows() -> impl Iterator<Item = &'static Row> {
    ROWS.iter().copied().flatten()
}

/// Error codes of the system, which Node.js prints (Node.js documentation, common system errors), and the C library's words for
/// them, by which the rows know them.
const CODES: [(&str, &str); 5] = [
    ("econnrefused", "connection refused"),
    ("econnreset", "connection reset by peer"),
    ("ehostunreach", "no route to host"),
    ("enetunreach", "network is unreachable"),
    ("etimedout", "connection timed out"),
];

/// A line with the words for the codes in it.
fn in_words(lower: &str) -> String {
    let said = CODES.iter().filter(|(code, _)| lower.contains(code)).map(|(_, words)| *words);
    std::iter::once(lower).chain(said).collect::<Vec<_>>().join(" ")
}

/// The words of all rows, found in one pass over a line: logs have many lines, and few of them are known messages.
struct Words {
    automaton: Option<AhoCorasick>,
    /// Each row with the places of its words among the automaton's.
    rows: Vec<(&'static Row, Vec<usize>)>,
}

/// The rows that are known by their words.
fn by_words() -> impl Iterator<Item = &'static Row> {
    rows().filter(|row| !row.by_code)
}

static WORDS: LazyLock<Words> = LazyLock::new(|| {
    let mut all: Vec<&str> = by_words().flat_map(|row| row.words.iter().copied()).collect();
    all.sort_unstable();
    all.dedup();
    let place = |word: &&str| all.partition_point(|other| other < word);
    let rows = by_words().map(|row| (row, row.words.iter().map(place).collect())).collect();
    // It fails with more words than fit into memory.
    Words { automaton: AhoCorasick::new(&all).ok(), rows }
});

/// The row whose words are in a line (lower case).
fn find_words(lower: &str) -> Option<&'static Row> {
    let lower = in_words(lower);
    let automaton = WORDS.automaton.as_ref()?;
    let mut found = vec![false; automaton.patterns_len()];
    let mut any = false;
    for word in automaton.find_overlapping_iter(&lower) {
        found[word.pattern().as_usize()] = true;
        any = true;
    }
    if !any {
        return None;
    }
    let without = |row: &Row| !row.unless.iter().any(|word| lower.contains(word));
    let fits = WORDS.rows.iter().filter(|(row, words)| words.iter().all(|word| found[*word]) && without(row));
    fits.map(|(row, _)| *row).max_by_key(|row| row.weight())
}

/// The known message that a line is: its words, or the code that AWS answered.
pub fn find(line: &str) -> Option<&'static Row> {
    let plain = line.replace("\\\"", "\"");
    let lower = plain.to_lowercase();
    let by_words = find_words(&lower);
    let by_code = || answer::find(&plain, &lower);
    match by_words {
        // Whom AWS answered had credentials: such words then only wrap the answer.
        Some(row) if row.meaning == Meaning::NoCredentials => {
            by_code().filter(|answered| answered.meaning != Meaning::Answered).or(by_words)
        }
        // Stores of others answer in the same form.
        Some(row) if row.meaning == Meaning::UnnamedRefusal && is_foreign(&lower, names_iam(&lower)) => None,
        Some(row) => Some(row),
        None => by_code(),
    }
}
