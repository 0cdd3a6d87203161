//! Asks about the second hop: whether a target role trusts the association's role, and whether that role's own policies let
//! it go there (EKS User Guide, pod-id-assign-target-role). What podid writes for it is `target`'s.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use super::{
    ACTIONS, Cause, Reason, Verdict,
    conditions::{self, Context, Keys, Truth},
    evaluate::{self, Question},
    target::Link,
};
use crate::model::{
    access::RoleDocuments,
    arn::last,
    document::{Document, strings},
    text::wildcard,
};

/// One hop.
#[derive(Debug, Clone, Copy)]
pub struct Hop<'a> {
    /// Who goes.
    pub link: Link<'a>,
    /// The tags of the association's role, when it was read.
    pub tags: Option<&'a BTreeMap<String, String>>,
    /// When it is asked; without it, conditions on the time cannot be told.
    pub now: Option<Timestamp>,
}

/// What conditions are asked about for one of the two actions.
struct Call<'a> {
    hop: &'a Hop<'a>,
    action: &'static str,
}

impl Keys for Call<'_> {
    fn context(&self, key: &str) -> Context {
        let Hop { link, tags, now } = self.hop;
        let key = key.to_ascii_lowercase();
        if let Some(found) = conditions::shared(link.cluster, link.subject, link.session_tags, *now, &key) {
            return found;
        }
        if let Some(tag) = key.strip_prefix("aws:principaltag/") {
            // The first session's tags win over its role's (IAM User Guide, session tags).
            if link.session_tags && conditions::TAGS.contains(&tag) {
                return conditions::session_tag(link.cluster, link.subject, tag);
            }
            let Some(tags) = tags else { return Context::Unknown };
            let found = tags.iter().find(|(known, _)| known.eq_ignore_ascii_case(tag));
            return found.map_or(Context::Absent, |(_, value)| Context::One(value.clone()));
        }
        match key.as_str() {
            "aws:principalarn" => Context::One(link.primary.to_string()),
            "aws:principalaccount" => Context::One(link.primary.account.clone()),
            "aws:principalisawsservice" => Context::One("false".to_owned()),
            "aws:principalservicename" => Context::Absent,
            // Documented where there are no tags, and for AssumeRole alone.
            "sts:externalid" if self.action == ACTIONS[0] && !link.session_tags => {
                link.external_id.map_or(Context::Unknown, |id| Context::One(id.to_owned()))
            }
            _ => Context::Unknown,
        }
    }

    fn missing(&self, key: &str, who: &str) -> String {
        conditions::missing(key, self.hop.link.session_tags, who)
    }

    fn cause(&self, key: &str) -> Cause {
        conditions::cause(key, self.hop.link.session_tags)
    }
}

impl Hop<'_> {
    /// The actions that STS asks for: `sts:TagSession` only where there are tags.
    fn actions(&self) -> &'static [&'static str] {
        if self.link.session_tags { &ACTIONS } else { &ACTIONS[..1] }
    }

    /// Whether a Principal element covers the association's role: by name, through its account, or as everyone (IAM
    /// reference, Principal element). `None` where it names sessions, of which nobody knows the names.
    fn named(&self, principal: &Value) -> Option<bool> {
        let (account, role) = (&self.link.primary.account, self.link.primary.to_string());
        let partition = &self.link.primary.partition;
        let root = format!("arn:{partition}:iam::{account}:root");
        let names = strings(principal.get("AWS"));
        let own = |name: &&str| *name == "*" || *name == role || *name == root || name == account;
        if principal.as_str() == Some("*") || names.iter().any(own) {
            return Some(true);
        }
        let sessions = format!("arn:{partition}:sts::{account}:assumed-role/{}/", last(&role));
        (!names.iter().any(|name| name.starts_with(&sessions))).then_some(false)
    }

    /// Whether a target role's trust policy lets the association's role assume it.
    pub fn trusted(&self, trust: &Document) -> Verdict {
        let [assume, tag] = ACTIONS.map(|action| Call { hop: self, action });
        let named = |principal: &Value| self.named(principal);
        // To leave a role out its sessions have to be listed too (IAM reference, NotPrincipal element).
        let leaves_out = |others: &Value| self.named(others).filter(|named| !named);
        let question = Question {
            actions: [Some(&assume), self.link.session_tags.then_some(&tag as &dyn Keys)],
            names: &named,
            leaves_out: &leaves_out,
            own: None,
        };
        let stranger = format!("no statement trusts role {} or its account", self.link.primary.name());
        evaluate::ask(trust, &question, &|_| stranger.clone())
    }

    /// Whether a trust policy names the association's role itself: in one account that is enough, without any policy of the
    /// role (IAM User Guide, policy evaluation within an account).
    pub fn is_named_by(&self, trust: &Document) -> bool {
        let role = self.link.primary.to_string();
        trust.statements().into_iter().any(|statement| {
            super::admits::allows(statement)
                && strings(statement.get("Principal").and_then(|p| p.get("AWS"))).contains(&role.as_str())
        })
    }

    /// Whether the policies of the association's role let it assume a role.
    pub fn permitted(&self, documents: &RoleDocuments, target: &str) -> Verdict {
        let role = self.link.primary.name();
        let (mut refused, mut unknown) = (Vec::new(), Vec::new());
        for action in self.actions() {
            let call = Call { hop: self, action };
            let identity = Some((documents.identity.as_slice(), "no policy"));
            let boundary =
                documents.boundary.as_ref().map(|one| (std::slice::from_ref(one), "not the permissions boundary"));
            for (policies, none) in identity.into_iter().chain(boundary) {
                match call.allowed(policies, target) {
                    Truth::Yes => {}
                    Truth::Maybe(reasons) => unknown.extend(reasons),
                    Truth::No(reasons) if reasons.is_empty() => refused.push(Reason {
                        cause: Cause::MissingAction(action),
                        text: format!("{none} of role {role} allows {action} on {target}"),
                    }),
                    Truth::No(reasons) => refused.extend(reasons),
                }
            }
        }
        unknown.dedup();
        match (refused.is_empty(), unknown.is_empty()) {
            (false, _) => Verdict::Refuses(refused),
            (true, false) => Verdict::Unknown(unknown),
            (true, true) => Verdict::Admits,
        }
    }
}

impl Call<'_> {
    /// Whether policies together allow it: `No` without a reason where none speaks of it.
    fn allowed(&self, policies: &[(String, Document)], target: &str) -> Truth {
        let (mut denied, mut maybe, mut allowed) = (Vec::new(), Vec::new(), false);
        for (name, document) in policies {
            let variables = document.takes_variables();
            for (at, statement) in document.statements().into_iter().enumerate() {
                let who = format!("{} of policy {}", evaluate::who(statement, at), last(name));
                let deny = !super::admits::allows(statement);
                let truth = match (evaluate::covers(statement, self.action), resource(statement, target)) {
                    (false, _) | (_, Some(false)) => continue,
                    (true, Some(true)) => conditions::holds(statement.get("Condition"), self, &who, variables),
                    (true, None) => Truth::Maybe(vec![format!("{who} has a variable in its resource")]),
                };
                match truth {
                    Truth::Yes if deny => denied.push(Reason {
                        cause: Cause::Denied,
                        text: format!("{who} denies {} on {target}", self.action),
                    }),
                    Truth::Yes => allowed = true,
                    Truth::Maybe(reasons) => maybe.push((deny, reasons)),
                    Truth::No(_) => {}
                }
            }
        }
        // A Deny that may hold makes a yes uncertain, an Allow that may hold a no.
        let doubts: Vec<String> =
            maybe.into_iter().filter(|(deny, _)| *deny == allowed).flat_map(|(_, why)| why).collect();
        match (denied.is_empty(), doubts.is_empty()) {
            (false, _) => Truth::No(denied),
            (true, false) => Truth::Maybe(doubts),
            (true, true) if allowed => Truth::Yes,
            (true, true) => Truth::No(Vec::new()),
        }
    }
}

/// Whether a statement speaks of a resource; `None` where that hangs on a variable.
fn resource(statement: &Value, target: &str) -> Option<bool> {
    let hit = |key: &str| {
        let patterns = strings(statement.get(key));
        let plain = patterns.iter().filter(|pattern| !pattern.contains("${"));
        if plain.clone().any(|pattern| wildcard(pattern, target)) {
            Some(true)
        } else {
            (plain.count() == patterns.len()).then_some(false)
        }
    };
    if statement.get("NotResource").is_some() { hit("NotResource").map(|hit| !hit) } else { hit("Resource") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::{
        arn::Arn,
        fixtures::{at, cluster, subject},
        trust::target::{granting, target_statements},
    };

    const TARGET: &str = "arn:aws:iam::222233334444:role/target";

    fn ask<R>(session_tags: bool, external_id: Option<&str>, look: impl Fn(&Hop<'_>) -> R) -> R {
        let primary: Arn = "arn:aws:iam::111122223333:role/podid/app".parse().unwrap();
        let (cluster, subject) = (cluster(), subject("carts/carts"));
        let link = Link { cluster: &cluster, subject: &subject, primary: &primary, session_tags, external_id };
        let tags = BTreeMap::from([("team".to_owned(), "red".to_owned())]);
        look(&Hop { link, tags: Some(&tags), now: Some(at(0)) })
    }

    fn cause(verdict: &Verdict) -> Cause {
        match verdict {
            Verdict::Refuses(reasons) => reasons[0].cause.clone(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_podid_writes_is_trusted_and_permitted() {
        for (tags, id) in [(true, None), (false, Some("us-west-2/1/c/carts/carts"))] {
            ask(tags, id, |hop| {
                let trust = Document(json!({"Version": "2012-10-17", "Statement": target_statements(&hop.link)}));
                assert_eq!(hop.trusted(&trust), Verdict::Admits, "{tags}");
                let policies = [("podid-target".to_owned(), granting(None, TARGET))];
                let documents = RoleDocuments { identity: policies.to_vec(), boundary: None };
                assert_eq!(hop.permitted(&documents, TARGET), Verdict::Admits);
                let other = hop.permitted(&documents, "arn:aws:iam::222233334444:role/other");
                assert_eq!(cause(&other), Cause::MissingAction("sts:AssumeRole"));
            });
        }
    }

    #[test]
    fn a_target_that_does_not_trust_says_why() {
        let allow = |principal: Value, more: Value| {
            let mut statement =
                json!({"Effect": "Allow", "Principal": principal, "Action": ["sts:AssumeRole", "sts:TagSession"]});
            for (key, value) in more.as_object().unwrap() {
                statement[key] = value.clone();
            }
            Document(json!({"Version": "2012-10-17", "Statement": [statement]}))
        };
        let root = || json!({"AWS": "arn:aws:iam::111122223333:root"});
        let verdict = |trust: &Document, tags| ask(tags, Some("id"), |hop| hop.trusted(trust));
        for principal in [
            root(),
            json!("*"),
            json!({"AWS": ["1", "111122223333"]}),
            json!({"AWS": "arn:aws:iam::111122223333:role/podid/app"}),
        ] {
            assert_eq!(verdict(&allow(principal.clone(), json!({})), true), Verdict::Admits, "{principal}");
        }
        let stranger = allow(json!({"AWS": "arn:aws:iam::111122223333:role/other"}), json!({}));
        assert_eq!(cause(&verdict(&stranger, true)), Cause::Principal);
        let bare = allow(root(), json!({"Action": "sts:AssumeRole"}));
        assert_eq!(cause(&verdict(&bare, true)), Cause::MissingAction("sts:TagSession"));
        assert_eq!(verdict(&bare, false), Verdict::Admits, "STS asks for TagSession only where there are tags");
        let stale = allow(root(), json!({"Condition": {"StringEquals": {"sts:ExternalId": "old"}}}));
        assert_eq!(cause(&verdict(&stale, false)), Cause::Condition("sts:externalid".to_owned()));
        assert!(
            matches!(verdict(&stale, true), Verdict::Unknown(_)),
            "whether it is sent beside tags is not documented"
        );
        let tagged =
            allow(root(), json!({"Condition": {"StringEquals": {"aws:RequestTag/kubernetes-namespace": "carts"}}}));
        assert_eq!(verdict(&tagged, true), Verdict::Admits);
        assert_eq!(cause(&verdict(&tagged, false)), Cause::SessionTagsOff);
        for (key, value, admitted) in
            [("team", "red", true), ("kubernetes-namespace", "carts", true), ("team", "blue", false)]
        {
            let own = allow(root(), json!({"Condition": {"StringEquals": {format!("aws:PrincipalTag/{key}"): value}}}));
            assert_eq!(verdict(&own, true) == Verdict::Admits, admitted, "{key}");
        }
        for unknown in [
            allow(json!({"AWS": "arn:aws:sts::111122223333:assumed-role/app/eks-x"}), json!({})),
            allow(root(), json!({"Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-1"}}})),
        ] {
            assert!(matches!(verdict(&unknown, true), Verdict::Unknown(_)), "{unknown:?}");
        }
    }

    /// The keys of the first session's caller are known, but for those that only AWS services have.
    #[test]
    fn conditions_on_the_caller_are_told() {
        let trust = |statement: &Value| Document(json!({"Version": "2012-10-17", "Statement": [statement]}));
        let principal = || json!({"AWS": "arn:aws:iam::111122223333:root"});
        let verdict = |operator: &str, key: &str, value: &str| {
            let condition = json!({operator: {key: value}});
            let statement =
                json!({"Effect": "Allow", "Principal": principal(), "Action": "sts:*", "Condition": condition});
            ask(true, None, |hop| hop.trusted(&trust(&statement)))
        };
        for (operator, key, value) in [
            ("StringEquals", "aws:PrincipalAccount", "111122223333"),
            ("StringNotEquals", "aws:PrincipalAccount", "222233334444"),
            ("Bool", "aws:PrincipalIsAWSService", "false"),
            ("Null", "aws:PrincipalServiceName", "true"),
            ("ArnEquals", "aws:PrincipalArn", "arn:aws:iam::111122223333:role/podid/app"),
        ] {
            assert_eq!(verdict(operator, key, value), Verdict::Admits, "{key}");
        }
        match verdict("StringEquals", "aws:PrincipalServiceName", "eks.amazonaws.com") {
            Verdict::Refuses(reasons) => {
                assert_eq!(reasons[0].text, "statement 1 requires aws:PrincipalServiceName, which EKS does not send");
            }
            other => panic!("{other:?}"),
        }
    }

    /// Who leaves others out lets the role in; to leave the role out its sessions have to be listed too.
    #[test]
    fn who_is_left_out_is_told() {
        let but = |others: &str| {
            let statement = json!({"Effect": "Allow", "NotPrincipal": {"AWS": others}, "Action": "sts:*"});
            ask(true, None, |hop| hop.trusted(&Document(json!({"Version": "2012-10-17", "Statement": [statement]}))))
        };
        assert_eq!(but("arn:aws:iam::222233334444:root"), Verdict::Admits);
        assert!(matches!(but("arn:aws:iam::111122223333:role/podid/app"), Verdict::Unknown(_)));
    }

    /// In one account a trust policy that names the role itself is enough; its account, or everyone, is not that.
    #[test]
    fn only_the_role_itself_is_named() {
        let named = |effect: &str, aws: Value| {
            let statement = json!({"Effect": effect, "Principal": {"AWS": aws}, "Action": "sts:AssumeRole"});
            ask(true, None, |hop| hop.is_named_by(&Document(json!({"Statement": [statement]}))))
        };
        let own = "arn:aws:iam::111122223333:role/podid/app";
        assert!(named("Allow", json!(own)) && named("Allow", json!(["*", own])));
        assert!(!named("Deny", json!(own)));
        for other in ["*", "arn:aws:iam::111122223333:root", "arn:aws:iam::111122223333:role/app"] {
            assert!(!named("Allow", json!(other)), "{other}");
        }
    }

    #[test]
    fn permission_hangs_on_denials_boundaries_and_conditions() {
        let policy = |effect: &str, more: Value| {
            let mut statement = json!({"Effect": effect, "Action": "sts:*", "Resource": "*"});
            for (key, value) in more.as_object().unwrap() {
                statement[key] = value.clone();
            }
            ("p".to_owned(), Document(json!({"Version": "2012-10-17", "Statement": [statement]})))
        };
        let verdict = |identity: Vec<(String, Document)>, boundary| {
            ask(true, None, |hop| {
                hop.permitted(&RoleDocuments { identity: identity.clone(), boundary: Option::clone(&boundary) }, TARGET)
            })
        };
        let all = || policy("Allow", json!({}));
        assert_eq!(verdict(vec![all()], Some(all())), Verdict::Admits);
        assert_eq!(cause(&verdict(vec![all(), policy("Deny", json!({"Resource": TARGET}))], None)), Cause::Denied);
        let narrow = policy("Allow", json!({"Action": "s3:*"}));
        assert_eq!(cause(&verdict(vec![all()], Some(narrow))), Cause::MissingAction("sts:AssumeRole"));
        let mut not = policy("Allow", json!({"NotResource": TARGET}));
        if let Some(statement) = not.1.0["Statement"][0].as_object_mut() {
            statement.shift_remove("Resource");
        }
        assert_eq!(cause(&verdict(vec![not], None)), Cause::MissingAction("sts:AssumeRole"));
        let org = json!({"Condition": {"StringEquals": {"aws:ResourceOrgID": "o-1"}}});
        assert!(matches!(verdict(vec![policy("Allow", org.clone())], None), Verdict::Unknown(_)));
        assert!(matches!(verdict(vec![all(), policy("Deny", org)], None), Verdict::Unknown(_)));
        let variable = policy("Allow", json!({"Resource": "arn:aws:iam::222233334444:role/${aws:PrincipalTag/team}"}));
        assert!(matches!(verdict(vec![variable], None), Verdict::Unknown(_)));
    }
}
