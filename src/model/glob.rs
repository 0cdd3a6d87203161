//! Patterns for service accounts: `'team-*/*'`. `*` stands for any characters of one name, `?` for one; they never match
//! across the `/`. What a pattern stands for is looked up among the associations that exist.

use std::{fmt, str::FromStr};

use super::{
    association::{AssociationFilter, AssociationSummary},
    names::{NameError, ServiceAccount, check_namespace},
};

/// A name in which `*` and `?` may stand for others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob(String);

/// One service account by name, or many by a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    /// The namespace's part.
    pub namespace: Glob,
    /// The service account's part.
    pub name: Glob,
}

/// Why a text is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// A name without `*` and `?` that breaks the rules of names.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A pattern that no name can match.
    #[error("pattern `{text}` {why}")]
    Rule {
        /// The offending text.
        text: String,
        /// Why nothing can match it.
        why: &'static str,
    },
}

impl Glob {
    /// A namespace or a pattern for namespaces.
    ///
    /// # Errors
    /// When no name can match it.
    pub fn namespace(text: &str) -> Result<Self, PatternError> {
        if wild(text) {
            possible(text, 63, false)?;
        } else {
            check_namespace(text)?;
        }
        Ok(Self(text.to_owned()))
    }

    /// A pattern for names of another kind, whose rules the caller has checked.
    pub fn any(text: &str) -> Self {
        Self(text.to_owned())
    }

    fn service_account(namespace: &Self, text: &str) -> Result<Self, PatternError> {
        if wild(text) {
            possible(text, 253, true)?;
        } else {
            // Any namespace will do: it was checked already.
            ServiceAccount::new(namespace.literal().unwrap_or("default"), text)?;
        }
        Ok(Self(text.to_owned()))
    }

    /// The name, when it is one and no pattern.
    pub fn literal(&self) -> Option<&str> {
        (!wild(&self.0)).then_some(self.0.as_str())
    }

    /// Whether a name is one of those it stands for.
    pub fn matches(&self, name: &str) -> bool {
        let (pattern, name): (Vec<char>, Vec<char>) = (self.0.chars().collect(), name.chars().collect());
        let (mut p, mut n) = (0, 0);
        // The last `*`, and where in the name it was tried to end.
        let mut star: Option<(usize, usize)> = None;
        while n < name.len() {
            match (pattern.get(p), star) {
                (Some('*'), _) => {
                    star = Some((p, n));
                    p += 1;
                }
                (Some(c), _) if *c == '?' || *c == name[n] => {
                    p += 1;
                    n += 1;
                }
                (_, Some((at, tried))) => {
                    star = Some((at, tried + 1));
                    p = at + 1;
                    n = tried + 1;
                }
                (_, None) => return false,
            }
        }
        pattern[p..].iter().all(|c| *c == '*')
    }
}

fn wild(text: &str) -> bool {
    text.contains(['*', '?'])
}

/// Whether some name by Kubernetes' rules can match: the same characters, the same length, the same ends.
fn possible(text: &str, max: usize, dots: bool) -> Result<(), PatternError> {
    let rule = |why| Err(PatternError::Rule { text: text.to_owned(), why });
    if text.chars().filter(|c| *c != '*').count() > max {
        return rule(if max == 63 {
            "matches nothing: names of namespaces have at most 63 characters"
        } else {
            "matches nothing: names of service accounts have at most 253 characters"
        });
    }
    if text.bytes().any(|b| b.is_ascii_uppercase()) {
        return rule("has upper-case letters; Kubernetes names are lower-case");
    }
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-*?".contains(&b) || dots && b == b'.';
    if !text.bytes().all(allowed) {
        return rule(if dots {
            "may have only lower-case letters, digits, `-`, `.`, `*` and `?`"
        } else {
            "may have only lower-case letters, digits, `-`, `*` and `?`"
        });
    }
    let labels: Vec<&str> = if dots { text.split('.').collect() } else { vec![text] };
    if labels.iter().any(|label| label.is_empty() || label.starts_with('-') || label.ends_with('-')) {
        return rule("matches nothing: names begin and end with a letter or digit");
    }
    Ok(())
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Pattern {
    /// Every service account.
    pub fn all() -> Self {
        Self { namespace: Glob("*".to_owned()), name: Glob("*".to_owned()) }
    }

    /// Every service account of these namespaces.
    pub fn of(namespace: Glob) -> Self {
        Self { namespace, name: Glob("*".to_owned()) }
    }

    /// The one service account, when it is a name and no pattern.
    pub fn literal(&self) -> Option<ServiceAccount> {
        Some(ServiceAccount { namespace: self.namespace.literal()?.to_owned(), name: self.name.literal()?.to_owned() })
    }

    /// Whether a service account is one of those it stands for.
    pub fn matches(&self, subject: &ServiceAccount) -> bool {
        self.namespace.matches(&subject.namespace) && self.name.matches(&subject.name)
    }
}

impl From<&ServiceAccount> for Pattern {
    fn from(subject: &ServiceAccount) -> Self {
        Self { namespace: Glob(subject.namespace.clone()), name: Glob(subject.name.clone()) }
    }
}

impl FromStr for Pattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        match text.split_once('/') {
            Some((namespace, name)) if !name.contains('/') => {
                let namespace = Glob::namespace(namespace)?;
                let name = Glob::service_account(&namespace, name)?;
                Ok(Self { namespace, name })
            }
            _ => Err(NameError::Form(text.to_owned()).into()),
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// What patterns come to among what exists.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expansion {
    /// Each service account once: those named first, in the order given, then those found, by name.
    pub subjects: Vec<ServiceAccount>,
    /// Patterns that stand for nothing that exists. A name stands for itself, whether it exists or not.
    pub unmatched: Vec<Pattern>,
}

/// The service accounts that the patterns stand for among these associations.
pub fn expand(patterns: &[Pattern], existing: &[AssociationSummary]) -> Expansion {
    let mut expansion = Expansion::default();
    for named in patterns.iter().filter_map(Pattern::literal) {
        if !expansion.subjects.contains(&named) {
            expansion.subjects.push(named);
        }
    }
    let globs: Vec<&Pattern> = patterns.iter().filter(|pattern| pattern.literal().is_none()).collect();
    let mut found: Vec<&ServiceAccount> =
        existing.iter().map(|a| &a.subject).filter(|subject| globs.iter().any(|g| g.matches(subject))).collect();
    found.sort();
    found.dedup();
    let named = expansion.subjects.len();
    for subject in found {
        if !expansion.subjects[..named].contains(subject) {
            expansion.subjects.push(subject.clone());
        }
    }
    let matches_none = |glob: &&&Pattern| !existing.iter().any(|a| glob.matches(&a.subject));
    expansion.unmatched = globs.iter().filter(matches_none).map(|glob| (*glob).clone()).collect();
    expansion
}

/// The narrowest of the API's own filters that keeps everything the patterns can match.
pub fn filter(patterns: &[Pattern]) -> AssociationFilter {
    fn common<'a>(mut names: impl Iterator<Item = Option<&'a str>>) -> Option<String> {
        let first = names.next()??;
        names.all(|name| name == Some(first)).then(|| first.to_owned())
    }
    let namespace = common(patterns.iter().map(|p| p.namespace.literal()));
    // The API takes a service account with its namespace only.
    let service_account = namespace.as_ref().and_then(|_| common(patterns.iter().map(|p| p.name.literal())));
    AssociationFilter { namespace, service_account }
}

#[cfg(test)]
mod tests;
