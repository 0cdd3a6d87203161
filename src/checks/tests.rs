//! Rules over all checks.

use std::collections::BTreeSet;

use super::*;

#[test]
fn ids_are_well_formed_and_told_once() {
    let mut seen = BTreeSet::new();
    for room in CHAIN {
        for check in room.checks {
            assert_eq!(check.link, room.link, "{}", check.id);
            assert!(check.id.starts_with(&format!("{}.", room.link.prefix())), "{}", check.id);
            assert!(
                check.id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.".contains(&b)),
                "{}",
                check.id
            );
            assert!(seen.insert(check.id), "{} twice", check.id);
            assert!(
                !check.title.is_empty() && !check.background.is_empty() && !check.sources.is_empty(),
                "{}",
                check.id
            );
            assert!(!check.title.ends_with('.') && check.background.ends_with('.'), "{}", check.id);
            assert!(check.sources.iter().all(|source| source.starts_with("https://")), "{}", check.id);
        }
    }
    assert_eq!(CHAIN.iter().map(|room| room.link).collect::<Vec<_>>(), Link::ALL);
}
