//! The order of the commands, and what several findings come to.

use super::*;
use crate::model::fixtures::subject;

fn assessment(name: &str, role: &str, stage: Stage, readiness: Readiness) -> Assessment {
    let mut it = Assessment {
        subject: subject(name),
        role_arn: format!("arn:aws:iam::111122223333:role/team/{role}"),
        stage,
        readiness,
        trust: None,
        role_shared_with: Vec::new(),
        annotation_owner: Keeper::Unknown,
        workloads: Some(Vec::new()),
        pods: Some(PodCounts { total: 1, irsa: 1, pod_identity: 0 }),
        findings: Vec::new(),
        lacks_trust: stage == Stage::Irsa,
        commands: Vec::new(),
    };
    it.commands = steps::of(&it, "c");
    it
}

#[test]
fn each_stage_goes_on_from_where_it_is() {
    for (stage, readiness, commands) in [
        (
            Stage::Irsa,
            Readiness::Ready,
            &[
                "podid role trust app --service-account a/b --fix --cluster c",
                "podid associate a/b --role app --cluster c",
                "podid recycle a/b --cluster c",
                "podid verify a/b --cluster c",
            ][..],
        ),
        (Stage::Both, Readiness::ReadyWithChanges, &["podid recycle a/b --cluster c", "podid verify a/b --cluster c"]),
        (Stage::PodIdentity, Readiness::Ready, &[]),
        (Stage::Irsa, Readiness::NotReady, &[]),
        (Stage::Irsa, Readiness::Unknown, &[]),
    ] {
        assert_eq!(assessment("a/b", "app", stage, readiness).commands, commands, "{stage:?} {readiness:?}");
    }
}

#[test]
fn service_accounts_of_one_role_come_together_and_kube_system_last() {
    let of = |name: &str, role: &str| assessment(name, role, Stage::Irsa, Readiness::Ready);
    let mut all = vec![of("a/one", "x"), of("b/two", "w"), of("kube-system/dns", "a"), of("z/three", "x")];
    let order = |all: &[Assessment]| -> Vec<String> {
        let each = steps(all, "c").into_iter().map(|step| step.subject.map_or("agent".to_owned(), |it| it.to_string()));
        each.collect()
    };
    assert_eq!(order(&all), ["b/two", "a/one", "z/three", "kube-system/dns"]);
    all[3].findings.push(catalog::AGENT.warns("the cluster", "the agent is not installed"));
    assert_eq!(order(&all)[0], "agent");
}

#[test]
fn the_worst_finding_decides() {
    let check = &catalog::MSK;
    let (ok, warns) = (READY.ok("x", "y"), check.warns("x", "y"));
    let (unknown, fails) = (UNREAD.skips("x", "not allowed: iam:GetRole"), check.fails("x", "y"));
    for (findings, readiness) in [
        (vec![], Readiness::Ready),
        (vec![ok.clone()], Readiness::Ready),
        (vec![ok, warns.clone()], Readiness::ReadyWithChanges),
        (vec![unknown.clone(), warns.clone()], Readiness::Unknown),
        (vec![fails, unknown, warns], Readiness::NotReady),
    ] {
        assert_eq!(Readiness::of(&findings), readiness);
    }
}

#[test]
fn ids_are_unique_and_of_their_link() {
    let mut ids: Vec<&str> = CHECKS.iter().map(|check| check.id).collect();
    assert!(ids.iter().all(|id| id.starts_with("migrate.")));
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), CHECKS.len());
}

#[test]
fn what_holds_one_back() {
    let mut it = assessment("a/b", "app", Stage::Irsa, Readiness::Ready);
    let ids = |it: &Assessment, accepted: &[&str], install: bool| -> Vec<&str> {
        let accepted: Vec<String> = accepted.iter().map(|id| (*id).to_owned()).collect();
        it.held_by(&accepted, install).into_iter().map(|finding| finding.check.id).collect()
    };
    it.findings = vec![READY.ok("x", "y")];
    assert_eq!(ids(&it, &[], false), Vec::<&str>::new());
    it.findings = vec![catalog::AGENT.warns("the cluster", "no agent"), catalog::MSK.warns("role app", "y")];
    assert_eq!(ids(&it, &[], false), ["migrate.agent", "migrate.msk"]);
    assert_eq!(ids(&it, &["migrate.msk"], false), ["migrate.agent"]);
    assert_eq!(ids(&it, &["migrate.msk"], true), Vec::<&str>::new());
    assert_eq!(it.to_accept().into_iter().collect::<Vec<_>>(), ["migrate.msk"]);
    // What is wrong or unread is held, whatever was accepted.
    it.findings = vec![catalog::NODES.fails("x", "y"), UNREAD.skips("x", "not allowed: iam:GetRole")];
    assert_eq!(ids(&it, &["migrate.nodes", "migrate.unread"], true), ["migrate.nodes", "migrate.unread"]);
    assert!(acceptable("migrate.msk").is_ok() && acceptable("migrate.agent").is_err() && acceptable("x").is_err());
}
