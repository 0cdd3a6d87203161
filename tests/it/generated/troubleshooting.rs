//! docs/troubleshooting.md: every check, and every message that is known, as the code has them.

use std::fmt::Write as _;

use podid::{
    checks::{self, Check, Link},
    model::message,
    output::markdown::code,
};

use super::{holds, root};

const HEAD: &str = "\
# Troubleshooting

Begin with `podid verify NAMESPACE/SERVICE_ACCOUNT`: it runs every check below and prints the fixes in the order to apply them.
With nothing but an error message, `podid explain 'MESSAGE'` says what it means, without calling any service.

This page lists what podid checks, in the order in which one thing depends on another, and the messages that it knows. In what helps,
`NS/SA` stands for the service account and `ROLE` for its role. `podid verify --explain ID` prints the same about one check.
";

fn section(out: &mut String, check: &Check) {
    let _ = writeln!(out, "\n### `{}`: {}\n\n{}\n", check.id, check.title, check.background);
    for source in check.sources {
        let _ = writeln!(out, "- See <{source}>");
    }
    let mut known: Vec<_> = message::rows().filter(|row| checks::check_for(row.meaning).id == check.id).collect();
    known.sort_by_key(|row| row.id);
    if !known.is_empty() {
        out.push_str("\nMessages:\n\n");
    }
    for row in known {
        let _ = writeln!(out, "- {}\n  ({}; <{}>)", code(row.example), row.printed_by, row.source);
        for remedy in row.remedies() {
            let _ = writeln!(out, "  - {remedy}");
        }
    }
}

#[test]
fn the_troubleshooting_page_is_current() {
    let mut out = HEAD.to_owned();
    for link in Link::ALL {
        let title = link.title();
        let _ = writeln!(out, "\n## {}{}", title[..1].to_uppercase(), &title[1..]);
        checks::all().filter(|check| check.link == link).for_each(|check| section(&mut out, check));
    }
    let rows = message::rows().filter(|row| out.contains(&code(row.example))).count();
    assert_eq!(rows, message::rows().count(), "a message is in no section");
    holds(&root().join("docs/troubleshooting.md"), &out);
}
