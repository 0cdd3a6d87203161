//! Small rules about texts: IAM wildcards, stable short hashes, near names. Nothing here knows what the texts name.

use sha2::{Digest, Sha256};

/// Whether `text` matches `pattern`, where `*` is any run of characters and `?` any one (IAM reference, Resource element).
pub fn wildcard(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = text.chars().collect();
    let (mut p, mut t) = (0, 0);
    // Where to come back to after the last `*`: linear enough, and no recursion on hostile patterns.
    let mut back: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                back = Some((p, t));
                p += 1;
            }
            Some(c) if *c == '?' || *c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match back {
                Some((star, from)) => {
                    p = star + 1;
                    t = from + 1;
                    back = Some((star, from + 1));
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

/// Whether some text matches both of two patterns.
pub fn overlap(one: &str, other: &str) -> bool {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    // `reached[j]`: the first characters of one, and the first j of the other, stand for one text.
    let mut reached = vec![false; other.len() + 1];
    reached[0] = true;
    for (j, c) in other.iter().enumerate() {
        reached[j + 1] = reached[j] && *c == '*';
    }
    for a in &one {
        let mut next = vec![false; other.len() + 1];
        next[0] = reached[0] && *a == '*';
        for (j, b) in other.iter().enumerate() {
            next[j + 1] = match (a, b) {
                ('*', _) | (_, '*') => reached[j + 1] || next[j],
                (a, b) => reached[j] && (a == b || *a == '?' || *b == '?'),
            };
        }
        reached = next;
    }
    reached[other.len()]
}

/// Whether a pattern matches all that another one matches, as far as that is plain to see.
pub fn covers(wide: &str, narrow: &str) -> bool {
    // A `?` is one character, and a `*` of the other may be several.
    wide == narrow || wildcard(wide, narrow) && !(wide.contains('?') && narrow.contains('*'))
}

/// The first of some lines, and how many more there are: `a; b; and 4 more`.
pub fn first_of(lines: &[String], most: usize) -> String {
    let first = lines.iter().take(most).map(String::as_str).collect::<Vec<_>>().join("; ");
    match lines.len().saturating_sub(most) {
        0 => first,
        more => format!("{first}; and {more} more"),
    }
}

/// `1 node`, `2 nodes`.
pub fn count(n: usize, noun: &str) -> String {
    if n == 1 { format!("1 {noun}") } else { format!("{n} {noun}s") }
}

/// At most so many names, and how many more there are.
pub fn listed(names: &[impl AsRef<str>], most: usize) -> String {
    let shown = names.iter().take(most).map(AsRef::as_ref).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(most) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// The first hex digits of the SHA-256 of the parts, separated by NUL so that no two lists of parts collide.
pub fn short_hash(parts: &[&str], digits: usize) -> String {
    use std::fmt::Write as _;
    let mut hex = String::new();
    for byte in Sha256::digest(parts.join("\0").as_bytes()) {
        let _ = write!(hex, "{byte:02x}");
    }
    hex.truncate(digits);
    hex
}

/// The candidates that `name` may have meant, best first, at most three: a typing error or two, or one inside the other.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let limit = (name.chars().count() / 3).clamp(1, 3);
    let mut near: Vec<(usize, &str)> = candidates
        .into_iter()
        .filter(|candidate| *candidate != name)
        .filter_map(|candidate| {
            let distance = distance(&name.to_lowercase(), &candidate.to_lowercase());
            let inside =
                name.len() >= 3 && (candidate.contains(name) || candidate.len() >= 3 && name.contains(candidate));
            (distance <= limit || inside).then_some((distance, candidate))
        })
        .collect();
    near.sort_unstable();
    near.dedup();
    near.into_iter().take(3).map(|(_, candidate)| candidate.to_owned()).collect()
}

/// `; did you mean `a` or `b`?`, to end a message with; empty without names.
pub fn did_you_mean(names: &[String]) -> String {
    meant(names).map_or_else(String::new, |question| format!("; {question}"))
}

/// `did you mean `a` or `b`?`; nothing without names.
pub fn meant(names: &[String]) -> Option<String> {
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    Some(match names.split_last()? {
        (only, []) => format!("did you mean {only}?"),
        (last, others) => format!("did you mean {} or {last}?", others.join(", ")),
    })
}

/// Edits between two texts, a swap of neighbours counting as one (optimal string alignment).
pub fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let cost = usize::from(a[i - 1] != b[j - 1]);
            let mut best = (above[j - 1] + cost).min(above[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(before[j - 2] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut above, row);
    }
    above[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_that_meet() {
        for (one, other, meet, wider) in [
            ("a*", "*b", true, false),
            ("a*", "b*", false, false),
            ("*", "", true, true),
            ("a?c", "abc", true, true),
            ("a?c", "a*", true, false),
            ("a?c", "ac", false, false),
            ("s3:*", "s3:Get*", true, true),
            ("*Object", "Get*", true, false),
            ("*Object", "Get*Acl", false, false),
            ("x*y*z", "x*q*z", true, false),
            ("x", "", false, false),
        ] {
            assert_eq!((overlap(one, other), overlap(other, one)), (meet, meet), "{one} {other}");
            assert_eq!(covers(one, other), wider, "{one} {other}");
        }
    }

    #[test]
    fn wildcards_match_as_iam_says() {
        for (pattern, text, hit) in [
            ("*", "", true),
            ("sts:*", "sts:tagsession", true),
            ("sts:Assume*", "sts:AssumeRole", true),
            ("sts:?agSession", "sts:TagSession", true),
            ("a*b*c", "axxbyyc", true),
            ("a*b*c", "axxbyy", false),
            ("a**", "a", true),
            ("", "", true),
            ("", "a", false),
            ("*aab", "aaaab", true),
        ] {
            assert_eq!(wildcard(pattern, text), hit, "{pattern} {text}");
        }
    }

    #[test]
    fn hashes_do_not_run_into_each_other() {
        assert_ne!(short_hash(&["ab", "c"], 16), short_hash(&["a", "bc"], 16));
        assert_eq!(short_hash(&["x"], 8).len(), 8);
    }

    #[test]
    fn near_names_come_best_first() {
        let names = ["carts", "cart", "checkout", "orders", "carts-worker"];
        assert_eq!(nearest("crats", names), ["carts"]);
        assert_eq!(nearest("cartz", names), ["cart", "carts"]);
        assert_eq!(nearest("carts", names), ["cart", "carts-worker"]);
        assert!(nearest("payments", names).is_empty());
    }
}
