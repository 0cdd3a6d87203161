//! What policies allow, and which documents IAM takes.

use super::*;

#[test]
fn the_trust_policy_decides_at_run_time() {
    let own = json!({"StringEquals": {
        "aws:RequestTag/eks-cluster-arn": "arn:aws:eks:us-west-2:111122223333:cluster/eks-workshop",
        "aws:RequestTag/kubernetes-namespace": ["carts", "other"],
        "aws:RequestTag/kubernetes-service-account": "carts",
        "aws:SourceAccount": "111122223333",
    }, "ArnLike": {"aws:SourceArn": "arn:aws:eks:*:111122223333:cluster/*"}});
    let mut aws = world(pod_trust(own), &[]);
    let session = assumed(&mut aws).unwrap();
    assert!(
        session.arn.starts_with("arn:aws:sts::111122223333:assumed-role/carts/eks-eks-worksh-carts-7d9f"),
        "{}",
        session.arn
    );
    assert_eq!(aws.limits[&session.arn].tags.len(), 6);
    for wrong in [
        json!({"StringEquals": {"aws:RequestTag/kubernetes-namespace": "Carts"}}),
        json!({"StringEquals": {"aws:RequestTag/kubernetes-namespace": "c*"}}),
        json!({"ArnEquals": {"aws:SourceArn": "arn:aws:eks:us-west-2:111122223333:podidentityassociation/eks-workshop/*"}}),
        json!({"StringEquals": {"sts:ExternalId": "x"}}),
        json!({"StringEquals": {"aws:PrincipalOrgID": "o-1"}}),
        json!({"Bool": {"aws:MultiFactorAuthPresent": "true"}}),
    ] {
        assert_eq!(assumed(&mut world(pod_trust(wrong.clone()), &[])).unwrap_err(), UNAUTHORIZED, "{wrong}");
    }
    assert!(
        assumed(&mut world(pod_trust(json!({"StringLike": {"aws:RequestTag/kubernetes-namespace": "c*"}})), &[]))
            .is_ok()
    );
    let tags = json!({"Null": {"aws:RequestTag/kubernetes-namespace": "false"}});
    assert!(assumed(&mut world(pod_trust(tags.clone()), &[])).is_ok());
    let untagged = [("/associations/0/disable_session_tags", json!(true))];
    assert_eq!(assumed(&mut world(pod_trust(tags), &untagged)).unwrap_err(), UNAUTHORIZED);
    let mut aws = world(pod(), &untagged);
    let session = assumed(&mut aws).unwrap();
    assert!(aws.limits[&session.arn].tags.is_empty());
    let mut aws = world(pod(), &[("/associations", json!([]))]);
    let none =
        "ResourceNotFoundException: The token included in the request has no service account role association for it.";
    assert_eq!(assumed(&mut aws).unwrap_err(), none);
    let mut deleted = world(pod(), &[]);
    deleted.roles.clear();
    assert_eq!(assumed(&mut deleted).unwrap_err(), UNAUTHORIZED);
}

#[test]
fn a_target_role_takes_two_hops() {
    let first = "arn:aws:iam::111122223333:role/carts";
    let trusting = |principal: &str, condition: Value| json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": principal}, "Action": ["sts:AssumeRole", "sts:TagSession"], "Condition": condition}]});
    let target = |trust: Value| {
        let role = json!({"name": "target", "trust": trust});
        let set = [("/roles/-", role), ("/associations/0/target_role", json!("arn:aws:iam::111122223333:role/target"))];
        assumed(&mut world(pod(), &set)).map(|session| session.role)
    };
    assert_eq!(target(trusting(first, json!({}))).unwrap(), "arn:aws:iam::111122223333:role/target");
    let root = "arn:aws:iam::111122223333:root";
    let only = json!({"ArnEquals": {"aws:PrincipalArn": first}, "StringEquals": {"sts:ExternalId": "us-west-2/111122223333/eks-workshop/carts/carts"}});
    assert!(target(trusting(root, only)).is_ok());
    assert_eq!(target(trusting(root, json!({"StringEquals": {"sts:ExternalId": "x"}}))).unwrap_err(), UNAUTHORIZED);
    assert_eq!(target(trusting("arn:aws:iam::111122223333:role/other", json!({}))).unwrap_err(), UNAUTHORIZED);
}

#[test]
fn policies_are_read_as_aws_reads_them() {
    let who = "arn:aws:sts::111122223333:assumed-role/carts/eks-x";
    let table = "arn:aws:dynamodb:us-west-2:111122223333:table/carts";
    let index = format!("{table}/index/i");
    let ask =
        |speaking: &Speaking, action: &str, resource: &str, facts: &Facts| speaking.allow(who, action, resource, facts);
    let one = |document: Value| Speaking { identity: vec![document], ..Speaking::default() };
    let none = Facts::new();
    let on_table = one(allow(json!(["dynamodb:Query", "dynamodb:Get*"]), json!(table)));
    assert_eq!(ask(&on_table, "dynamodb:Query", table, &none), Ok(()));
    assert_eq!(ask(&on_table, "dynamodb:GetItem", table, &none), Ok(()));
    assert_eq!(ask(&on_table, "dynamodb:Query", &index, &none), Err(Why::NoIdentityPolicy));
    assert_eq!(ask(&on_table, "dynamodb:PutItem", table, &none), Err(Why::NoIdentityPolicy));
    let with_index = one(allow(json!("DynamoDB:query"), json!([table, format!("{table}/index/*")])));
    assert_eq!(ask(&with_index, "dynamodb:Query", &index, &none), Ok(()));
    assert_eq!(
        ask(&one(allow(json!("*"), json!("arn:aws:dynamodb:*:*:table/c?rts"))), "dynamodb:Query", table, &none),
        Ok(())
    );
    let tagged = one(allow(
        json!("dynamodb:*"),
        json!("arn:aws:dynamodb:us-west-2:111122223333:table/${aws:PrincipalTag/kubernetes-service-account}"),
    ));
    assert_eq!(
        ask(&tagged, "dynamodb:Query", table, &vec![fact("aws:PrincipalTag/kubernetes-service-account", "carts")]),
        Ok(())
    );
    assert_eq!(ask(&tagged, "dynamodb:Query", table, &none), Err(Why::NoIdentityPolicy));
    let mut deny = on_table.identity[0].clone();
    deny["Statement"][0]["Effect"] = json!("Deny");
    let denied = Speaking { identity: vec![allow(json!("*"), json!("*")), deny], ..Speaking::default() };
    assert_eq!(ask(&denied, "dynamodb:Query", table, &none), Err(Why::ExplicitDeny("an identity-based policy")));
    let read = || Some(allow(json!("dynamodb:GetItem"), json!("*")));
    let bounded = Speaking { boundary: read(), ..one(allow(json!("*"), json!("*"))) };
    assert_eq!(ask(&bounded, "dynamodb:Query", table, &none), Err(Why::NoBoundary));
    let session = Speaking { session: read(), ..one(allow(json!("*"), json!("*"))) };
    assert_eq!(ask(&session, "dynamodb:Query", table, &none), Err(Why::NoSessionPolicy));
    assert_eq!(ask(&session, "dynamodb:GetItem", table, &none), Ok(()));
    let not = json!({"Statement": {"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}});
    assert_eq!(ask(&one(not), "dynamodb:Query", table, &none), Ok(()));
    // One statement that cannot be evaluated does not silence the others, and an absent key is not equal to anything.
    let mixed = json!({"Statement": [
        {"Effect": "Allow", "Action": "*", "Resource": "nonsense"},
        {"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"StringNotEquals": {"aws:RequestTag/a": "1"}}},
    ]});
    assert_eq!(ask(&one(mixed.clone()), "dynamodb:Query", table, &none), Ok(()));
    assert_eq!(
        ask(&one(mixed), "dynamodb:Query", table, &vec![fact("aws:RequestTag/a", "1")]),
        Err(Why::NoIdentityPolicy)
    );
    let keys = json!({"ForAllValues:StringEquals": {"aws:TagKeys": ["a", "b"]}, "StringEqualsIfExists": {"aws:RequestTag/a": "1"}});
    let mut tagging = allow(json!("eks:TagResource"), json!("*"));
    tagging["Statement"][0]["Condition"] = keys;
    let tag_keys =
        |keys: &[&str]| vec![("aws:TagKeys".to_owned(), Fact::Many(keys.iter().map(ToString::to_string).collect()))];
    assert_eq!(ask(&one(tagging.clone()), "eks:TagResource", table, &tag_keys(&["a"])), Ok(()));
    assert_eq!(ask(&one(tagging), "eks:TagResource", table, &tag_keys(&["a", "c"])), Err(Why::NoIdentityPolicy));
}

#[test]
fn trust_policies_are_read_as_aws_reads_them() {
    let pods = "pods.eks.amazonaws.com";
    let none = Facts::new();
    let both =
        |trust: &Value| ["sts:AssumeRole", "sts:TagSession"].map(|action| trust_names_service(trust, pods, action));
    let pod = pod();
    assert_eq!(both(&pod), [true, true]);
    assert_eq!(both(&pod_trust(json!({"StringEquals": {"aws:RequestTag/kubernetes-namespace": "x"}}))), [true, true]);
    let with = |principal: Value, action: Value| json!({"Statement": {"Effect": "Allow", "Principal": principal, "Action": action}});
    assert_eq!(
        both(&with(json!({"Service": [pods, "ec2.amazonaws.com"], "AWS": "111122223333"}), json!("sts:*"))),
        [true, true]
    );
    assert_eq!(both(&with(json!({"Service": pods}), json!("sts:AssumeRole"))), [true, false]);
    assert_eq!(both(&with(json!({"Service": "ec2.amazonaws.com"}), json!("sts:*"))), [false, false]);
    assert_eq!(both(&with(json!({"AWS": "arn:aws:iam::111122223333:root"}), json!("sts:*"))), [false, false]);
    assert!(trust_allows_service(&pod, pods, "sts:TagSession", &none));
    let account = with(json!({"AWS": "111122223333"}), json!("sts:AssumeRole"));
    assert!(trust_allows_role(&account, "arn:aws:iam::111122223333:role/x", "sts:AssumeRole", &none));
    assert!(!trust_allows_role(&account, "arn:aws:iam::444455556666:role/x", "sts:AssumeRole", &none));
}

#[test]
fn documents_are_checked_as_iam_checks_them() {
    let aws = world(pod(), &[]);
    let trust = |document: &Value| {
        documents::check_trust(&aws, &[], &document.to_string()).map_err(|e| format!("{}: {}", e.code, e.message))
    };
    let pod = pod();
    let with = |field: &str, value: Value| {
        let mut document = pod.clone();
        document["Statement"][0][field] = value;
        document
    };
    assert_eq!(trust(&pod), Ok(()));
    assert_eq!(trust(&with("Principal", json!({"AWS": "arn:aws:iam::111122223333:role/carts"}))), Ok(()));
    assert_eq!(trust(&with("Principal", json!({"AWS": "arn:aws:iam::999988887777:role/any"}))), Ok(()));
    let invalid = |kind: &str, id: &str| {
        Err(format!("MalformedPolicyDocument: Invalid principal in policy: \"{kind}\":\"{id}\""))
    };
    let gone = "arn:aws:iam::111122223333:role/gone";
    assert_eq!(trust(&with("Principal", json!({"AWS": gone}))), invalid("AWS", gone));
    let typo = "pods.eks.amazonaws.com.cn";
    assert_eq!(trust(&with("Principal", json!({"Service": typo}))), invalid("SERVICE", typo));
    assert!(trust(&with("Sid", json!("a-b"))).unwrap_err().contains("alpha-numeric"));
    assert!(trust(&with("Conditions", json!({}))).unwrap_err().contains("Syntax errors in policy."));
    let statement = &pod["Statement"][0];
    // 122 characters each, white space not counted.
    let many = |n: usize| json!({"Version": "2012-10-17", "Statement": vec![statement; n]});
    assert_eq!(trust(&many(16)), Ok(()));
    assert_eq!(trust(&many(18)), Err("LimitExceeded: Cannot exceed quota for ACLSizePerRole: 2048".to_owned()));
    let identity = |document: Value| documents::check_identity(&document.to_string()).map_err(|e| e.message);
    assert_eq!(identity(allow(json!("dynamodb:Query"), json!("arn:aws:dynamodb:*:*:table/x"))), Ok(()));
    assert!(identity(allow(json!("Query"), json!("*"))).unwrap_err().contains("must be prefaced by a vendor"));
    assert!(identity(allow(json!("s3:*"), json!("bucket"))).unwrap_err().contains("must be in ARN format"));
    assert!(identity(allow(json!("s3:*"), json!([]))).unwrap_err().contains("must contain resources"));
    assert!(identity(allow(json!("s3:*"), json!("arn:awz:s3:::b"))).unwrap_err().contains("Partition \"awz\""));
    let session = |document: Value| documents::check_session(&document.to_string()).map_err(|e| e.message);
    let incomplete = allow(json!("sqs:*"), json!("arn:aws:sqs"));
    assert_eq!(identity(incomplete.clone()), Ok(()));
    assert!(session(incomplete).unwrap_err().contains("must be in ARN format"));
    for one in ["Action", "Resource"] {
        let mut both = allow(json!("s3:*"), json!("*"));
        assert_eq!(session(both.clone()), Ok(()));
        both["Statement"][0][format!("Not{one}")] = json!("*");
        assert_eq!(identity(both), Err("Syntax errors in policy.".to_owned()), "{one}");
    }
}

#[test]
fn a_simulation_tells_each_resource_boundary_and_organisation_apart() {
    let table = "arn:aws:dynamodb:us-west-2:111122223333:table/eks-workshop-carts";
    let index = format!("{table}/index/i");
    let mut tagged = allow(json!("dynamodb:Query"), json!(table));
    tagged["Statement"][0]["Condition"] = json!({"StringEquals": {"aws:PrincipalTag/team": "shop"}});
    let role = |more: Value| {
        let mut role = json!({"name": "carts", "trust": pod(), "inline": {"query": tagged}});
        for (key, value) in more.as_object().unwrap() {
            role[key] = value.clone();
        }
        role
    };
    let ask = |set: &[(&str, Value)], more: &[(&str, &str)]| {
        let sandbox = start(set);
        let mut form = vec![
            ("Action", "SimulatePrincipalPolicy"),
            ("PolicySourceArn", "arn:aws:iam::111122223333:role/carts"),
            ("ActionNames.member.1", "dynamodb:Query"),
            ("ResourceArns.member.1", table),
        ];
        form.extend_from_slice(more);
        iam(&sandbox, &form)
    };
    let shop = [
        ("ContextEntries.member.1.ContextKeyName", "aws:PrincipalTag/team"),
        ("ContextEntries.member.1.ContextKeyType", "string"),
        ("ContextEntries.member.1.ContextKeyValues.member.1", "shop"),
    ];
    let plain = [("/roles/-", role(json!({})))];
    let (status, text) = ask(&plain, &shop);
    assert!(status == 200 && text.contains("<EvalDecision>allowed</EvalDecision>"), "{text}");
    assert!(text.contains("<SourcePolicyId>role_carts_query</SourcePolicyId>"), "{text}");
    assert!(!text.contains("Boundary") && !text.contains("Organizations"), "{text}");
    let (_, text) = ask(&plain, &[]);
    assert!(text.contains("<EvalDecision>implicitDeny</EvalDecision>"), "{text}");
    assert!(
        text.contains("<MissingContextValues><member>aws:PrincipalTag/team</member></MissingContextValues>"),
        "{text}"
    );
    let both = [&shop[..], &[("ResourceArns.member.2", index.as_str())]].concat();
    let (_, text) = ask(&plain, &both);
    assert!(text.contains("<EvalDecision>implicitDeny</EvalDecision>"), "the strictest of both: {text}");
    assert!(text.contains("<EvalResourceDecision>allowed</EvalResourceDecision>"), "{text}");
    let bounded = [("/roles/-", role(json!({"boundary": "arn:aws:iam::aws:policy/AmazonEKSWorkerNodePolicy"})))];
    let (_, text) = ask(&bounded, &shop);
    assert!(text.contains("<AllowedByPermissionsBoundary>false</AllowedByPermissionsBoundary>"), "{text}");
    let others = json!({"Statement": {"Effect": "Allow", "NotAction": "dynamodb:*", "Resource": "*"}});
    let levels = json!([allow(json!("*"), json!("*")), others]);
    let (_, text) = ask(&[plain[0].clone(), ("/service_control_policies", levels)], &shop);
    assert!(text.contains("<AllowedByOrganizations>false</AllowedByOrganizations>"), "{text}");
    for (more, said) in [
        (("ActionNames.member.1", "dynamodb:*"), "Invalid Action"),
        (("ResourceArns.member.1", "carts"), "Invalid Resource Arn"),
        (
            ("PolicySourceArn", "arn:aws:sts::111122223333:assumed-role/carts/x"),
            "does not clearly define entity type and name",
        ),
        (("PolicySourceArn", "arn:aws:iam::111122223333:role/nope"), "NoSuchEntity"),
        (("ActionNames.member.2", "kms:Decrypt"), "require different authorization information"),
    ] {
        let (status, text) = ask(&plain, &[more]);
        assert!(status >= 400 && text.contains(said), "{more:?}: {text}");
    }
}

#[test]
fn the_organisation_and_the_table_have_their_say_at_run_time() {
    let who = "arn:aws:sts::111122223333:assumed-role/carts/eks-x";
    let role = "arn:aws:iam::111122223333:role/carts";
    let table = "arn:aws:dynamodb:us-west-2:111122223333:table/carts";
    let none = Facts::new();
    let all = || vec![allow(json!("*"), json!("*"))];
    let ask = |speaking: Speaking| speaking.allow(who, "dynamodb:Query", table, &none);
    let within = |levels: Vec<Value>| ask(Speaking { identity: all(), organization: levels, ..Speaking::default() });
    assert_eq!(within(all()), Ok(()));
    assert_eq!(within([all(), vec![allow(json!("s3:*"), json!("*"))]].concat()), Err(Why::NoOrganization));
    let mut deny = allow(json!("dynamodb:*"), json!("*"));
    deny["Statement"][0]["Effect"] = json!("Deny");
    assert_eq!(within([all(), vec![deny.clone()]].concat()), Err(Why::ExplicitDeny("a service control policy")));
    let by_table = |effect: &str, principal: Value, identity: Vec<Value>| {
        let mut policy = allow(json!("dynamodb:*"), json!("*"));
        policy["Statement"][0]["Effect"] = json!(effect);
        policy["Statement"][0]["Principal"] = principal;
        ask(Speaking { identity, resource: Some((policy, role.to_owned())), ..Speaking::default() })
    };
    assert_eq!(by_table("Allow", json!({"AWS": role}), vec![]), Ok(()));
    assert_eq!(by_table("Allow", json!({"AWS": format!("{role}-2")}), vec![]), Err(Why::NoIdentityPolicy));
    assert_eq!(by_table("Deny", json!({"AWS": role}), all()), Err(Why::ExplicitDeny("a resource-based policy")));
    assert_eq!(by_table("Deny", json!("*"), all()), Err(Why::ExplicitDeny("a resource-based policy")));
}
