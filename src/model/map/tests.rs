//! The map's graph and its text formats: hostile names are text.

use super::*;

const HOSTILE: &str = "a\"]; click n0 \"javascript:x\"\n<script>alert(1)</script>`${x}`\\N#60;&lt;%%{init}%%end";

fn home() -> Arn {
    "arn:aws:eks:us-west-2:111122223333:cluster/eks-workshop".parse().unwrap()
}

fn chain(namespace: &str, name: &str, resource: &str) -> Chain {
    let grant = Grant {
        level: Level::Read,
        actions: vec!["s3:GetObject".to_owned()],
        all_but_actions: false,
        limited_by: Vec::new(),
        statement: "own/1".to_owned(),
    };
    Chain {
        subject: ServiceAccount { namespace: namespace.to_owned(), name: name.to_owned() },
        exists: Some(true),
        workloads: Observed::Known(vec![format!("deployment/{name}")]),
        association: format!("a-{namespace}-{name}"),
        traits: Vec::new(),
        role: MappedRole { arn: "arn:aws:iam::111122223333:role/app".to_owned(), missing: None, unread: None },
        target: None,
        without_credentials: None,
        resources: vec![Resource {
            service: "s3".to_owned(),
            name: resource.to_owned(),
            all_but: false,
            grants: vec![grant],
        }],
        denied: Vec::new(),
        unread: Vec::new(),
    }
}

#[test]
fn mermaid_has_no_markup_of_a_name() {
    let text = Graph::of(&[chain("a", "app", HOSTILE)], &home()).mermaid();
    let line = text.lines().find(|line| line.contains("click")).unwrap();
    let label = line.split_once("[\"").unwrap().1.strip_suffix("\"]:::resource").unwrap();
    assert!(!label.replace("<br/>", "").contains(['"', '<', '>', '`', '$', '%', '\\', '&', ']', '(']), "{label}");
    assert_eq!(text.lines().filter(|line| line.contains("click")).count(), 1, "{text}");
}

#[test]
fn dot_has_no_statement_of_a_name() {
    let text = Graph::of(&[chain("a", "app", HOSTILE)], &home()).dot();
    let line = text.lines().find(|line| line.contains("click")).unwrap();
    let label = line.split_once("[label=\"").unwrap().1.strip_suffix("\"];").unwrap();
    // Each quote and each other escape within has its backslash.
    let rest = label.replace("\\\\", "").replace("\\\"", "").replace("\\n", "");
    assert!(!rest.contains(['"', '\\', '<']) && !rest.contains("&lt;%"), "{label}");
    assert!(label.contains("&amp;lt;%"), "{label}");
}

/// One role, and for each namespace another resource: the picture does not say that each gets at both.
#[test]
fn a_shared_role_tells_who_reaches_what() {
    let chains = [chain("a", "app", "arn:aws:s3:::images/a/*"), chain("b", "app", "arn:aws:s3:::images/b/*")];
    let graph = Graph::of(&chains, &home());
    let only: Vec<&[String]> =
        graph.edges.iter().filter(|edge| edge.from.starts_with("role:")).map(|edge| &edge.only[..]).collect();
    assert_eq!(only, [["a/app"], ["b/app"]]);
    let same = [chain("a", "app", "arn:aws:s3:::images"), chain("b", "app", "arn:aws:s3:::images")];
    assert!(Graph::of(&same, &home()).edges.iter().all(|edge| edge.only.is_empty()));
}

#[test]
fn large_maps_are_counted_by_namespace() {
    let chains: Vec<Chain> = (0..30)
        .map(|n| chain(if n % 2 == 0 { "a" } else { "b" }, &format!("app-{n}"), "arn:aws:s3:::images"))
        .collect();
    assert!(Graph::of(&chains, &home()).is_large());
    let graph = Graph::by_namespace(&chains);
    let names: Vec<&str> = graph.nodes.iter().map(|node| node.name.as_str()).collect();
    assert_eq!(names, ["a", "b", "s3"]);
    assert_eq!(graph.nodes[0].details, ["15 service accounts, 1 role"]);
    assert_eq!(graph.edges[0].text().as_deref(), Some("read, 1 resource"));
}

#[test]
fn what_was_not_read_stays_selected() {
    let wanted = Selection { role: None, resource: Some("arn:aws:s3:::images/x".parse().unwrap()) };
    for (resource, unread, selected) in [
        ("arn:aws:s3:::images/*", false, true),
        ("arn:aws:s3:::other/*", false, false),
        ("arn:aws:s3:::other/*", true, true),
        ("*", false, true),
    ] {
        let mut chain = chain("a", "app", resource);
        chain.unread = if unread { vec!["not allowed: iam:GetRolePolicy".to_owned()] } else { Vec::new() };
        assert_eq!(chain.select(&wanted), selected, "{resource} {unread}");
    }
    let by =
        |role: &str| chain("a", "app", "*").select(&Selection { role: Some(role.parse().unwrap()), resource: None });
    assert!(by("app") && by("arn:aws:iam::111122223333:role/app"));
    assert!(!by("other") && !by("arn:aws:iam::444455556666:role/app"));
}

#[test]
fn a_cron_job_stands_for_its_runs() {
    let mut names: BTreeSet<String> =
        ["cronjob/report", "job/report-29312", "job/report-by-hand", "job/other-1"].map(str::to_owned).into();
    without_runs(&mut names);
    assert_eq!(names.into_iter().collect::<Vec<_>>(), ["cronjob/report", "job/other-1", "job/report-by-hand"]);
}
