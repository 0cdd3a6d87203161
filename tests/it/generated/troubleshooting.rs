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

Start with `podid verify NAMESPACE/SERVICE_ACCOUNT`: it runs every check below and prints the fixes in the order to apply them.
If you only have an error message, `podid explain 'MESSAGE'` explains it without calling any service.

This page lists the checks in the order in which they depend on each other, and the error messages that podid recognizes. In the fixes,
`NS/SA` is the service account and `ROLE` is its role. `podid verify --explain ID` prints the same about one check.
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
