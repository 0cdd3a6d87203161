//! The tests of the plan of `associate`.

use std::collections::BTreeMap;

use serde_json::json;

use super::*;
use crate::model::{
    document::Document,
    fixtures::{agent, association, at, cluster, have, node, role, subject, want},
    have::ServiceAccountState,
    policy, tags,
    trust::{self, PRINCIPAL},
    want::{InlinePolicy, Scope, TableGrant},
    workload::Strategy,
};

/// A trust policy that a person wrote and that admits every pod.
fn open() -> Document {
    Document(json!({"Version": "2012-10-17", "Statement": [{"Sid": "Pods", "Effect": "Allow",
        "Principal": {"Service": PRINCIPAL}, "Action": ["sts:AssumeRole", "sts:TagSession"]}]}))
}

fn have_role(trust: Document) -> Have {
    Have { role: Observed::Known(Some(role("app", trust))), ..have() }
}

fn has(lines: &[String], part: &str) {
    assert!(lines.iter().any(|line| line.contains(part)), "{lines:#?}\nlacks {part}");
}

#[test]
fn an_existing_role_that_admits_needs_only_the_association() {
    let plan = planned(&want("app"), &have_role(open()));
    assert_eq!((ids(&plan), plan.warnings), (vec!["create-association".to_owned()], vec![]));
    let mut there = have_role(open());
    there.association = Observed::Known(Some(association("arn:aws:iam::111122223333:role/app")));
    assert!(planned(&want("app"), &there).is_empty());
    assert!(planned(&want("arn:aws:iam::111122223333:role/app"), &there).is_empty());
}

#[test]
fn roles_that_cannot_be_used() {
    let missing = refused(&want("app"), &have());
    assert_eq!(missing.message, "role `app` does not exist in account 111122223333");
    has(&missing.hints, "`--create-role`");
    for (arn, part) in [
        ("arn:aws:iam::999999999999:role/app", "in account 999999999999"),
        ("arn:aws-cn:iam::111122223333:role/app", "in partition `aws-cn`"),
        ("arn:aws:iam::111122223333:role/x/app", "not arn:aws:iam::111122223333:role/x/app"),
    ] {
        has(&[refused(&want(arn), &have_role(open())).message], part);
    }
}

#[test]
fn a_foreign_broken_trust_is_explained_not_touched() {
    let mut trust = open();
    trust.0["Statement"][0]["Action"] = json!("sts:AssumeRole");
    let refusal = refused(&want("app"), &have_role(trust));
    assert_eq!(
        refusal.message,
        "the trust policy of role `app` does not allow carts/carts: \
         sts:TagSession is not allowed (statement `Pods` allows only sts:AssumeRole)"
    );
    has(&refusal.hints, "\"sts:TagSession\"");
    has(&refusal.hints, "aws iam update-assume-role-policy --role-name app");
    let denied = Document(json!({"Statement": [{"Effect": "Deny", "Principal": "*", "Action": "*"}]}));
    has(&refused(&want("app"), &have_role(denied)).hints, "no added statement overrules a Deny");
}

#[test]
fn a_role_nobody_may_read_is_used_with_a_warning() {
    let mut there = have();
    there.role = Observed::Unreadable("iam:GetRole denied".to_owned());
    let plan = planned(&want("app"), &there);
    assert_eq!(plan.warnings[0], "trust not checked: iam:GetRole denied");
    assert_eq!(ids(&plan), ["create-association"]);
    // The associated ARN tells the path.
    there.association = Observed::Known(Some(association("arn:aws:iam::111122223333:role/team/app")));
    assert!(planned(&want("app"), &there).is_empty());
}

#[test]
fn a_created_role_has_tags_path_boundary_and_a_narrow_trust() {
    let mut wanted = creating();
    wanted.role.boundary = Some("arn:aws:iam::111122223333:policy/b".to_owned());
    wanted.tags = BTreeMap::from([("team".to_owned(), "store".to_owned())]);
    let plan = planned(&wanted, &have());
    let Step::CreateRole(new) = &plan.steps[0] else { panic!("{plan:?}") };
    assert!(new.name.starts_with("eks-workshop-carts-carts-") && new.name.len() == 33, "{}", new.name);
    assert_eq!(new.path, "/podid/");
    assert_eq!(new.arn.to_string(), format!("arn:aws:iam::111122223333:role/podid/{}", new.name));
    assert_eq!(new.permissions_boundary, wanted.role.boundary);
    assert_eq!((new.tags.len(), new.tags["team"].as_str()), (5, "store"));
    assert_eq!(
        new.trust,
        trust::document(trust::statement(&cluster(), &subject("carts/carts"), Scope::ServiceAccount, true))
    );
    let mut long = fixtures::subject("carts/carts");
    long.name = "x".repeat(253);
    let name = crate::model::role::derived_name(&cluster(), &long);
    assert!(name.len() == 64 && crate::model::arn::check_role_name(&name).is_ok());
}

#[test]
fn create_adopts_only_its_own_role() {
    let wanted = creating();
    let made = after(&wanted, have());
    assert!(planned(&wanted, &made).is_empty());
    for key in tags::association_tags(&cluster(), &subject("carts/carts")).keys() {
        let mut other = made.clone();
        role_mut(&mut other).tags.insert(key.clone(), "other".to_owned());
        let refusal = refused(&wanted, &other);
        has(&[refusal.message], &format!("{key} is `other`"));
        has(&refusal.hints, "without `--create-role`");
    }
    // Other wishes for a role that is there are named, not carried out.
    let mut differs = wanted.clone();
    differs.role.path = Some("/x/".to_owned());
    differs.role.boundary = Some("arn:b".to_owned());
    let plan = planned(&differs, &made);
    assert!(plan.is_empty());
    has(&plan.warnings, "path stays /podid/ (requested: /x/)");
    has(&plan.warnings, "permissions boundary stays unset (requested: arn:b)");
}

#[test]
fn scopes_and_session_tags() {
    let mut wanted = creating();
    wanted.disable_session_tags = Field::Set(true);
    let plan = planned(&wanted, &have());
    let Step::CreateRole(new) = &plan.steps[0] else { panic!() };
    assert_eq!(new.trust.statements()[0]["Condition"]["ArnEquals"]["aws:SourceArn"], cluster().arn.to_string());
    wanted.role.scope = Some(Scope::Namespace);
    has(&[refused(&wanted, &have()).message], "scope `namespace` needs session tags");
    // Another scope for a role of podid's own is an update; for a foreign one it does not apply.
    let made = after(&creating(), have());
    let mut wider = creating();
    wider.role.scope = Some(Scope::Cluster);
    let plan = planned(&wider, &made);
    assert_eq!(ids(&plan), ["put-trust"]);
    assert!(plan.changes());
    let mut foreign = want("app");
    foreign.role.scope = Some(Scope::Cluster);
    has(&planned(&foreign, &have_role(open())).warnings, "`--scope` does not apply");
    // Turning the tags off widens what podid wrote, and says so.
    let mut off = creating();
    off.disable_session_tags = Field::Set(true);
    let plan = planned(&off, &made);
    assert_eq!(ids(&plan), ["put-trust", "update-association"]);
    has(&plan.warnings, "has to trust every service account of cluster eks-workshop");
}

#[test]
fn a_full_trust_policy_names_the_wider_scope() {
    let mut there = after(&creating(), have());
    let name = role_mut(&mut there).name.clone();
    there.association = Observed::Known(None);
    let mut last = Ok(Plan::default());
    for number in 0..12 {
        let mut wanted = want(&name);
        wanted.subject = subject(&format!("carts/worker-{number}"));
        last = associate(&wanted, &there);
        let Ok(plan) = &last else { break };
        for step in plan.steps.iter().filter(|step| matches!(step, Step::PutTrust { .. })) {
            apply(step, &mut there);
        }
    }
    let refusal = last.unwrap_err();
    has(&[refusal.message], "characters; the IAM limit is 2048");
    assert_eq!(refusal.hints.len(), 1);
    has(&refusal.hints, "--scope");
    assert!(role_mut(&mut there).trust.statements().len() >= 5);
}

#[test]
fn policies_are_written_only_where_missing_or_different() {
    let mut wanted = want("app");
    wanted.role.policy_arns = vec!["arn:a".to_owned(), "arn:b".to_owned()];
    wanted.role.policy_files =
        vec![InlinePolicy { name: "s3".to_owned(), document: Document(json!({"Statement": []})) }];
    wanted.role.tables = vec![policy::parse_table("carts", "aws", "us-west-2", "111122223333").unwrap()];
    let mut there = have_role(open());
    there.attached = Observed::Known(vec!["arn:a".to_owned()]);
    assert_eq!(
        ids(&planned(&wanted, &there)),
        ["attach-policy/arn:b", "put-policy/podid-dynamodb", "put-policy/s3", "create-association"]
    );
    let done = after(&wanted, there.clone());
    assert!(planned(&wanted, &done).is_empty());
    // What cannot be read is not overwritten; attaching twice does no harm.
    there.attached = Observed::Unreadable("denied".to_owned());
    has(
        &planned(&wanted, &Have { inline: Observed::Known(BTreeMap::new()), ..there.clone() }).warnings,
        "not checked: denied",
    );
    there.inline = Observed::Unreadable("denied".to_owned());
    has(&[refused(&wanted, &there).message], "cannot read the inline policies of role `app`: denied");
    wanted.role.policy_files[0].document = Document(json!({"Statement": "x".repeat(policy::MAX_INLINE)}));
    has(&[refused(&wanted, &have_role(open())).message], "the IAM limit is 10240");
}

#[test]
fn an_existing_association_changes_only_in_what_was_named() {
    let old = association("arn:aws:iam::111122223333:role/old");
    let mut there = have_role(open());
    there.association = Observed::Known(Some(old.clone()));
    let plan = planned(&want("app"), &there);
    assert_eq!(plan.steps[0].describe(), "update the association of carts/carts (role old -> app)");
    let Step::UpdateAssociation { change, .. } = &plan.steps[0] else { panic!() };
    assert_eq!(change.disable_session_tags, None);
    let mut tagged = want("app");
    tagged.tags = BTreeMap::from([("team".to_owned(), "store".to_owned())]);
    there.association = Observed::Known(Some(association("arn:aws:iam::111122223333:role/app")));
    assert_eq!(ids(&planned(&tagged, &there)), ["tag-association"]);
    // A session policy needs disabled tags.
    let mut bound = old.clone();
    (bound.policy, bound.disable_session_tags) = (Some("{}".to_owned()), true);
    there.association = Observed::Known(Some(bound));
    let mut on = want("app");
    on.disable_session_tags = Field::Set(false);
    has(&[refused(&on, &there).message], "has a session policy");
    // An add-on's association is the add-on's.
    let mut owned = old;
    owned.summary.owner_arn = Some("arn:aws:eks:us-west-2:111122223333:addon/eks-workshop/vpc-cni/uuid".to_owned());
    there.association = Observed::Known(Some(owned));
    let refusal = refused(&want("app"), &there);
    has(&[refusal.message], "belongs to the EKS add-on `vpc-cni`");
    has(&refusal.hints, "podid addon associate vpc-cni --service-account carts");
    // Not read is not nothing.
    there.association = Observed::Unreadable("denied".to_owned());
    has(&[refused(&want("app"), &there).message], "cannot read the association");
}

#[test]
fn an_irsa_role_is_a_switch_and_counts_as_an_update() {
    let mut there = have_role(open());
    let irsa_role = Some("arn:aws:iam::111122223333:role/irsa".to_owned());
    there.service_account = Observed::Known(ServiceAccountState::Exists { irsa_role });
    let plan = planned(&want("app"), &there);
    assert!(plan.updates && plan.changes());
    assert_eq!(
        plan.warnings,
        [
            "pods switch from role arn:aws:iam::111122223333:role/irsa (IRSA) to role arn:aws:iam::111122223333:role/app \
          at their next restart"
        ]
    );
    there.association = Observed::Known(Some(association("arn:aws:iam::111122223333:role/app")));
    assert!(!planned(&want("app"), &there).updates);
}

#[test]
fn service_accounts_are_created_only_on_request() {
    let near = vec![subject("carts/cart")];
    let mut there = have_role(open());
    there.service_account = Observed::Known(ServiceAccountState::Missing { near: near.clone() });
    let refusal = refused(&want("app"), &there);
    assert_eq!(refusal.message, "service account carts/carts does not exist; did you mean `carts/cart`?");
    has(&refusal.hints, "--create-service-account");
    has(&refusal.hints, "--allow-missing-service-account");
    let mut allows = want("app");
    allows.allow.service_account = true;
    has(&planned(&allows, &there).warnings, "service account carts/carts does not exist");
    assert_eq!(ids(&planned(&allows, &there)), ["create-association"]);
    let mut creates = want("app");
    creates.create_service_account = true;
    assert_eq!(ids(&planned(&creates, &there)), ["create-service-account", "create-association"]);
    // Its namespace is not created, and no command creates one that was typed wrong.
    there.service_account = Observed::Known(ServiceAccountState::NoNamespace { near, namespaces: Vec::new() });
    for want in [&want("app"), &creates] {
        let refusal = refused(want, &there);
        assert_eq!(refusal.message, "namespace `carts` does not exist; did you mean `carts/cart`?");
        assert!(!refusal.hints.iter().any(|hint| hint.contains("kubectl")), "{refusal:?}");
    }
    let nothing_near = ServiceAccountState::NoNamespace { near: Vec::new(), namespaces: Vec::new() };
    there.service_account = Observed::Known(nothing_near);
    has(&refused(&creates, &there).hints, "kubectl create namespace carts");
    assert_eq!(ids(&planned(&allows, &there)), ["create-association"]);
    // What could not be read is no refusal.
    there.service_account = Observed::Unreadable("not allowed: get serviceaccounts".to_owned());
    has(&planned(&want("app"), &there).warnings, "not checked");
    // An association that is there already is no typing error of today.
    there.service_account = Observed::Known(ServiceAccountState::Missing { near: Vec::new() });
    there.association = Observed::Known(Some(association("arn:aws:iam::111122223333:role/app")));
    has(&planned(&want("app"), &there).warnings, "does not exist");
}

#[test]
fn access_to_a_table_that_does_not_exist_is_not_granted_unasked() {
    let table = |missing: Option<Vec<String>>| TableGrant {
        missing,
        ..policy::parse_table("orders", "aws", "us-west-2", "111122223333").unwrap()
    };
    let there = Have { inline: Observed::Known(BTreeMap::new()), ..have_role(open()) };
    let wanted = |missing: Option<Vec<String>>| {
        let mut wanted = want("app");
        wanted.role.tables = vec![table(missing)];
        wanted
    };
    assert!(!planned(&wanted(None), &there).is_empty());
    let refusal = refused(&wanted(Some(vec!["order".to_owned()])), &there);
    assert_eq!(
        refusal.message,
        "table arn:aws:dynamodb:us-west-2:111122223333:table/orders does not exist; did you mean `order`?"
    );
    has(&refusal.hints, "--allow-missing-resources");
    // All that is missing is told at once.
    let mut both = there.clone();
    both.service_account = Observed::Known(ServiceAccountState::Missing { near: Vec::new() });
    let refusal = refused(&wanted(Some(Vec::new())), &both);
    assert!(refusal.message.contains("service account carts/carts") && refusal.message.contains("table/orders"));
    let mut allows = wanted(Some(Vec::new()));
    allows.allow.resources = true;
    has(&planned(&allows, &there).warnings, "table/orders does not exist");
    // Access that is granted already is not new.
    let granted = policy::dynamodb(&[table(None)]);
    let granted = Have { inline: Observed::Known(BTreeMap::from([(policy::DYNAMODB.to_owned(), granted)])), ..there };
    has(&planned(&wanted(Some(Vec::new())), &granted).warnings, "table/orders does not exist");
}

#[test]
fn no_agent_where_the_pods_run_is_refused() {
    let mut there = have_role(open());
    there.agent = Observed::Known(agent(&[node("n1"), node("n2")], &["n2"]));
    let refusal = refused(&want("app"), &there);
    assert_eq!(refusal.message, "no ready agent where the pods run or could run: n1 (its agent pod is not ready)");
    has(&refusal.hints, "--allow-missing-agent");
    let mut allows = want("app");
    allows.allow_missing_agent = true;
    has(&planned(&allows, &there).warnings, "no ready agent");
    // Not installed: can be installed, once.
    let mut none = agent(&[node("n1")], &[]);
    (none.addon, none.daemon_sets) = (None, Vec::new());
    there.agent = Observed::Known(none.clone());
    has(&refused(&want("app"), &there).hints, "`--install-agent`");
    let mut installs = want("app");
    installs.install_agent = Some("v1".to_owned());
    assert_eq!(ids(&planned(&installs, &there)), ["install-agent", "create-association"]);
    assert!(planned(&installs, &after(&installs, there.clone())).is_empty());
    // The add-on does not cover a hybrid node.
    none.nodes[0].labels.insert("eks.amazonaws.com/compute-type".to_owned(), "hybrid".to_owned());
    there.agent = Observed::Known(none.clone());
    has(&[refused(&installs, &there).message], "n1");
    // Auto Mode has it built in.
    none.auto_mode = true;
    none.nodes[0].labels.insert("eks.amazonaws.com/compute-type".to_owned(), "auto".to_owned());
    there.agent = Observed::Known(none.clone());
    assert_eq!(ids(&planned(&installs, &there)), ["create-association"]);
    // No pods yet: an agent somewhere is enough, and none at all is refused as where there are pods.
    (there.pods, there.workloads) = (Observed::Known(vec![]), Observed::Known(vec![]));
    there.agent = Observed::Known(agent(&[node("n1"), node("n2")], &["n2"]));
    has(&planned(&want("app"), &there).warnings, "no pods use it yet, and some nodes have no ready agent: n1");
    (none.auto_mode, none.nodes) = (false, vec![node("n1")]);
    there.agent = Observed::Known(none);
    let refusal = refused(&want("app"), &there);
    assert_eq!(
        refusal.message,
        "new pods would get no credentials: no node has a ready agent (the agent is not installed)"
    );
    has(&refusal.hints, "`--install-agent`");
    has(&refusal.hints, "--allow-missing-agent");
    has(&planned(&allows, &there).warnings, "new pods would get no credentials");
    assert_eq!(ids(&planned(&installs, &there)), ["install-agent", "create-association"]);
    // Unreadable: a warning.
    there.agent = Observed::Unreadable("nodes: forbidden".to_owned());
    has(&planned(&want("app"), &there).warnings, "agent not checked: nodes: forbidden");
    has(&[refused(&installs, &there).message], "cannot determine whether the agent is installed");
}

#[test]
fn recycle_restarts_only_what_is_stale() {
    let mut wanted = want("app");
    wanted.recycle = true;
    let there = have_role(open());
    assert_eq!(ids(&planned(&wanted, &there)), ["create-association", "restart/carts/deployment/carts"]);
    // Injected pods of an association that stands: nothing.
    let done = after(&wanted, there.clone());
    assert!(planned(&wanted, &done).is_empty());
    // An update makes every pod stale.
    let mut moved = done.clone();
    association_mut(&mut moved).role_arn = "arn:aws:iam::111122223333:role/old".to_owned();
    assert_eq!(ids(&planned(&wanted, &moved)), ["update-association", "restart/carts/deployment/carts"]);
    // Interrupted before the restart: the second run restarts.
    let mut half = there.clone();
    half.association = done.association.clone();
    assert_eq!(ids(&planned(&wanted, &half)), ["restart/carts/deployment/carts"]);
    // Under way already.
    let mut under_way = half.clone();
    let Observed::Known(workloads) = &mut under_way.workloads else { panic!() };
    workloads[0].restarted_at = Some(at(110).to_string());
    workloads[0].status.updated = 1;
    let plan = planned(&wanted, &under_way);
    assert!(plan.is_empty() && plan.watch.len() == 1, "{plan:?}");
    let mut loose = half;
    let Observed::Known(workloads) = &mut loose.workloads else { panic!() };
    workloads[0].strategy = Strategy::OnDelete;
    assert!(planned(&wanted, &loose).is_empty());
}
