//! What `podid copy` wants of a cluster: the associations of another one as entries of a manifest, and those that stay where they are.

use std::collections::BTreeMap;

use super::{Side, Step, against};
use crate::model::{
    arn::{account, last},
    association::{Association, add_on},
    cluster::Cluster,
    manifest::{Association as Wanted, referenced},
    names::ServiceAccount,
    tags,
    want::Field,
};

/// An association of the other cluster that is not copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uncopied {
    /// Whose.
    pub subject: ServiceAccount,
    /// Its role in the other cluster.
    pub role_arn: String,
    /// Why.
    pub why: Why,
}

/// Why an association is not copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// An add-on of the other cluster owns it.
    AddOn(String),
    /// Its role is in this account, and the cluster is in another.
    Account(String),
    /// Its session policy is not JSON; without it, pods would be allowed more.
    Policy,
    /// The cluster has another one for the service account: what would make it equal.
    Different(Vec<Step>),
    /// The cluster has another one, which this add-on owns there.
    AddOnThere(String),
}

impl Why {
    /// As data.
    pub fn id(&self) -> &'static str {
        match self {
            Self::AddOn(_) => "addon",
            Self::Account(_) => "account",
            Self::Policy => "session-policy",
            Self::Different(_) => "different",
            Self::AddOnThere(_) => "addon-there",
        }
    }

    /// Whether it is as it should be: what an add-on owns comes with the add-on.
    pub fn is_expected(&self) -> bool {
        matches!(self, Self::AddOn(_))
    }
}

impl Uncopied {
    fn new(theirs: &Association, why: Why) -> Self {
        Self { subject: theirs.summary.subject.clone(), role_arn: theirs.role_arn.clone(), why }
    }

    /// The reason, in one line.
    pub fn reason(&self, from: &str, to: &Cluster) -> String {
        let to_name = &to.name;
        match &self.why {
            Why::AddOn(name) => format!("owned by add-on `{name}` in {from}"),
            Why::Account(account) => format!(
                "its role {} is in account {account}, and {to_name} is in {}: an association's role must be in the cluster's account",
                self.role_arn, to.arn.account
            ),
            Why::Policy => format!("its session policy in {from} is not JSON"),
            Why::Different(steps) => {
                let steps: Vec<String> = steps.iter().map(Step::describe).collect();
                format!("it is associated differently in {to_name}; to make it equal: {}", steps.join(", "))
            }
            Why::AddOnThere(name) => {
                format!("add-on `{name}` owns a different association of it in {to_name}")
            }
        }
    }

    /// What to do about it.
    pub fn hint(&self, from: &str, to: &Cluster) -> String {
        let to_name = &to.name;
        match &self.why {
            Why::AddOn(name) => format!(
                "install the add-on in {to_name}: `aws eks create-addon --cluster-name {to_name} --addon-name {name} \
                 --pod-identity-associations serviceAccount={},roleArn={}`",
                self.subject.name, self.role_arn
            ),
            Why::Account(_) => format!(
                "roles are not copied between accounts: export them with `podid export --cluster {from}`, change the account in the \
                 ARNs, and apply it with `podid apply -f podid.yaml --cluster {to_name}`; role needed there: {}",
                last(&self.role_arn)
            ),
            Why::Policy => format!("see it with `podid show {} --cluster {from}`", self.subject),
            Why::Different(_) => format!("to make it as in {from}, pass `--replace`"),
            Why::AddOnThere(name) => format!("change it through add-on `{name}` of {to_name}"),
        }
    }
}

/// Those that can be copied as far as the other cluster alone tells, and those that cannot.
pub fn copyable<'a>(to: &Cluster, theirs: &'a [Association]) -> (Vec<&'a Association>, Vec<Uncopied>) {
    let (mut going, mut staying) = (Vec::new(), Vec::new());
    for association in theirs {
        match stays(to, association) {
            None => going.push(association),
            Some(why) => staying.push(Uncopied::new(association, why)),
        }
    }
    (going, staying)
}

fn stays(to: &Cluster, theirs: &Association) -> Option<Why> {
    if let Some(owner) = &theirs.summary.owner_arn {
        return Some(Why::AddOn(add_on(owner).unwrap_or(owner).to_owned()));
    }
    if let Some(other) = account(&theirs.role_arn).filter(|account| *account != to.arn.account) {
        return Some(Why::Account(other.to_owned()));
    }
    let policy = theirs.policy.as_deref();
    policy.is_some_and(|text| serde_json::from_str::<serde_json::Value>(text).is_err()).then_some(Why::Policy)
}

/// The association as an entry: all that it says, also what it does not have.
pub fn copied(theirs: &Association) -> Wanted {
    fn whole<T>(field: Field<T>) -> Field<T> {
        if field.is_unmanaged() { Field::Cleared } else { field }
    }
    let wanted = referenced(theirs);
    Wanted {
        target_role: whole(wanted.target_role),
        disable_session_tags: Field::Set(theirs.disable_session_tags),
        session_policy: whole(wanted.session_policy),
        tags: whole(wanted.tags),
        ..wanted
    }
}

/// Lets an entry remove the custom tags that only the association of the cluster has.
pub fn without_more_tags(entry: &mut Wanted, mine: &Association) {
    if let Field::Set(wanted) = &mut entry.tags {
        for key in mine.tags.keys().filter(|key| tags::is_custom(key)) {
            wanted.entry(key.clone()).or_insert(None);
        }
    }
}

/// Those of which the cluster has a different one already, by the rules of `diff --against`.
pub fn different(
    to: &Cluster,
    from: &str,
    theirs: &[&Association],
    mine: &BTreeMap<ServiceAccount, Association>,
    replace: bool,
) -> Vec<Uncopied> {
    let found = theirs.iter().filter_map(|theirs| {
        let mine = mine.get(&theirs.summary.subject)?;
        let side = |cluster, associations| Side { cluster, agent: None, associations };
        let steps = against(side(&to.name, std::slice::from_ref(mine)), side(from, std::slice::from_ref(*theirs)));
        let why = match mine.summary.owner_arn.as_deref() {
            _ if steps.is_empty() => return None,
            Some(owner) => Why::AddOnThere(add_on(owner).unwrap_or(owner).to_owned()),
            None if replace => return None,
            None => Why::Different(steps),
        };
        Some(Uncopied::new(theirs, why))
    });
    found.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::fixtures::{association, cluster};

    const ROLE: &str = "arn:aws:iam::111122223333:role/app";

    type Change = fn(&mut Association);

    #[test]
    fn what_stays_where_it_is() {
        let (to, one) = (cluster(), association(ROLE));
        let rows: &[(Change, Option<&str>)] = &[
            (|_| {}, None),
            (|it| it.policy = Some(r#"{"Statement":[]}"#.to_owned()), None),
            (|it| it.target_role_arn = Some("arn:aws:iam::444455556666:role/t".to_owned()), None),
            (|it| it.policy = Some("{".to_owned()), Some("session-policy")),
            (|it| it.role_arn = "arn:aws:iam::444455556666:role/app".to_owned(), Some("account")),
            (
                |it| it.summary.owner_arn = Some("arn:aws:eks:us-west-2:111122223333:addon/blue/vpc-cni/1".to_owned()),
                Some("addon"),
            ),
        ];
        for (change, wanted) in rows {
            let mut theirs = one.clone();
            change(&mut theirs);
            let all = [theirs];
            let (going, staying) = copyable(&to, &all);
            assert_eq!(staying.first().map(|it| it.why.id()), *wanted);
            assert_eq!(going.len(), usize::from(wanted.is_none()));
            for it in staying {
                assert!(!it.reason("blue", &to).is_empty() && it.hint("blue", &to).contains('`'), "{it:?}");
            }
        }
    }

    /// Copied onto anything, the entry leaves nothing for `diff --against` to tell.
    #[test]
    fn an_entry_says_all_of_it() {
        let changes: &[Change] = &[
            |_| {},
            |it| it.target_role_arn = Some("arn:aws:iam::444455556666:role/t".to_owned()),
            |it| it.disable_session_tags = true,
            |it| it.policy = Some(r#"{"Statement":[]}"#.to_owned()),
            |it| _ = it.tags.insert("team".to_owned(), "a".to_owned()),
            |it| _ = it.tags.insert("cost".to_owned(), "b".to_owned()),
        ];
        for theirs_change in changes {
            for mine_change in changes {
                let (mut theirs, mut mine) = (association(ROLE), association("arn:aws:iam::111122223333:role/other"));
                theirs_change(&mut theirs);
                mine_change(&mut mine);
                let mut entry = copied(&theirs);
                without_more_tags(&mut entry, &mine);
                let text = |field: &Field<String>| field.over(Some("left".to_owned()));
                assert_eq!(text(&entry.target_role), theirs.target_role_arn);
                assert_eq!(entry.disable_session_tags, Field::Set(theirs.disable_session_tags));
                assert_eq!(entry.session_policy.set().is_some(), theirs.policy.is_some());
                assert!(!entry.session_policy.is_unmanaged() && !entry.tags.is_unmanaged());
                if let Field::Set(tags) = &entry.tags {
                    let gone = |key: &str| mine.tags.contains_key(key) && !theirs.tags.contains_key(key);
                    for key in ["team", "cost"] {
                        assert_eq!(tags.get(key) == Some(&None), gone(key), "{key}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_different_one_is_left_unless_it_is_to_be_replaced() {
        let (to, theirs) = (cluster(), association(ROLE));
        let mine = |change: Change| {
            let mut mine = theirs.clone();
            change(&mut mine);
            BTreeMap::from([(mine.summary.subject.clone(), mine)])
        };
        let told = |mine: &BTreeMap<_, _>, replace| {
            different(&to, "blue", &[&theirs], mine, replace).first().map(|it| it.why.id())
        };
        assert_eq!(told(&BTreeMap::new(), false), None);
        assert_eq!(told(&mine(|_| {}), false), None);
        let other = mine(|it| it.role_arn.push('2'));
        assert_eq!((told(&other, false), told(&other, true)), (Some("different"), None));
        let owned = |it: &mut Association| {
            it.role_arn.push('2');
            it.summary.owner_arn = Some("arn:aws:eks:us-west-2:111122223333:addon/green/vpc-cni/1".to_owned());
        };
        assert_eq!((told(&mine(owned), false), told(&mine(owned), true)), (Some("addon-there"), Some("addon-there")));
    }
}
