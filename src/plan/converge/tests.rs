//! Properties of files: what was carried out plans nothing, what is exported plans nothing, and it is what was applied.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::model::{
    document::Document,
    fixtures, grant,
    have::Observed,
    manifest::{
        Agent, Grants, Inline, Manifest, Metadata, Place, Places, Policies, Role as WantedRole, RoleState, Source,
        Table, Tags, entries, export,
    },
    policy,
    role::{Role as IamRole, RoleContents},
    trust,
    want::{Access, Field, Scope},
};

/// The plan of a manifest.
fn plan(manifest: &Manifest, have: &ClusterState) -> Result<Plan, Vec<Refusal>> {
    let nowhere = |_: &str| Place::default();
    let entries = entries([(manifest.clone(), &nowhere as Places<'_>)]).unwrap_or_else(|p| panic!("{p:#?}"));
    let cluster = fixtures::cluster();
    let mut have = have.clone();
    for role in &entries.roles {
        have.roles.entry(role.value.name.clone()).or_insert_with(|| RoleState {
            role: Observed::Known(None),
            attached: Observed::Known(Vec::new()),
            inline: Observed::Known(BTreeMap::new()),
        });
    }
    let associations: Vec<Expanded<'_>> =
        entries.associations.iter().map(|entry| (entry.value.service_account.parse().unwrap(), entry)).collect();
    converge(&Converge {
        adopt: false,
        copied_from: None,
        cluster: &cluster,
        entries: &entries,
        associations: &associations,
        have: &have,
        agent_version: Some("v1.3.10-eksbuild.1"),
        allow_missing_agent: false,
        allow: crate::model::want::Allowed::default(),
        recycle: false,
    })
}

/// What is there before anything is.
fn empty() -> ClusterState {
    ClusterState { addon: Observed::Known(None), ..ClusterState::default() }
}

fn applied(manifest: &Manifest) -> Option<ClusterState> {
    // Some are larger than IAM takes: that is another test's.
    let plan = plan(manifest, &empty()).ok()?;
    Some(simulate(empty(), &plan.steps))
}

fn inline() -> impl Strategy<Value = Inline> {
    let resource =
        prop_oneof![Just("*"), Just("arn:aws:s3:::b/${aws:PrincipalTag/kubernetes-namespace}/*"), Just("012")];
    ("[a-z]{3,8}", resource).prop_map(|(name, resource)| {
        let statement = json!({"Effect": "Allow", "Action": "s3:GetObject", "Resource": resource});
        Inline { name, source: Source::Document(Document(json!({"Version": "2012-10-17", "Statement": [statement]}))) }
    })
}

fn table() -> impl Strategy<Value = Table> {
    let name = prop_oneof![
        "[a-z]{3,6}".prop_map(|name| name),
        "[a-z]{3,6}".prop_map(|name| format!("eu-west-1:{name}")),
        "[a-z]{3,6}".prop_map(|name| format!("arn:aws:dynamodb:us-west-2:999900001111:table/{name}")),
    ];
    let access = prop_oneof![Just(Access::Read), Just(Access::Write), Just(Access::ReadWrite), Just(Access::Full)];
    let key = prop::option::of(Just("arn:aws:kms:us-west-2:111122223333:key/k".to_owned()));
    (name, access, prop::option::of(prop::collection::vec("[a-z]{3,5}", 1..3)), any::<bool>(), key).prop_map(
        |(table, access, indexes, tenants, kms_key)| {
            let held = matches!(access, Access::Read | Access::Write | Access::ReadWrite);
            Table {
                table,
                access,
                indexes: indexes.filter(|_| access != Access::Write),
                leading_keys: Some("kubernetes-namespace".to_owned()).filter(|_| held && tenants),
                kms_key,
            }
        },
    )
}

fn tags() -> impl Strategy<Value = Field<Tags>> {
    prop_oneof![
        Just(Field::Unmanaged),
        prop::collection::btree_map("[a-z]{1,4}", "[a-z0-9]{0,4}".prop_map(Some), 1..3).prop_map(Field::Set),
    ]
}

/// A list that is not empty, or none: an empty one is the same as none once it is there.
fn listed<T: Clone + std::fmt::Debug + 'static>(
    one: impl Strategy<Value = T> + 'static,
    key: impl Fn(&T) -> String + Clone + 'static,
) -> impl Strategy<Value = Field<Vec<T>>> {
    prop::collection::vec(one, 0..3).prop_map(move |list| {
        let unique: BTreeMap<String, T> = list.into_iter().map(|one| (key(&one), one)).collect();
        let list: Vec<T> = unique.into_values().collect();
        Field::listed(list)
    })
}

fn grants() -> impl Strategy<Value = Grants> {
    let all = [
        ("s3", "bucket/a=read-write"),
        ("sqs", "eu-west-1:orders=consume"),
        ("sns", "arn:aws:sns:us-west-2:999900001111:news=publish"),
        ("secret", "db/main=read"),
        ("ssm", "/app/*=read"),
        ("kms", "alias/app=both"),
        ("kinesis", "clicks=produce"),
        ("firehose", "lake=put"),
        ("events", "default=put"),
        ("logs", "/app=write"),
        ("cloudwatch", "App/Carts=put"),
        ("bedrock", "us.anthropic.claude-x=invoke"),
        ("allow", "xray:PutTraceSegments@*"),
    ];
    // In the order of the catalog, as an export has it.
    prop::sample::subsequence(all.to_vec(), 0..4).prop_map(|some| {
        let list = |(flag, text): (&str, &str)| {
            let service = grant::service(flag).unwrap();
            (service, Field::Set(vec![grant::GrantText::granting(service, text).unwrap()]))
        };
        Grants(some.into_iter().map(list).collect())
    })
}

fn role(name: String, scope: Option<Scope>) -> impl Strategy<Value = WantedRole> {
    let boundary = prop::option::of(Just("arn:aws:iam::aws:policy/B".to_owned()));
    let managed = listed("[A-Z]{1,3}".prop_map(|name| format!("arn:aws:iam::aws:policy/{name}")), Clone::clone);
    let dynamodb = listed(table(), |t| t.table.rsplit([':', '/']).next().unwrap_or_default().to_owned());
    let path = prop::option::of(Just("/team/".to_owned()));
    (path, boundary, tags(), dynamodb, managed, listed(inline(), |i| i.name.clone()), grants()).prop_map(
        move |(path, boundary, tags, dynamodb, managed, inline, grants)| WantedRole {
            name: name.clone(),
            path,
            scope,
            permissions_boundary: Field::from(boundary),
            tags,
            policies: Policies { dynamodb, grants, managed, inline },
        },
    )
}

/// One that needs no session tags, where some associations have none.
fn manifests() -> impl Strategy<Value = Manifest> {
    let scopes =
        prop_oneof![Just(None), Just(Some(Scope::Namespace)), Just(Some(Scope::Cluster)), Just(Some(Scope::None))];
    let roles = prop::collection::vec(scopes, 1..4)
        .prop_flat_map(|scopes| {
            scopes.into_iter().enumerate().map(|(i, scope)| role(format!("role-{i}"), scope)).collect::<Vec<_>>()
        })
        .boxed();
    let users = prop::collection::btree_map("[a-c]/[a-f]", (any::<prop::sample::Index>(), any::<bool>(), tags()), 1..6);
    let agent = prop::option::of(prop::option::of(Just(json!({"a": 1}))));
    (roles, users, agent, prop::option::of(Just("file".to_owned()))).prop_map(|(mut roles, users, agent, name)| {
        let mut used = BTreeSet::new();
        let associations: Vec<Association> = users
            .into_iter()
            .map(|(service_account, (index, off, tags))| {
                let role = &roles[index.index(roles.len())];
                used.insert(role.name.clone());
                let off = off && matches!(role.scope, Some(Scope::Cluster | Scope::None));
                Association {
                    service_account,
                    role: role.name.clone(),
                    disable_session_tags: Field::switch(off),
                    tags,
                    ..Association::default()
                }
            })
            .collect();
        roles.retain(|role| used.contains(&role.name));
        let configuration = |value: Option<serde_json::Value>| Field::from(value);
        let agent = agent.map(|value| Agent { version: Some("v1".to_owned()), configuration: configuration(value) });
        Manifest { metadata: Metadata { name }, agent, roles, associations, ..Manifest::default() }
    })
}

/// As an export writes it: what is the same in other words is in its words.
fn normal(mut manifest: Manifest) -> Manifest {
    for role in &mut manifest.roles {
        if role.path.as_deref() == Some("/podid/") {
            role.path = None;
        }
        if let Field::Set(list) = &mut role.policies.managed {
            list.sort();
        }
        if let Field::Set(list) = &mut role.policies.dynamodb {
            list.sort_by(|a, b| a.table.cmp(&b.table));
        }
    }
    for role in &mut manifest.roles {
        let users = manifest.associations.iter().filter(|a| a.role == role.name);
        let mut own = users
            .map(|a| if a.disable_session_tags == Field::Set(true) { Scope::Cluster } else { Scope::ServiceAccount });
        if own.all(|own| role.scope == Some(own)) {
            role.scope = None;
        }
    }
    manifest.roles.sort_by(|a, b| a.name.cmp(&b.name));
    manifest.associations.sort_by(|a, b| a.service_account.cmp(&b.service_account));
    manifest.cluster = None;
    manifest.region = None;
    manifest
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn what_was_carried_out_plans_nothing(manifest in manifests()) {
        let Some(have) = applied(&manifest) else { return Ok(()) };
        let again = plan(&manifest, &have).unwrap();
        prop_assert!(again.is_empty(), "{:#?}", again.steps);
    }

    #[test]
    fn what_is_exported_plans_nothing_and_is_what_was_applied(manifest in manifests()) {
        let Some(have) = applied(&manifest) else { return Ok(()) };
        let (exported, notes) = export(&fixtures::cluster(), &have);
        prop_assert!(notes.is_empty(), "{notes:?}");
        let again = plan(&exported, &have).unwrap();
        prop_assert!(again.is_empty(), "{:#?}\n{exported:#?}", again.steps);
        prop_assert_eq!(normal(exported), normal(manifest));
    }

    /// From any file to any other: carried out, it is there.
    #[test]
    fn from_one_to_another(before in manifests(), after in manifests()) {
        let Some(have) = applied(&before) else { return Ok(()) };
        let mut after = after;
        // A role cannot move to another path.
        for role in &mut after.roles {
            let there = before.roles.iter().find(|other| other.name == role.name);
            role.path = there.map_or(role.path.clone(), |there| there.path.clone());
        }
        let Ok(plan_there) = plan(&after, &have) else { return Ok(()) };
        let have = simulate(have, &plan_there.steps);
        let again = plan(&after, &have).unwrap();
        prop_assert!(again.is_empty(), "{:#?}", again.steps);
        // Whoever is associated is admitted.
        for (subject, association) in &have.associations {
            let cluster = fixtures::cluster();
            let Some(Some(role)) = have.roles[association.role_arn.rsplit('/').next().unwrap()].role.known() else { panic!() };
            let request = crate::model::trust::Request {
                cluster: &cluster,
                subject,
                session_tags: !association.disable_session_tags,
                now: None,
                pod: None,
            };
            prop_assert_eq!(crate::model::trust::evaluate(&role.trust, &request), crate::model::trust::Verdict::Admits);
        }
    }
}

/// Who is in no file and was admitted by a statement that is narrowed keeps one of its own.
#[test]
fn narrowing_locks_nobody_out() {
    let of = |scope, users: &[&str]| Manifest {
        roles: vec![WantedRole { name: "shared".to_owned(), scope: Some(scope), ..WantedRole::default() }],
        associations: users
            .iter()
            .map(|user| Association {
                service_account: (*user).to_owned(),
                role: "shared".to_owned(),
                ..Association::default()
            })
            .collect(),
        ..Manifest::default()
    };
    let have = applied(&of(Scope::None, &["a/f", "b/a"])).unwrap();
    let narrowed = plan(&of(Scope::Namespace, &["a/f"]), &have).unwrap();
    let [Step::PutTrust { after, .. }] = &narrowed.steps[..] else { panic!("{:#?}", narrowed.steps) };
    let stranger = "b/a".parse().unwrap();
    let own = crate::model::trust::podid_statement(after, &fixtures::cluster(), &stranger);
    let narrow = crate::model::trust::statement(&fixtures::cluster(), &stranger, Scope::ServiceAccount, true);
    assert_eq!(own, Some(&narrow));
    // Of another role, it is none of this one's business.
    let mut elsewhere = have;
    elsewhere.associations.get_mut(&stranger).unwrap().role_arn =
        "arn:aws:iam::111122223333:role/podid/other".to_owned();
    let narrowed = plan(&of(Scope::Namespace, &["a/f"]), &elsewhere).unwrap();
    let [Step::PutTrust { after, .. }] = &narrowed.steps[..] else { panic!("{:#?}", narrowed.steps) };
    assert_eq!(crate::model::trust::podid_statement(after, &fixtures::cluster(), &stranger), None);
}

/// What carries a manifest's name and is in none goes. What an add-on owns stays, and a role that others use, without its statement.
#[test]
fn what_is_in_no_manifest_is_pruned_unless_others_need_it() {
    let (cluster, carts, orders) =
        (fixtures::cluster(), fixtures::subject("carts/carts"), fixtures::subject("orders/orders"));
    let of = |subject: &ServiceAccount| trust::statement(&cluster, subject, Scope::ServiceAccount, true);
    let others = of(&orders);
    let alone = fixtures::role("app", trust::document(of(&carts)));
    let both = Document(json!({"Version": "2012-10-17", "Statement": [of(&carts), others]}));
    let shared = IamRole { trust: both, ..alone.clone() };
    let manifest = Manifest {
        roles: vec![WantedRole { name: "new".to_owned(), scope: Some(Scope::Cluster), ..WantedRole::default() }],
        ..Manifest::default()
    };
    let (end, trust, delete) = ("delete-association/carts/carts", "put-trust", "delete-role");
    let (stays, machines) = (vec!["used".to_owned()], vec!["nodes".to_owned()]);
    for (role, owner, stays, instance_profiles, wanted) in [
        (&alone, None, Vec::new(), Vec::new(), vec![end, delete]),
        (&alone, Some("arn:aws:eks:us-west-2:111122223333:addon/c/n/1"), stays.clone(), Vec::new(), Vec::new()),
        (&shared, None, stays.clone(), Vec::new(), vec![end, trust]),
        (&alone, None, stays, Vec::new(), vec![end]),
        (&alone, None, Vec::new(), machines, vec![end]),
    ] {
        let mut association = fixtures::association(&role.arn.to_string());
        association.summary.owner_arn = owner.map(str::to_owned);
        let kept = !wanted.contains(&delete);
        let state = RoleState {
            role: Observed::Known(Some(role.clone())),
            attached: Observed::Known(Vec::new()),
            inline: Observed::Known(BTreeMap::new()),
        };
        let contents = RoleContents { role: role.clone(), attached: Vec::new(), inline: Vec::new(), instance_profiles };
        let mut have = empty();
        have.associations.insert(carts.clone(), association);
        have.roles.insert("app".to_owned(), state);
        have.leftover.associations.insert(carts.clone());
        have.leftover.roles.push((contents, stays));
        let plan = plan(&manifest, &have).unwrap();
        let mut ids: Vec<String> = plan.steps.iter().map(Step::id).filter(|id| id != "create-role").collect();
        ids.sort_unstable();
        assert_eq!(ids, wanted);
        assert_eq!(plan.warnings.iter().any(|warning| warning.starts_with("keeping role `app`")), kept);
        let after = plan.steps.iter().find_map(|step| match step {
            Step::PutTrust { after, .. } => Some(after.statements().into_iter().cloned().collect::<Vec<_>>()),
            _ => None,
        });
        assert!(after.is_none_or(|after| after == [others.clone()]));
    }
}

/// Steps without whose role they are on: a file asks before it extends a role, even one of a single service account.
fn of_anybody(mut steps: Vec<Step>) -> Vec<Step> {
    for step in &mut steps {
        if let Step::AttachPolicy { holder, .. } | Step::PutPolicy { holder, .. } = step {
            *holder = crate::plan::RoleOwnership::Shared;
        }
    }
    steps
}

/// A table or a managed policy: how much is asked for, and whether it is there already.
type Asked = BTreeMap<String, (usize, bool)>;

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    /// Where a role has nothing else, what flags ask for and what a file says of it come to the same steps.
    #[test]
    fn flags_and_the_equivalent_file_come_to_the_same_steps(
        tables in prop::collection::btree_map("[a-z]{3,5}", (0..Access::ALL.len(), any::<bool>()), 0..4),
        managed in prop::collection::btree_map("[A-Z]{1,3}", (Just(0usize), any::<bool>()), 0..3),
        trusted in any::<bool>(),
        associated in any::<bool>(),
        off in any::<bool>(),
    ) {
        let (cluster, subject) = (fixtures::cluster(), fixtures::subject("carts/carts"));
        let of = |asked: &Asked, all: bool| -> Vec<(String, usize)> {
            asked.iter().filter(|(_, (_, there))| all || *there).map(|(name, (n, _))| (name.clone(), *n)).collect()
        };
        let grants = |all: bool| -> Vec<crate::model::want::TableGrant> {
            let one = |(name, n): (String, usize)| format!("{name}={}", Access::ALL[n]);
            let texts = of(&tables, all).into_iter().map(one);
            texts.map(|text| policy::parse_table(&text, "aws", "us-west-2", "111122223333").unwrap()).collect()
        };
        let arns = |all: bool| -> Vec<String> {
            of(&managed, all).into_iter().map(|(name, _)| format!("arn:aws:iam::aws:policy/{name}")).collect()
        };
        let scope = trust::default_scope(!off);
        let statement = trust::statement(&cluster, &subject, scope, !off);
        let list = if trusted { vec![statement] } else { Vec::new() };
        let mut role = fixtures::role("app", Document(json!({"Version": "2012-10-17", "Statement": list})));
        role.tags = crate::model::tags::association_tags(&cluster, &subject);
        let there = grants(false);
        let document = (!there.is_empty()).then(|| (policy::DYNAMODB.to_owned(), policy::dynamodb(&there)));
        let present = associated.then(|| fixtures::association(&role.arn.to_string()));
        let role = RoleState {
            role: Observed::Known(Some(role)),
            attached: Observed::Known(arns(false)),
            inline: Observed::Known(document.into_iter().collect()),
        };

        let mut want = fixtures::want("app");
        (want.role.tables, want.role.policy_arns) = (grants(true), arns(true));
        want.disable_session_tags = Field::switch(off);
        let have = crate::model::have::Have {
            role: role.role.clone(),
            attached: role.attached.clone(),
            inline: role.inline.clone(),
            association: Observed::Known(present.clone()),
            ..fixtures::have()
        };
        let by_flags = crate::plan::associate(&want, &have).unwrap();

        let table = |(table, n): (String, usize)| Table {
            table, access: Access::ALL[n], indexes: None, leading_keys: None, kms_key: None,
        };
        let dynamodb: Vec<Table> = of(&tables, true).into_iter().map(table).collect();
        let manifest = Manifest {
            roles: vec![WantedRole {
                name: "app".to_owned(),
                policies: Policies { dynamodb: Field::Set(dynamodb), managed: Field::Set(arns(true)), ..Policies::default() },
                ..WantedRole::default()
            }],
            associations: vec![Association {
                service_account: subject.to_string(),
                role: "app".to_owned(),
                disable_session_tags: want.disable_session_tags.clone(),
                ..Association::default()
            }],
            ..Manifest::default()
        };
        let mut holdings = empty();
        holdings.roles.insert("app".to_owned(), role);
        holdings.associations.extend(present.map(|present| (subject.clone(), present)));
        let by_file = plan(&manifest, &holdings).unwrap();
        prop_assert_eq!(of_anybody(by_flags.steps), of_anybody(by_file.steps));
    }
}
