//! Whether the pods of a service account can make a call, and which statement decides it: the way to the credentials first, then
//! every policy of the session. In three values: what cannot be read or evaluated is never taken for a yes or a no.

use std::{collections::BTreeMap, fmt};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    Effect, Need, RoleDocuments, Session,
    evaluate::{self, Place, Verdict, Weighed, Whom, allows_but_for_conditions, weigh},
    session::Call,
};
use crate::model::{
    arn::{self, Arn, last},
    association::Association,
    cluster::Cluster,
    document::Document,
    have::Observed,
    policy,
    role::{self, Role},
    snapshot::RoleView,
    trust::{self, Request, Verdict as Trusted, hop::Hop, target::Link},
};

/// Whether somebody can.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Answer {
    /// The policies that were read allow the call.
    Can,
    /// It depends on something that could not be read or evaluated.
    Unknown,
    /// The policies that were read do not allow the call.
    Cannot,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Can => "can",
            Self::Unknown => "unknown",
            Self::Cannot => "cannot",
        })
    }
}

/// An answer, and what it rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Ruling {
    /// Whether the service account can.
    pub answer: Answer,
    /// The statements that decide it.
    pub decided_by: Vec<Place>,
    /// Why, one line each.
    pub reasons: Vec<String>,
}

impl Ruling {
    fn new(answer: Answer, decided_by: Vec<Place>, reasons: Vec<String>) -> Self {
        let mut ruling = Self { answer, decided_by, reasons };
        ruling.reasons.dedup();
        ruling
    }
}

/// A service account with an association, and what was read of its roles.
#[derive(Debug, Clone, Copy)]
pub struct Holder<'a> {
    /// Its cluster.
    pub cluster: &'a Cluster,
    /// Its association.
    pub association: &'a Association,
    /// The association's role.
    pub role: &'a RoleView,
    /// The target role, where there is one.
    pub target: Option<&'a RoleView>,
    /// When it is asked.
    pub now: Timestamp,
}

/// The service accounts of these associations, with the roles that were read, by ARN.
pub fn holders<'a>(
    cluster: &'a Cluster,
    associations: &'a [Association],
    roles: &'a BTreeMap<String, RoleView>,
    now: Timestamp,
) -> impl Iterator<Item = Holder<'a>> {
    static NOTHING: RoleView =
        RoleView { role: Observed::NotRequested, documents: Observed::NotRequested, policies: Observed::NotRequested };
    let role = |arn: &String| roles.get(arn).unwrap_or(&NOTHING);
    associations.iter().map(move |association| Holder {
        cluster,
        association,
        role: role(&association.role_arn),
        target: association.target_role_arn.as_ref().map(role),
        now,
    })
}

impl<'a> Holder<'a> {
    /// The role whose credentials its pods get in the end, and its ARN.
    pub fn last_role(&self) -> (&'a str, &'a RoleView) {
        let to_target = self.association.target_role_arn.as_deref().zip(self.target);
        to_target.unwrap_or((&self.association.role_arn, self.role))
    }

    /// The session that its pods get.
    pub fn session(&self) -> Session {
        let role = self.last_role().1.role.known().and_then(Option::as_ref);
        Session::through(self.association, role, Some(self.cluster))
    }

    /// What keeps its pods from the credentials: `Cannot` or `Unknown`, or nothing.
    pub fn without_credentials(&self) -> Option<Ruling> {
        let found = [self.first_role(), self.hop()].into_iter().flatten();
        found.max_by_key(|ruling| ruling.answer)
    }

    fn first_role(&self) -> Option<Ruling> {
        let role = match there(&self.association.role_arn, &self.role.role) {
            Ok(role) => role,
            Err(ruling) => return Some(ruling),
        };
        let request = Request {
            cluster: self.cluster,
            subject: &self.association.summary.subject,
            session_tags: !self.association.disable_session_tags,
            now: Some(self.now),
            pod: None,
        };
        let verdict = trust::at_run_time(&role.trust, &request);
        not_trusted(verdict, &format!("the trust policy of role {}", role.name))
    }

    fn hop(&self) -> Option<Ruling> {
        let (arn, target) = self.association.target_role_arn.as_deref().zip(self.target)?;
        let doubt = |why: String| Some(Ruling::new(Answer::Unknown, Vec::new(), vec![why]));
        let primary = match Arn::strict(&self.association.role_arn) {
            Ok(primary) => primary,
            Err(why) => return doubt(why.to_string()),
        };
        let link = Link {
            cluster: self.cluster,
            subject: &self.association.summary.subject,
            primary: &primary,
            session_tags: !self.association.disable_session_tags,
            external_id: self.association.external_id.as_deref(),
        };
        let tags = self.role.role.known().and_then(Option::as_ref).map(|role| &role.tags);
        let hop = Hop { link, tags, now: Some(self.now) };
        let role = match there(arn, &target.role) {
            Ok(role) => role,
            Err(ruling) => return Some(ruling),
        };
        let trusted = hop.trusted(&role.trust);
        if let Some(ruling) = not_trusted(trusted, &format!("the trust policy of target role {}", role.name)) {
            return Some(ruling);
        }
        match readable(&self.role.documents, &primary.to_string()) {
            Err(why) => doubt(why),
            Ok(documents) => match hop.permitted(documents, arn) {
                Trusted::Admits => None,
                Trusted::Unknown(why) => Some(Ruling::new(Answer::Unknown, Vec::new(), why)),
                // In one account the trust policy may do alone (IAM User Guide, policy evaluation within an account).
                Trusted::Refuses(why) if hop.is_named_by(&role.trust) => doubt(trust::in_words(&why)),
                Trusted::Refuses(why) => Some(Ruling::new(Answer::Cannot, Vec::new(), vec![trust::in_words(&why)])),
            },
        }
    }

    /// Whether its pods can make a call.
    pub fn can(&self, need: &Need) -> Ruling {
        let way = self.without_credentials();
        if let Some(ruling) = way.as_ref().filter(|ruling| ruling.answer == Answer::Cannot) {
            return ruling.clone();
        }
        let by_policies = self.by_policies(need);
        match way {
            Some(doubt) if by_policies.answer == Answer::Can => Ruling { decided_by: by_policies.decided_by, ..doubt },
            Some(doubt) if by_policies.answer == Answer::Unknown => doubt,
            _ => by_policies,
        }
    }

    /// The same, where the pods have the credentials.
    fn by_policies(&self, need: &Need) -> Ruling {
        let (arn, view) = self.last_role();
        let session = self.session();
        let call = Call {
            session: &session,
            action: &need.action,
            resource: &need.resource,
            brings: &need.context,
            any_tag: false,
            any_way: true,
        };
        let own = self.session_policy();
        let mut layers = Vec::new();
        match readable(&view.documents, arn) {
            Ok(documents) => {
                layers.push((Layer::Identity, Ok(documents.identity.as_slice())));
                layers.extend(documents.boundary.as_ref().map(|one| (Layer::Boundary, Ok(std::slice::from_ref(one)))));
            }
            Err(why) => layers.push((Layer::Identity, Err(why))),
        }
        match &own {
            Some(Ok(policy)) => layers.push((Layer::Session, Ok(std::slice::from_ref(policy)))),
            Some(Err(why)) => layers.push((Layer::Session, Err(why.clone()))),
            None => {}
        }
        let ruled: Vec<Ruling> = layers.into_iter().map(|(layer, documents)| layer.ruling(documents, &call)).collect();
        // Whatever denies wins, and each has to allow it.
        let strictest = ruled.iter().max_by_key(|ruling| (ruling.answer, !ruling.decided_by.is_empty()));
        let ruling = strictest.cloned().unwrap_or_else(|| Ruling::new(Answer::Unknown, Vec::new(), Vec::new()));
        let foreign = account(&need.resource).filter(|account| Some(*account) != arn::account(arn));
        match foreign {
            Some(account) if ruling.answer == Answer::Can => {
                let why =
                    format!("the resource is in account {account}: whether its own policy allows it was not read");
                Ruling::new(Answer::Unknown, ruling.decided_by, vec![why])
            }
            // What allows it comes first: the role's own policy.
            _ if ruling.answer == Answer::Can => ruled.into_iter().next().unwrap_or(ruling),
            _ => ruling,
        }
    }

    /// The association's session policy.
    pub(super) fn session_policy(&self) -> Option<Result<(String, Document), String>> {
        self.association.policy.as_deref().map(evaluate::session_policy)
    }
}

/// What a policy is to a session.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Layer {
    Identity,
    Boundary,
    Session,
}

impl Layer {
    fn ruling(self, documents: Result<&[(String, Document)], String>, call: &Call<'_>) -> Ruling {
        let documents = match documents {
            Ok(documents) => documents,
            Err(why) => return Ruling::new(Answer::Unknown, Vec::new(), vec![why]),
        };
        let broken: Vec<String> = documents.iter().filter_map(|(name, one)| malformed(name, one)).collect();
        let fine: Vec<(String, Document)>;
        let documents = if broken.is_empty() {
            documents
        } else {
            fine = documents.iter().filter(|(name, one)| malformed(name, one).is_none()).cloned().collect();
            &fine
        };
        let Weighed { verdict, by } = weigh(documents, call, Whom::Caller);
        let says = |verb: &str| by.iter().map(|place| format!("{place} {verb}")).collect::<Vec<_>>();
        match verdict {
            Verdict::Is(Effect::Explicit, _) => {
                let reasons = says("denies it");
                Ruling::new(Answer::Cannot, by, reasons)
            }
            // A document that cannot be evaluated may allow it, or deny it.
            _ if !broken.is_empty() => Ruling::new(Answer::Unknown, Vec::new(), broken),
            Verdict::Is(Effect::Implicit, _) => {
                Ruling::new(Answer::Cannot, Vec::new(), vec![self.silent(documents, call)])
            }
            Verdict::Is(Effect::Allowed, _) => {
                let reasons = says("allows it");
                Ruling::new(Answer::Can, by, reasons)
            }
            Verdict::Unknown(reasons) => Ruling::new(Answer::Unknown, by, reasons),
        }
    }

    /// Why nothing allows it.
    fn silent(self, documents: &[(String, Document)], call: &Call<'_>) -> String {
        let who = match self {
            Self::Identity if documents.is_empty() => return "the role has no policies".to_owned(),
            Self::Identity => "no policy of the role allows it".to_owned(),
            Self::Boundary => {
                let name = documents.first().map_or("", |(name, _)| last(name));
                format!("the permissions boundary {name} does not allow it")
            }
            Self::Session => "the session policy of the association does not allow it".to_owned(),
        };
        let near = allows_but_for_conditions(documents, call);
        let near: Vec<String> = near.iter().map(ToString::to_string).collect();
        match near.as_slice() {
            [] => who,
            [one] => format!("{who}: the conditions of {one} do not hold"),
            [first, rest @ ..] => {
                format!("{who}: the conditions of {first} and {} more do not hold", rest.len())
            }
        }
    }
}

/// Why a document cannot be evaluated; `None` where it can.
pub(super) fn malformed(name: &str, document: &Document) -> Option<String> {
    let faults = policy::faults(document);
    let first = faults.iter().find(|issue| issue.is_error())?;
    Some(format!("policy {} cannot be evaluated: {first}", last(name)))
}

/// A role that has to be there.
fn there<'a>(arn: &str, view: &'a Observed<Option<Role>>) -> Result<&'a Role, Ruling> {
    let name = last(arn);
    let ruling = |answer, why: String| Err(Ruling::new(answer, Vec::new(), vec![why]));
    if let Some(why) = role::missing(arn, view) {
        return ruling(Answer::Cannot, why);
    }
    match view {
        Observed::Known(Some(role)) => Ok(role),
        Observed::Unreadable(why) => ruling(Answer::Unknown, format!("role {name}: {why}")),
        Observed::Known(None) | Observed::NotRequested => ruling(Answer::Unknown, format!("role {name} was not read")),
    }
}

/// The policies of a role, or why they were not read.
pub(super) fn readable<'a>(documents: &'a Observed<RoleDocuments>, arn: &str) -> Result<&'a RoleDocuments, String> {
    match documents {
        Observed::Known(documents) => Ok(documents),
        Observed::Unreadable(why) => Err(format!("the policies of role {}: {why}", last(arn))),
        Observed::NotRequested => Err(format!("the policies of role {} were not read", last(arn))),
    }
}

fn not_trusted(verdict: Trusted, who: &str) -> Option<Ruling> {
    let (answer, why) = match verdict {
        Trusted::Admits => return None,
        Trusted::Refuses(reasons) => (Answer::Cannot, trust::in_words(&reasons)),
        Trusted::Unknown(reasons) => (Answer::Unknown, reasons.join("; ")),
    };
    Some(Ruling::new(answer, Vec::new(), vec![format!("{who}: {why}")]))
}

/// The account of a resource whose ARN tells one.
fn account(resource: &str) -> Option<&str> {
    let account = arn::account(resource)?;
    (account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit())).then_some(account)
}

#[cfg(test)]
mod tests;
