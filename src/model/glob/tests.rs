//! The tests of patterns.

use proptest::prelude::*;

use super::*;
use crate::model::fixtures::{association, subject};

fn summaries(names: &[&str]) -> Vec<AssociationSummary> {
    let one = association("arn:aws:iam::111122223333:role/app").summary;
    names.iter().map(|name| AssociationSummary { subject: subject(name), ..one.clone() }).collect()
}

fn patterns(texts: &[&str]) -> Vec<Pattern> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

#[test]
fn stars_and_question_marks() {
    for (pattern, name, wanted) in [
        ("*", "carts", true),
        ("team-*", "team-a", true),
        ("team-*", "team-", true),
        ("team-*", "steam-a", false),
        ("*-api", "orders-api", true),
        ("*-api", "orders-api-2", false),
        ("a*b*c", "a-b-b-c", true),
        ("a*b*c", "a-c-b", false),
        ("?", "a", true),
        ("?", "ab", false),
        ("team-?", "team-1", true),
        ("*a", "aaa", true),
        ("**", "x", true),
        ("carts", "carts", true),
        ("carts", "cart", false),
        ("cart", "carts", false),
    ] {
        assert_eq!(Glob(pattern.to_owned()).matches(name), wanted, "{pattern} {name}");
    }
}

#[test]
fn a_star_stays_within_its_name() {
    let pattern: Pattern = "team-*/api".parse().unwrap();
    assert!(pattern.matches(&subject("team-a/api")));
    assert!(!pattern.matches(&subject("team-a/web")));
    let dotted: Pattern = "carts/*".parse().unwrap();
    assert!(dotted.matches(&subject("carts/app.v2")));
}

#[test]
fn bad_ones_say_why() {
    let why = |text: &str| text.parse::<Pattern>().unwrap_err().to_string();
    for (text, wanted) in [
        ("carts", "`carts` is not NAMESPACE/SERVICE_ACCOUNT, for example `carts/carts`"),
        ("a/b/*", "`a/b/*` is not NAMESPACE/SERVICE_ACCOUNT, for example `carts/carts`"),
        ("Carts/*", "namespace `Carts` has upper-case letters; Kubernetes names are lower-case"),
        ("Team-*/x", "pattern `Team-*` has upper-case letters; Kubernetes names are lower-case"),
        ("team-[ab]*/x", "pattern `team-[ab]*` may have only lower-case letters, digits, `-`, `*` and `?`"),
        ("a.b*/x", "pattern `a.b*` may have only lower-case letters, digits, `-`, `*` and `?`"),
        ("x/{a,b}*", "pattern `{a,b}*` may have only lower-case letters, digits, `-`, `.`, `*` and `?`"),
        ("x/-*", "pattern `-*` matches nothing: names begin and end with a letter or digit"),
        ("*-/x", "pattern `*-` matches nothing: names begin and end with a letter or digit"),
        ("x/a..*", "pattern `a..*` matches nothing: names begin and end with a letter or digit"),
        ("x/", "service account `` is empty"),
        ("/x", "namespace `` is empty"),
        ("*/X", "service account `X` has upper-case letters; Kubernetes names are lower-case"),
    ] {
        assert_eq!(why(text), wanted);
    }
    let long = format!("{}*/x", "a".repeat(64));
    assert!(why(&long).contains("at most 63 characters"), "{}", why(&long));
    assert!(format!("{}*/x", "a".repeat(63)).parse::<Pattern>().is_ok(), "a star may stand for nothing");
}

#[test]
fn expands_against_what_exists() {
    let existing = summaries(&["team-b/web", "team-a/api", "carts/carts", "team-a/web"]);
    let names = |texts: &[&str]| {
        let expansion = expand(&patterns(texts), &existing);
        let unmatched: Vec<String> = expansion.unmatched.iter().map(ToString::to_string).collect();
        (expansion.subjects.iter().map(ToString::to_string).collect::<Vec<_>>(), unmatched)
    };
    assert_eq!(names(&["team-*/*"]).0, ["team-a/api", "team-a/web", "team-b/web"]);
    assert_eq!(names(&["team-*/web", "*/api"]).0, ["team-a/api", "team-a/web", "team-b/web"]);
    // What is named comes first, once, and whether it exists or not.
    assert_eq!(names(&["new/one", "*/*", "carts/carts", "new/one"]).0[..3], ["new/one", "carts/carts", "team-a/api"]);
    assert_eq!(names(&["*/*", "team-a/web"]).0.len(), 4);
    assert_eq!(
        names(&["*/cron", "shop/*", "carts/*"]),
        (vec!["carts/carts".to_owned()], vec!["*/cron".to_owned(), "shop/*".to_owned()])
    );
}

#[test]
fn the_api_filters_as_far_as_it_can() {
    let wanted = |texts: &[&str]| {
        let filter = filter(&patterns(texts));
        (filter.namespace.unwrap_or_default(), filter.service_account.unwrap_or_default())
    };
    let both = |namespace: &str, name: &str| (namespace.to_owned(), name.to_owned());
    assert_eq!(wanted(&["carts/carts"]), both("carts", "carts"));
    assert_eq!(wanted(&["carts/*", "carts/web"]), both("carts", ""));
    assert_eq!(wanted(&["carts/a", "carts/b"]), both("carts", ""));
    assert_eq!(wanted(&["*/carts"]), both("", ""));
    assert_eq!(wanted(&["carts/*", "shop/*"]), both("", ""));
    assert_eq!(wanted(&[]), both("", ""));
}

/// The plain definition, slow and short.
fn reference(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern.split_first(), name.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) if reference(rest, name) => true,
        (Some((b'*', _)), Some((_, shorter))) => reference(pattern, shorter),
        (Some((p, rest)), Some((n, shorter))) => (*p == b'?' || p == n) && reference(rest, shorter),
        _ => false,
    }
}

proptest! {
    #[test]
    fn matches_as_its_definition_says(pattern in "[ab*?]{0,8}", name in "[ab]{0,8}") {
        prop_assert_eq!(Glob(pattern.clone()).matches(&name), reference(pattern.as_bytes(), name.as_bytes()));
    }

    #[test]
    fn a_pattern_made_of_a_name_matches_it(
        namespace in "[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?",
        name in "[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?",
        cuts in proptest::collection::vec((any::<bool>(), 0..20usize, 1..4usize), 0..3),
    ) {
        let subject = ServiceAccount::new(&namespace, &name).unwrap();
        let mut text: Vec<char> = name.chars().collect();
        for (one, at, len) in cuts {
            let at = at.min(text.len());
            let end = (at + if one { 1 } else { len }).min(text.len());
            // A `?` in place of a `*` would stand for less.
            if at < end && !(one && text[at] == '*') {
                text.splice(at..end, [if one { '?' } else { '*' }]);
            }
        }
        let text: String = text.into_iter().collect();
        let pattern: Result<Pattern, _> = format!("{namespace}/{text}").parse();
        // A cut may leave a dash at an end next to nothing else: what is parsed must match.
        if let Ok(pattern) = pattern {
            prop_assert!(pattern.matches(&subject), "{} {}", pattern, subject);
            prop_assert_eq!(pattern.to_string().parse::<Pattern>(), Ok(pattern));
        } else {
            prop_assert!(false, "{}/{} should be a pattern", namespace, text);
        }
    }
}
