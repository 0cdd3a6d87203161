//! The tests of what answers mean.

use super::*;
use crate::failure::Code;

fn answer(code: &str, message: &str) -> ServiceError {
    ServiceError {
        service: "EKS",
        operation: "CreatePodIdentityAssociation".into(),
        kind: crate::failure::Kind::Other,
        code: code.into(),
        message: message.into(),
        request_id: None,
        status: Some(400),
    }
}

#[test]
fn each_example_finds_its_own_row() {
    for row in ROWS {
        let (code, message) = row.example;
        let found = explain(&answer(code, message)).unwrap();
        assert_eq!(found.cause, fill(row.cause, message), "{code}: {message}");
        assert!(!found.hints.is_empty());
    }
}

#[test]
fn words_are_filled_in() {
    for row in ROWS {
        let found = explain(&answer(row.example.0, row.example.1)).unwrap();
        for text in std::iter::once(&found.cause).chain(&found.hints) {
            assert!(!text.contains('{'), "{text}");
            assert!(!text.ends_with('.'), "{text}");
        }
    }
}

#[test]
fn the_id_and_the_permission_are_named() {
    let found = explain(&answer("ResourceInUseException", "Association already exists: a-4wvljrezsukshq1bv.")).unwrap();
    assert!(found.cause.contains("`a-4wvljrezsukshq1bv`"), "{}", found.cause);
    let denied = "User: u is not authorized to perform: eks:CreateAddon on resource: arn:aws:eks:r:1:cluster/c";
    let found = explain(&answer("AccessDeniedException", denied)).unwrap();
    assert_eq!(found.hints[0], "allow `eks:CreateAddon` on `arn:aws:eks:r:1:cluster/c`, or use another `--profile`");
}

#[test]
fn the_unknown_is_left_alone() {
    assert_eq!(explain(&answer("ServerException", "Internal error")), None);
    assert_eq!(explain(&answer("InvalidParameterException", "tags must not begin with aws:")), None);
}

#[test]
fn a_failure_gets_cause_and_hints() {
    let mut failure = Failure::new(Code::Failed, "cannot create the association").because("its words");
    failure.service =
        Some(Box::new(answer("InvalidParameterException", "Trust policy of the role provided is invalid.")));
    let failure = explained(failure);
    assert_eq!(failure.causes.len(), 2);
    assert!(failure.causes[1].contains("`sts:TagSession`"));
    assert_eq!(failure.hints.len(), 2);
}

#[test]
fn names_are_filled_in_where_they_stand_alone() {
    let failure = Failure::new(Code::Failed, "x").hint("see `podid associate NS/SA --role ROLE` or MYROLE");
    let filled = addressed(failure, &[("NS/SA", "carts/carts"), ("ROLE", "r")]);
    assert_eq!(filled.hints, ["see `podid associate carts/carts --role r` or MYROLE"]);
}
