//! IAM: SimulatePrincipalPolicy. What a principal's policies, its boundary and the organisation's policies come to, in the
//! context that the caller gives; resource policies, session policies and trust policies are not part of it.

use serde_json::{Value, json};

use super::{
    Aws, Ctx,
    documents::check_identity,
    iam::{invalid, no_entity, paged},
    policy::{Fact, Facts, Ruling, keys_of, organization, ruling},
    wire::{Answer, AwsError, err, list, tag},
};

/// The kinds of context values (IAM API reference, ContextEntry).
const KINDS: &[&str] = &[
    "string",
    "stringList",
    "numeric",
    "numericList",
    "boolean",
    "booleanList",
    "ip",
    "ipList",
    "binary",
    "binaryList",
    "date",
    "dateList",
];

/// A policy of the simulation.
struct Source {
    id: String,
    kind: &'static str,
    document: Value,
}

/// What speaks about the principal.
struct Simulated {
    who: String,
    identity: Vec<Source>,
    boundary: Option<Source>,
    context: Facts,
}

/// How one action on one resource came out.
struct Outcome {
    decision: &'static str,
    boundary: Option<bool>,
    organization: Option<bool>,
    matched: String,
}

fn refused(message: impl Into<String>) -> AwsError {
    err(400, "InvalidInput", message)
}

impl Aws {
    pub(super) fn simulate_principal(&self, ctx: &Ctx<'_>) -> Answer {
        let arn = ctx.call.required("PolicySourceArn")?;
        ctx.permit(self, "iam:SimulatePrincipalPolicy", arn, &Facts::new())?;
        let actions = ctx.call.members("ActionNames");
        if actions.is_empty() {
            return Err(invalid(
                "1 validation error detected: Value null at 'actionNames' failed to satisfy constraint: Member must not be null",
            ));
        }
        if ctx.call.form.contains_key("ResourcePolicy") {
            return Err(refused("Resource policies are simulated for IAM users only."));
        }
        let simulated = self.simulated(ctx, arn)?;
        let named = ctx.call.members("ResourceArns");
        for resource in named.iter().filter(|resource| *resource != "*") {
            if resource.splitn(6, ':').count() != 6 || !resource.starts_with("arn:") {
                return Err(refused(format!("Invalid Resource Arn: {resource}")));
            }
        }
        let services: std::collections::BTreeSet<&str> =
            actions.iter().filter_map(|action| action.split(':').next()).collect();
        if services.len() > 1 && services.iter().any(|service| matches!(*service, "iam" | "s3" | "kms")) {
            return Err(refused(format!(
                "Invalid Input Actions: {} require different authorization information. Simulations that require different \
                 authorization information must be run separately.",
                actions.join(", ")
            )));
        }
        let mut results = Vec::new();
        for (at, action) in actions.iter().enumerate() {
            let known = action.split_once(':').is_some_and(|(service, name)| {
                let word =
                    |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
                word(service) && word(name)
            });
            if !known {
                return Err(refused(format!("Invalid Action: {action}")));
            }
            results.push((format!("{at:04}"), action));
        }
        paged(ctx, "EvaluationResults", results, |action| self.result(&simulated, action, &named))
    }

    /// The principal's own policies and those that are given with the request.
    fn simulated(&self, ctx: &Ctx<'_>, arn: &str) -> Result<Simulated, AwsError> {
        let unclear = || refused(format!("Invalid Entity Arn: {arn} does not clearly define entity type and name."));
        let resource = arn.splitn(6, ':').nth(5).ok_or_else(unclear)?;
        let mut identity = Vec::new();
        let mut boundary = None;
        let managed = |arn: &str, kind| Source {
            id: arn.rsplit('/').next().unwrap_or_default().to_owned(),
            kind,
            document: self.managed_policy(arn).cloned().unwrap_or(Value::Null),
        };
        if resource.starts_with("role/") {
            let role = self.role_by_arn(arn).ok_or_else(|| no_entity(format!("Role {arn} does not exist.")))?;
            for (name, text) in &role.inline {
                let document = serde_json::from_str(text).unwrap_or(Value::Null);
                identity.push(Source { id: format!("role_{}_{name}", role.name), kind: "IAM Policy", document });
            }
            identity.extend(role.attached.iter().map(|arn| managed(arn, "IAM Policy")));
            boundary = role.boundary.as_deref().map(|arn| managed(arn, "IAM Permissions Boundary Policy"));
        } else if resource.starts_with("user/") {
            let user = ctx.scenario.callers.iter().find(|caller| caller.arn == arn);
            let user = user.ok_or_else(|| no_entity(format!("User {arn} does not exist.")))?;
            let everything = json!({"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}});
            let policies = if user.policies.is_empty() { vec![everything] } else { user.policies.clone() };
            let numbered = policies.into_iter().enumerate();
            identity.extend(numbered.map(|(at, document)| Source {
                id: format!("user_{}_{at}", resource.trim_start_matches("user/")),
                kind: "IAM Policy",
                document,
            }));
        } else {
            return Err(unclear());
        }
        let given = |name: &str, kind| {
            let texts = ctx.call.members(name).into_iter().enumerate();
            let read = texts.map(|(at, text)| {
                check_identity(&text).map_err(|error| refused(error.message))?;
                let document = serde_json::from_str(&text).unwrap_or(Value::Null);
                Ok(Source { id: format!("{name}.{}", at + 1), kind, document })
            });
            read.collect::<Result<Vec<_>, AwsError>>()
        };
        identity.extend(given("PolicyInputList", "PolicyInputList")?);
        if let Some(own) = given("PermissionsBoundaryPolicyInputList", "PermissionsBoundaryPolicyInputList")?.pop() {
            boundary = Some(own);
        }
        Ok(Simulated { who: arn.to_owned(), identity, boundary, context: context(ctx)? })
    }

    fn outcome(&self, simulated: &Simulated, action: &str, resource: &str) -> Outcome {
        // What names nothing is only covered by `*`.
        let on = if resource == "*" { "arn:aws:none:::*" } else { resource };
        let ask = |source: &Source| {
            ruling(std::slice::from_ref(&source.document), &simulated.who, action, on, &simulated.context)
        };
        let each: Vec<Ruling> = simulated.identity.iter().map(ask).collect();
        let boundary = simulated.boundary.as_ref().map(ask);
        let levels = organization(&self.organization, &simulated.who, action, on, &simulated.context);
        let denied = each.contains(&Ruling::Deny);
        let allowed = each.contains(&Ruling::Allow) && !denied;
        let within = boundary.is_none_or(|ruling| ruling == Ruling::Allow);
        let decision = if denied || boundary == Some(Ruling::Deny) || levels == Ruling::Deny {
            "explicitDeny"
        } else if allowed && within && levels == Ruling::Allow {
            "allowed"
        } else {
            "implicitDeny"
        };
        let telling = match decision {
            "explicitDeny" => Some(Ruling::Deny),
            "allowed" => Some(Ruling::Allow),
            _ => None,
        };
        let of_identity = simulated.identity.iter().zip(each);
        let all = of_identity.chain(simulated.boundary.iter().zip(boundary));
        let matched = list(
            "MatchedStatements",
            all.filter(|(_, ruling)| Some(*ruling) == telling).map(|(source, _)| {
                let place = |name: &str| format!("<{name}><Line>1</Line><Column>1</Column></{name}>");
                tag("SourcePolicyId", &source.id)
                    + &tag("SourcePolicyType", source.kind)
                    + &place("StartPosition")
                    + &place("EndPosition")
            }),
        );
        Outcome {
            decision,
            boundary: boundary.map(|ruling| ruling == Ruling::Allow),
            organization: (!self.organization.is_empty()).then_some(levels == Ruling::Allow),
            matched,
        }
    }

    /// One answer for an action: the strictest of its resources, and each of them.
    fn result(&self, simulated: &Simulated, action: &str, named: &[String]) -> String {
        let missing = missing(simulated);
        let resources = if named.is_empty() { vec!["*".to_owned()] } else { named.to_vec() };
        let outcomes: Vec<(&String, Outcome)> =
            resources.iter().map(|resource| (resource, self.outcome(simulated, action, resource))).collect();
        let order = ["explicitDeny", "implicitDeny", "allowed"];
        let strictest = order.iter().find(|d| outcomes.iter().any(|(_, one)| one.decision == **d)).unwrap_or(&order[1]);
        let worst = outcomes.iter().find(|(_, one)| one.decision == *strictest).map(|(_, one)| one);
        let every = |of: fn(&Outcome) -> Option<bool>| {
            let all: Vec<bool> = outcomes.iter().filter_map(|(_, one)| of(one)).collect();
            (!all.is_empty()).then(|| all.iter().all(|allowed| *allowed))
        };
        let mut out = tag("EvalActionName", action)
            + &tag("EvalResourceName", if named.is_empty() { "*" } else { template(named) })
            + &tag("EvalDecision", *strictest)
            + worst.map_or("", |one| one.matched.as_str())
            + &missing;
        if let Some(allowed) = every(|one| one.organization) {
            let detail = tag("AllowedByOrganizations", allowed.to_string());
            out += "<OrganizationsDecisionDetail>";
            out += &detail;
            out += "</OrganizationsDecisionDetail>";
        }
        out += &bounded(every(|one| one.boundary));
        if !named.is_empty() {
            let each = outcomes.iter().map(|(resource, one)| {
                tag("EvalResourceName", resource)
                    + &tag("EvalResourceDecision", one.decision)
                    + &one.matched
                    + &missing
                    + &bounded(one.boundary)
            });
            out += &list("ResourceSpecificResults", each);
        }
        out
    }
}

/// The form of the resources' ARNs.
fn template(named: &[String]) -> &'static str {
    match named.first().and_then(|arn| arn.split(':').nth(2)) {
        Some("dynamodb") => "arn:${Partition}:dynamodb:${Region}:${Account}:table/${TableName}",
        Some("kms") => "arn:${Partition}:kms:${Region}:${Account}:key/${KeyId}",
        _ => "*",
    }
}

fn bounded(allowed: Option<bool>) -> String {
    allowed.map_or_else(String::new, |allowed| {
        format!(
            "<PermissionsBoundaryDecisionDetail>{}</PermissionsBoundaryDecisionDetail>",
            tag("AllowedByPermissionsBoundary", allowed.to_string())
        )
    })
}

/// The keys that the policies ask for and the request does not give.
fn missing(simulated: &Simulated) -> String {
    let asked = simulated.identity.iter().chain(&simulated.boundary).flat_map(|source| keys_of(&source.document));
    let given = |key: &String| simulated.context.iter().any(|(known, _)| known.eq_ignore_ascii_case(key));
    let mut keys: Vec<String> = asked.filter(|key| !given(key)).collect();
    keys.sort();
    keys.dedup_by(|a, b| a.eq_ignore_ascii_case(b));
    list("MissingContextValues", keys.iter().map(|key| super::wire::escape(key)))
}

/// `ContextEntries.member.N`.
fn context(ctx: &Ctx<'_>) -> Result<Facts, AwsError> {
    let mut facts = Facts::new();
    for at in 1.. {
        let field = |name: &str| ctx.call.form.get(&format!("ContextEntries.member.{at}.{name}"));
        let (Some(key), kind) = (field("ContextKeyName"), field("ContextKeyType")) else { break };
        let kind = kind.map(String::as_str).filter(|kind| KINDS.contains(kind)).ok_or_else(|| {
            invalid(format!(
                "1 validation error detected: Value at 'contextEntries.{at}.member.contextKeyType' failed to satisfy \
                 constraint: Member must satisfy enum value set: [{}]",
                KINDS.join(", ")
            ))
        })?;
        if key.len() < 5 || !key.contains(':') {
            return Err(invalid(format!(
                "1 validation error detected: Value '{key}' at 'contextEntries.{at}.member.contextKeyName' failed to satisfy \
                 constraint: Member must have length greater than or equal to 5"
            )));
        }
        let values = ctx.call.members(&format!("ContextEntries.member.{at}.ContextKeyValues"));
        let value = match (kind.ends_with("List"), &values[..]) {
            (false, [one]) if kind == "boolean" => Fact::Flag(one == "true"),
            (false, [one]) => Fact::One(one.clone()),
            (true, _) => Fact::Many(values),
            (false, _) => return Err(refused(format!("Context key {key} is of type {kind} and takes one value."))),
        };
        facts.push((key.clone(), value));
    }
    Ok(facts)
}
