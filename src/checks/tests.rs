//! Rules over all checks.

use std::collections::BTreeSet;

use super::*;
use crate::checks::modes::{Coverage, MODES};

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

#[test]
fn every_known_failure_has_its_checks() {
    assert_eq!(MODES.iter().map(|mode| mode.number).collect::<Vec<_>>(), (1..=70).collect::<Vec<_>>());
    let mut seen = 0;
    for mode in MODES {
        let (Coverage::Detected { checks } | Coverage::Given { checks, .. }) = mode.coverage else { continue };
        seen += 1;
        for id in checks {
            assert!(named(id).is_some(), "mode {}: there is no check {id}", mode.number);
        }
    }
    assert!(seen >= 60, "{seen}");
}
