//! What a session can do by each statement of its policies: the most sensitive first, with what limits it. Whether one call is allowed
//! is `who`'s.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use super::{
    Holder, RoleDocuments,
    evaluate::{self, Place, place, resource_text},
    session::{Call, Session},
    who::{malformed, readable},
};
use crate::model::{
    document::{Document, strings},
    text::{covers, listed, overlap, wildcard},
    trust::{
        admits,
        conditions::{self, Truth},
    },
};

/// How much harm can be done with it, from most to least.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// Everything, or enough of IAM to get there.
    Admin,
    /// iam:PassRole.
    PassRole,
    /// sts:AssumeRole and its kin.
    AssumeRole,
    /// Every action of a service.
    AllActions,
    /// Values of secrets and parameters.
    Secrets,
    /// Use of KMS keys.
    Keys,
    /// Anything else that does not only read.
    Write,
    /// Only reads.
    Read,
}

impl Level {
    /// As tables have it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::PassRole => "pass role",
            Self::AssumeRole => "assume role",
            Self::AllActions => "all actions",
            Self::Secrets => "secrets",
            Self::Keys => "keys",
            Self::Write => "write",
            Self::Read => "read",
        }
    }

    /// Whether a review looks at it first: it leads to more than it names.
    pub fn is_wide(self) -> bool {
        self <= Self::Secrets
    }
}

/// Actions of IAM by which a caller can give itself more (IAM User Guide, and the published lists of privilege escalation).
const ESCALATES: &[&str] = &[
    "iam:AddUserToGroup",
    "iam:AttachGroupPolicy",
    "iam:AttachRolePolicy",
    "iam:AttachUserPolicy",
    "iam:CreateAccessKey",
    "iam:CreateLoginProfile",
    "iam:CreatePolicyVersion",
    "iam:DeleteRolePermissionsBoundary",
    "iam:PutGroupPolicy",
    "iam:PutRolePermissionsBoundary",
    "iam:PutRolePolicy",
    "iam:PutUserPolicy",
    "iam:SetDefaultPolicyVersion",
    "iam:UpdateAssumeRolePolicy",
    "iam:UpdateLoginProfile",
];

const ASSUMES: &[&str] =
    &["sts:AssumeRole", "sts:AssumeRoleWithSAML", "sts:AssumeRoleWithWebIdentity", "sts:AssumeRoot"];

const SECRETS: &[&str] = &[
    "secretsmanager:GetSecretValue",
    "secretsmanager:BatchGetSecretValue",
    "ssm:GetParameter",
    "ssm:GetParameters",
    "ssm:GetParametersByPath",
    "ssm:GetParameterHistory",
];

const KEYS: &[&str] =
    &["kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey", "kms:ReEncryptFrom", "kms:CreateGrant", "kms:PutKeyPolicy"];

/// Beginnings of actions that only read.
const READING: [&str; 9] = ["get", "list", "describe", "batchget", "search", "lookup", "query", "scan", "check"];

/// How sensitive an action is, or what a pattern stands for.
pub fn level(action: &str) -> Level {
    let lower = action.to_ascii_lowercase();
    let stands_for = |names: &[&str]| names.iter().any(|name| wildcard(&lower, &name.to_ascii_lowercase()));
    let Some((service, name)) = lower.split_once(':') else { return Level::Admin };
    if stands_for(ESCALATES) {
        Level::Admin
    } else if stands_for(&["iam:PassRole"]) {
        Level::PassRole
    } else if stands_for(ASSUMES) && service == "sts" {
        Level::AssumeRole
    } else if name == "*" {
        Level::AllActions
    } else if stands_for(SECRETS) {
        Level::Secrets
    } else if stands_for(KEYS) {
        Level::Keys
    } else if READING.iter().any(|reading| name.starts_with(reading)) {
        Level::Read
    } else {
        Level::Write
    }
}

/// What a boundary or a session policy leaves of a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Left {
    /// All of it.
    All,
    /// Some of it, or that cannot be told.
    Part,
    /// Nothing.
    Nothing,
}

/// A statement, as far as it speaks of a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Reached {
    /// The most sensitive of its actions.
    pub level: Level,
    /// The statement.
    #[serde(flatten)]
    pub place: Place,
    /// The actions that it covers, or with allButActions those that it leaves out.
    pub actions: Vec<String>,
    /// It covers every action but these (NotAction).
    pub all_but_actions: bool,
    /// The resources that it covers, or with allButResources those that it leaves out; known policy variables are filled in.
    pub resources: Vec<String>,
    /// It covers every resource but these (NotResource).
    pub all_but_resources: bool,
    /// Conditions that may hold or not, one line each; those that hold for the session are omitted.
    pub conditions: Vec<String>,
    /// Why it never applies to this session.
    pub never: Vec<String>,
    /// What the permissions boundary leaves of it; absent without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub boundary: Option<Left>,
    /// What the session policy leaves of it; absent without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_policy: Option<Left>,
}

/// So many names at most; `left_out`: those that a statement leaves out, with NotAction or NotResource.
pub fn in_words(names: &[String], left_out: bool, most: usize) -> String {
    format!("{}{}", if left_out { "all except " } else { "" }, listed(names, most))
}

impl Reached {
    /// Its actions in words, so many of them at most.
    pub fn actions_in_words(&self, most: usize) -> String {
        in_words(&self.actions, self.all_but_actions, most)
    }

    /// Its resources in words, so many of them at most.
    pub fn resources_in_words(&self, most: usize) -> String {
        in_words(&self.resources, self.all_but_resources, most)
    }

    /// It allows something.
    pub fn counts(&self) -> bool {
        self.never.is_empty() && self.boundary != Some(Left::Nothing) && self.session_policy != Some(Left::Nothing)
    }

    /// What limits it: the conditions that depend on the call, and the policies that leave only a part of it.
    pub fn limits(&self) -> Vec<String> {
        let by = |left: Option<Left>, what: &str| match left {
            Some(Left::Nothing) => Some(format!("{what} does not allow it")),
            Some(Left::Part) => Some(what.to_owned()),
            Some(Left::All) | None => None,
        };
        let own = [by(self.boundary, "permissions boundary"), by(self.session_policy, "session policy")];
        self.conditions.iter().cloned().chain(own.into_iter().flatten()).collect()
    }
}

/// What a service account can reach.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Reach {
    /// Statements that allow something, the most sensitive first.
    pub allowed: Vec<Reached>,
    /// Statements that deny something, of boundary and session policy too.
    pub denied: Vec<Reached>,
    /// The permissions boundary: what it does not allow is denied.
    pub boundary: Option<String>,
    /// Why something may be missing or too much, one line each.
    pub unknown: Vec<String>,
}

/// What a service account can reach, by the policies of the role whose credentials its pods get.
pub fn reach(holder: &Holder<'_>) -> Reach {
    let mut found = Reach::default();
    let (arn, view) = holder.last_role();
    let session = holder.session();
    let own = match holder.session_policy() {
        Some(Ok(policy)) => Some(policy),
        Some(Err(why)) => {
            found.unknown.push(why);
            None
        }
        None => None,
    };
    let nothing = RoleDocuments::default();
    let documents = readable(&view.documents, arn).unwrap_or_else(|why| {
        found.unknown.push(why);
        &nothing
    });
    found.boundary = documents.boundary.as_ref().map(|(name, _)| name.clone());
    let all = || documents.identity.iter().chain(&documents.boundary).chain(&own);
    found.unknown.extend(all().filter_map(|(name, document)| malformed(name, document)));
    for (name, document) in all() {
        let denied = rows(name, document, &session, "Deny").into_iter().filter(|row| row.never.is_empty());
        found.denied.extend(denied);
    }
    for (name, document) in &documents.identity {
        for mut row in rows(name, document, &session, "Allow") {
            row.boundary = documents.boundary.as_ref().map(|(_, document)| left(&row, document));
            row.session_policy = own.as_ref().map(|(_, document)| left(&row, document));
            found.allowed.push(row);
        }
    }
    found.allowed.sort_by_key(|row| (!row.counts(), row.level));
    found.denied.sort_by_key(|row| row.level);
    found
}

fn rows(name: &str, document: &Document, session: &Session, effect: &str) -> Vec<Reached> {
    let variables = document.takes_variables();
    let statements = document.statements().into_iter().enumerate();
    let own = statements.filter(|(_, one)| one.get("Effect").and_then(Value::as_str) == Some(effect));
    own.map(|(at, statement)| row(place(name, at, statement), statement, session, variables)).collect()
}

fn row(place: Place, statement: &Value, session: &Session, variables: bool) -> Reached {
    let texts = |key: &str| strings(statement.get(key)).into_iter().map(str::to_owned).collect::<Vec<String>>();
    let (but_actions, but_resources) = (statement.get("NotAction").is_some(), statement.get("NotResource").is_some());
    let actions = texts(if but_actions { "NotAction" } else { "Action" });
    let mut level =
        if but_actions { Level::Admin } else { actions.iter().map(|one| level(one)).min().unwrap_or(Level::Read) };
    let nothing = Vec::new();
    let call = Call {
        session,
        action: actions.first().map_or("", String::as_str),
        resource: "*",
        brings: &nothing,
        any_tag: false,
        any_way: true,
    };
    let named = texts(if but_resources { "NotResource" } else { "Resource" });
    let (mut resources, mut never) = (Vec::new(), Vec::new());
    for text in &named {
        match resource_text(text, &call, variables) {
            Some(filled) => resources.push(filled),
            None => never.push(format!("{text} has no value for this session")),
        }
    }
    // What is left out must not be more, and one resource that is there is enough.
    if but_resources || !resources.is_empty() {
        never.clear();
    }
    // Every action on a table alone leads nowhere else.
    if level == Level::Admin && !but_resources && !resources.iter().any(|one| may_be_of_iam(one)) {
        level = Level::AllActions;
    }
    let mut undecided = Vec::new();
    for (operator, key, value) in admits::conditions(statement) {
        let one = json!({ operator: { key: value } });
        let text = format!("{key} {operator} {}", strings(Some(value)).join(" or ")).trim_end().to_owned();
        match conditions::holds(Some(&one), &call, "", variables) {
            Truth::Yes => {}
            Truth::Maybe(_) => undecided.push(text),
            Truth::No(_) => never.push(text),
        }
    }
    Reached {
        level,
        place,
        actions,
        all_but_actions: but_actions,
        resources,
        all_but_resources: but_resources,
        conditions: undecided,
        never,
        boundary: None,
        session_policy: None,
    }
}

/// Whether a resource may be one of IAM.
fn may_be_of_iam(resource: &str) -> bool {
    resource.split(':').nth(2).is_none_or(|service| service == "iam" || service.contains(['*', '?']))
}

/// What a document leaves of an allowing statement.
fn left(row: &Reached, document: &Document) -> Left {
    let statements = document.statements();
    let of = |effect: &'static str| {
        statements.iter().filter(move |one| one.get("Effect").and_then(Value::as_str) == Some(effect))
    };
    if row.all_but_actions || row.all_but_resources {
        return if of("Allow").next().is_none() { Left::Nothing } else { Left::Part };
    }
    let touches = |one: &&&Value| meets(&row.actions, one, "Action") && meets(&row.resources, one, "Resource");
    if !of("Allow").any(|one| touches(&one)) {
        return Left::Nothing;
    }
    let plain = |one: &&&Value| ["Condition", "NotAction", "NotResource"].iter().all(|key| one.get(*key).is_none());
    let whole = |one: &Value| {
        let all = |own: &[String], key: &str, fold: bool| {
            let theirs = strings(one.get(key));
            own.iter().all(|text| theirs.iter().any(|wide| covers(&folded(wide, fold), &folded(text, fold))))
        };
        all(&row.actions, "Action", true) && all(&row.resources, "Resource", false)
    };
    let all = of("Allow").filter(plain).any(|one| whole(one)) && !of("Deny").any(|one| touches(&one));
    if all { Left::All } else { Left::Part }
}

fn folded(text: &str, fold: bool) -> String {
    if fold { text.to_ascii_lowercase() } else { text.to_owned() }
}

/// Whether a statement may speak of some of these actions or resources.
fn meets(own: &[String], statement: &Value, key: &str) -> bool {
    if statement.get(format!("Not{key}")).is_some() {
        return true;
    }
    let fold = key == "Action";
    let theirs = strings(statement.get(key));
    // A variable may stand for anything.
    let open = theirs.iter().any(|text| text.contains("${")) || own.iter().any(|text| text.contains("${"));
    open || own.iter().any(|text| {
        theirs.iter().any(|other| {
            let reaches_over = !fold && (evaluate::resource_like(other, text) || evaluate::resource_like(text, other));
            reaches_over || overlap(&folded(text, fold), &folded(other, fold))
        })
    })
}

#[cfg(test)]
mod tests;
