//! Only what is wanted is written, and only what is named goes.

mod services;

use serde_json::json;

use super::*;
use crate::model::policy::parse_table;

const ARN: &str = "arn:aws:iam::aws:policy/A";

fn grant(text: &str) -> TableGrant {
    parse_table(text, "aws", "us-west-2", "111122223333").unwrap()
}

fn file(name: &str, resource: &str) -> InlinePolicy {
    let statement = json!({"Effect": "Allow", "Action": "s3:GetObject", "Resource": resource});
    InlinePolicy { name: name.to_owned(), document: Document(json!({"Statement": statement})) }
}

fn inline(policies: &[(&str, Document)]) -> Observed<BTreeMap<String, Document>> {
    Observed::Known(policies.iter().map(|(name, document)| ((*name).to_owned(), document.clone())).collect())
}

fn of<'a>(attached: &'a Observed<Vec<String>>, inline: &'a Observed<BTreeMap<String, Document>>) -> Policies<'a> {
    Policies::keep("app", RoleOwnership::Shared, (attached, inline), Provenance::Flags)
}

fn ids(plan: &Plan) -> Vec<String> {
    plan.steps.iter().map(Step::id).collect()
}

#[test]
fn only_what_is_missing_or_differs_is_written() {
    let (tables, files, arns) = ([grant("carts")], [file("s3", "arn:aws:s3:::b/*")], [ARN.to_owned()]);
    let plan = |attached: &[&str], there: &[(&str, Document)]| {
        let attached = Observed::Known(attached.iter().map(|arn| (*arn).to_owned()).collect());
        let inline = inline(there);
        policies(&Policies {
            tables: Wanted::AtLeast(&tables),
            managed: Wanted::AtLeast(&arns),
            documents: Wanted::AtLeast(&files),
            ..of(&attached, &inline)
        })
        .unwrap()
    };
    let all = [format!("attach-policy/{ARN}"), "put-policy/podid-dynamodb".to_owned(), "put-policy/s3".to_owned()];
    let dynamodb = policy::dynamodb(&tables);
    assert_eq!(ids(&plan(&[], &[])), all);
    assert_eq!(ids(&plan(&[ARN], &[])), all[1..]);
    assert_eq!(ids(&plan(&[ARN], &[(DYNAMODB, dynamodb.clone())])), all[2..]);
    assert!(plan(&[ARN], &[(DYNAMODB, dynamodb.clone()), ("s3", files[0].document.clone())]).is_empty());
    let other = file("s3", "arn:aws:s3:::c/*").document;
    let update = plan(&[ARN], &[(DYNAMODB, dynamodb), ("s3", other.clone())]);
    assert!(matches!(&update.steps[..], [Step::PutPolicy { before: Some(before), .. }] if *before == other));
}

#[test]
fn the_limit_is_one_over_all_inline_policies() {
    let large = |characters: usize| file("x", &"x".repeat(characters)).document;
    let plan = |there: &[(&str, Document)]| {
        let (attached, inline, files) = (Observed::NotRequested, inline(there), [file("s3", "arn:aws:s3:::b/*")]);
        policies(&Policies { documents: Wanted::AtLeast(&files), ..of(&attached, &inline) })
    };
    let mine = file("s3", "arn:aws:s3:::b/*").document.size();
    let around = large(0).size();
    let room = MAX_INLINE - mine - 2 * around;
    assert!(plan(&[("a", large(room / 2)), ("b", large(room - room / 2))]).is_ok());
    let refusal = plan(&[("a", large(room / 2)), ("b", large(room - room / 2 + 1))]).unwrap_err();
    assert!(refusal.message.contains("would have 10241 characters together; the IAM limit is 10240 (largest: b "));
    // One that is over the limit already and stays as it is, is IAM's and not podid's affair.
    let there = [("a", large(MAX_INLINE)), ("s3", file("s3", "arn:aws:s3:::b/*").document)];
    assert!(plan(&there).unwrap().is_empty());
}

#[test]
fn what_was_not_read_is_not_written_over() {
    let unread = Observed::Unreadable("not allowed: x".to_owned());
    let (tables, none) = ([grant("carts")], Observed::NotRequested);
    let ask = of(&none, &unread);
    let refusal = policies(&Policies { tables: Wanted::AtLeast(&tables), ..ask }).unwrap_err();
    assert!(refusal.message.contains("not allowed: x") && refusal.denied);
    let named = [(tables[0].table.clone(), None)];
    assert!(policies(&Policies { tables: Wanted::Without(&named), ..ask }).is_err());
    // What is attached may be unread, unless the list is the whole list.
    let (unread, arns) = (Observed::Unreadable("not allowed: y".to_owned()), [ARN.to_owned()]);
    let inline = inline(&[]);
    let ask = of(&unread, &inline);
    for wanted in [Wanted::AtLeast(&arns[..]), Wanted::Without(&arns[..])] {
        let plan = policies(&Policies { managed: wanted, ..ask }).unwrap();
        assert_eq!(
            (plan.steps.len(), &plan.warnings[..]),
            (1, &["attached policies not checked: not allowed: y".to_owned()][..])
        );
    }
    assert!(policies(&Policies { managed: Wanted::Exactly(&arns), ..ask }).is_err());
    assert!(policies(&Policies { managed: Wanted::Exactly(&arns), holder: RoleOwnership::New, ..ask }).is_ok());
}

#[test]
fn exactly_what_is_named_goes() {
    let (carts, orders) = (grant("carts"), grant("orders=write"));
    let both = policy::dynamodb(&[carts.clone(), orders.clone()]);
    let inline = inline(&[(DYNAMODB, both.clone()), ("s3", file("s3", "x").document), ("t", file("t", "x").document)]);
    let attached = Observed::Known(vec![ARN.to_owned()]);
    let plan = |tables: &[(Arn, Option<Access>)], arns: &[&str], names: &[&str]| {
        let owned = |list: &[&str]| list.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>();
        policies(&Policies {
            tables: Wanted::Without(tables),
            managed: Wanted::Without(&owned(arns)),
            documents: Wanted::Without(&owned(names)),
            ..of(&attached, &inline)
        })
        .unwrap()
    };
    let some = plan(&[(carts.table.clone(), None)], &[ARN], &["s3"]);
    assert_eq!(
        ids(&some),
        [format!("detach-policy/{ARN}"), "delete-policy/s3".to_owned(), "put-policy/podid-dynamodb".to_owned()]
    );
    assert!(
        matches!(&some.steps[2], Step::PutPolicy { after, .. } if policy::same_meaning(after, &policy::dynamodb(std::slice::from_ref(&orders))))
    );
    let every = plan(&[(carts.table.clone(), Some(Access::Read)), (orders.table.clone(), None)], &[], &[]);
    assert_eq!(ids(&every), ["delete-policy/podid-dynamodb"]);
    let none = plan(&[(carts.table.clone(), Some(Access::Write))], &["arn:aws:iam::aws:policy/B"], &["u"]);
    assert!(none.is_empty());
    assert_eq!(none.warnings.len(), 3, "{:?}", none.warnings);
}

#[test]
fn more_access_than_asked_for_is_told_of_and_reduced_only_when_asked() {
    let (read, both, orders) = (grant("carts"), grant("carts=read-write"), grant("orders=write"));
    let (attached, key) = (Observed::NotRequested, Some("arn:aws:kms:us-west-2:111122223333:key/k".to_owned()));
    let keyed = TableGrant { key, ..both.clone() };
    let there = inline(&[(DYNAMODB, policy::dynamodb(&[keyed, orders.clone(), grant("carts=stream")]))]);
    let asked = [read.clone()];
    let ask = Policies { tables: Wanted::AtLeast(&asked), ..of(&attached, &there) };
    let plan = policies(&ask).unwrap();
    assert!(plan.is_empty());
    assert_eq!(
        plan.warnings,
        ["role `app` already grants read-write on table carts: pass `--exact` to reduce it to read"]
    );
    let plan = policies(&Policies { exact: true, ..ask }).unwrap();
    let [Step::PutPolicy { after, .. }] = &plan.steps[..] else { panic!("{plan:#?}") };
    // The use of the table's key stays, and so does the access to other tables.
    let left = TableGrant { key: Some("arn:aws:kms:us-west-2:111122223333:key/k".to_owned()), ..read.clone() };
    assert!(policy::same_meaning(after, &policy::dynamodb(&[left, orders])), "{after:?}");
    assert!(plan.warnings.is_empty());
    // Both levels are asked for, or nothing wider is there.
    let asked = [read, both];
    assert!(policies(&Policies { tables: Wanted::AtLeast(&asked), ..ask }).unwrap().warnings.is_empty());
    let there = inline(&[(DYNAMODB, policy::dynamodb(&asked[..1]))]);
    let ask = Policies { tables: Wanted::AtLeast(&asked[..1]), exact: true, ..of(&attached, &there) };
    assert_eq!(policies(&ask).unwrap(), Plan::default());
}

#[test]
fn a_list_is_the_whole_list_but_for_what_podid_keeps() {
    let (attached, none) = (Observed::Known(vec![ARN.to_owned()]), Vec::new());
    let target = target::granting(None, "arn:aws:iam::444455556666:role/t");
    let there = inline(&[
        (DYNAMODB, policy::dynamodb(&[grant("carts")])),
        (target::POLICY, target),
        ("s3", file("s3", "x").document),
    ]);
    let ask = Policies { managed: Wanted::Exactly(&none), documents: Wanted::Exactly(&[]), ..of(&attached, &there) };
    assert_eq!(ids(&policies(&ask).unwrap()), [format!("detach-policy/{ARN}"), "delete-policy/s3".to_owned()]);
    let ask = Policies { tables: Wanted::Exactly(&[]), ..of(&attached, &there) };
    assert_eq!(ids(&policies(&ask).unwrap()), ["delete-policy/podid-dynamodb"]);
    // The hint names what can be done where it was asked for.
    let large = [file("l", &"x".repeat(MAX_INLINE))];
    let ask = Policies { documents: Wanted::Exactly(&large), provenance: Provenance::File, ..of(&attached, &there) };
    assert!(policies(&ask).unwrap_err().hints[0].contains("`policies.managed`"));
    let ask = Policies { documents: Wanted::AtLeast(&large), ..of(&attached, &there) };
    assert!(policies(&ask).unwrap_err().hints[0].contains("`--policy-arn`"));
}
