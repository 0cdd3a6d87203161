//! What the role of the annotation says about a move to Pod Identity: its trust policy and its permissions.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Looked, Stage,
    catalog::{
        CHAINED_ROLE, INVALID_ROLE, ISSUER_CONDITIONS, MANAGED_ROLE, MSK, NO_ROLE, NOT_SERVED, NOT_TRUSTED,
        OPEN_SUBJECT, OTHER_ACCOUNT, SELF_ASSUMED, TRUST_BLOCKED, TRUST_FULL, TRUST_UNCLEAR, UNREAD, UNSEEN_ROLE,
    },
};
use crate::{
    checks::Finding,
    model::{
        access::{self, RoleDocuments},
        arn::Arn,
        document::Document,
        have::Observed,
        migration::{Candidate, Migration},
        names::ServiceAccount,
        role::Role,
        text::listed,
        trust::{
            self, Unfixable, Verdict,
            irsa::{AUDIENCE, IrsaForm, IrsaTrust, WebIdentity, irsa},
        },
    },
    plan,
};

/// Names that are shown of many.
const SHOWN: usize = 4;

/// The service accounts whose roles' trust policies lack a statement for them, and why podid's cannot be added.
pub(super) type Room = BTreeMap<ServiceAccount, Result<(), Unfixable>>;

fn arn(candidate: &Candidate) -> Option<Arn> {
    Arn::parse_iam(&candidate.annotation.role, "role", "an IAM role").ok()
}

fn known(candidate: &Candidate) -> Option<&Role> {
    candidate.role.role.known()?.as_ref()
}

/// What the role's trust policy says of IRSA.
pub(super) fn trust(candidate: &Candidate, migration: &Migration) -> Option<IrsaTrust> {
    let (role, cluster) = (known(candidate)?, &migration.cluster);
    let identity = WebIdentity {
        issuer: cluster.oidc_issuer.as_deref()?,
        account: &cluster.arn.account,
        subject: &candidate.snapshot.subject,
        audience: candidate.annotation.audience.as_deref().unwrap_or(AUDIENCE),
    };
    Some(irsa(&role.arn, &role.trust, &identity))
}

/// Adds podid's statements one after the other, as the plan's commands do: service accounts of one role share its room.
pub(super) fn room(migration: &Migration, looked: &[Looked]) -> Room {
    let mut room = Room::new();
    let mut roles: BTreeMap<&str, Document> = BTreeMap::new();
    // What is not going to move takes no room from the others.
    for (candidate, _) in migration.candidates.iter().zip(looked).filter(|(it, looked)| !looked.stays(it)) {
        let Some(role) = known(candidate).filter(|role| role.arn.account == migration.cluster.arn.account) else {
            continue;
        };
        let document = roles.entry(&role.name).or_insert_with(|| role.trust.clone());
        let fits = plan::beside(role, document, &plan::request(&migration.cluster, candidate));
        if let Some(fits) = fits {
            room.insert(candidate.snapshot.subject.clone(), fits.map(|after| *document = after));
        }
    }
    room
}

pub(super) fn findings(
    migration: &Migration,
    candidate: &Candidate,
    stage: Stage,
    trust: Option<&IrsaTrust>,
    room: &Room,
) -> Vec<Finding> {
    let (subject, home) = (&candidate.snapshot.subject, &migration.cluster.arn);
    let annotated = &candidate.annotation.role;
    let Some(arn) = arn(candidate) else {
        let finding = INVALID_ROLE
            .fails(format!("service account {subject}"), "its annotation does not name a role")
            .evidence("its annotation eks.amazonaws.com/role-arn", annotated)
            .change("correct the annotation, or remove it");
        return vec![finding];
    };
    if arn.partition != home.partition {
        let finding = INVALID_ROLE
            .fails(
                format!("service account {subject}"),
                format!(
                    "its role is in partition `{}`, and the cluster in `{}`: no role can be used across partitions",
                    arn.partition, home.partition
                ),
            )
            .evidence("its annotation eks.amazonaws.com/role-arn", annotated)
            .change("correct the annotation, or remove it");
        return vec![finding];
    }
    if arn.account != home.account || candidate.snapshot.associated().is_some_and(|it| it.target_role_arn.is_some()) {
        // An association with this target role is there already, and its chain of roles is `verify`'s to check.
        return vec![if matches!(stage, Stage::Both | Stage::PodIdentity) {
            UNSEEN_ROLE
                .cannot_tell(
                    format!("role {}", arn.name()),
                    "the association has it as its target role, and the plan does not check both roles",
                )
                .command(format!("podid verify {subject}"))
        } else {
            other_account(candidate, &arn, &home.account)
        }];
    }
    let on = format!("role {}", arn.name());
    let role = match &candidate.role.role {
        Observed::Known(Some(role)) => role,
        Observed::Known(None) => {
            return vec![
                NO_ROLE
                    .fails(&*on, "it does not exist")
                    .evidence("GetRole", format!("no role {}", arn.name()))
                    .change("correct the annotation, or remove it"),
            ];
        }
        Observed::Unreadable(why) => return vec![UNREAD.skips(on, why)],
        Observed::NotRequested => return vec![UNREAD.cannot_tell(on, "it was not read")],
    };
    if role.arn.to_string() != *annotated {
        return vec![
            INVALID_ROLE
                .fails(&*on, format!("its ARN is {}, not that of the annotation: STS rejects it", role.arn))
                .evidence("its annotation eks.amazonaws.com/role-arn", annotated)
                .change("correct the annotation, or remove it"),
        ];
    }
    let unserved = room.get(subject).is_some();
    if stage == Stage::PodIdentity {
        return if unserved { vec![not_served(subject, role)] } else { Vec::new() };
    }
    let mut found = match trust {
        Some(trust) => by_trust(candidate, role, trust, stage),
        None => vec![UNREAD.cannot_tell("the cluster", "DescribeCluster returned no OIDC issuer")],
    };
    if let Some(Err(why)) = room.get(subject) {
        let finding = match why {
            Unfixable::TooLong(long) => {
                TRUST_FULL.fails(&*on, format!("the trust policy {long}")).change(trust::SHORTEN)
            }
            why => TRUST_BLOCKED
                .fails(&*on, format!("podid cannot add its statement: {why}"))
                .command(format!("podid role trust {} --service-account {subject}", role.name)),
        };
        found.push(finding.evidence("GetRole", format!("a trust policy of {} characters", role.trust.size())));
    }
    if let Some(stack) = role.tags.get("aws:cloudformation:stack-name").filter(|_| unserved) {
        found.push(
            MANAGED_ROLE
                .warns(&*on, format!("the CloudFormation stack {stack} manages it, and may remove podid's statement"))
                .evidence("GetRole, its tags", format!("aws:cloudformation:stack-name: {stack}"))
                .change("add the statement that `podid role trust` prints to the stack's template too"),
        );
    }
    match &candidate.role.documents {
        Observed::Known(documents) => found.extend(by_policies(role, documents)),
        Observed::Unreadable(why) => found.push(UNREAD.skips(format!("the policies of {on}"), why)),
        Observed::NotRequested => found.push(UNREAD.cannot_tell(format!("the policies of {on}"), "they were not read")),
    }
    found
}

/// Its pods have the association, and get nothing by it.
fn not_served(subject: &ServiceAccount, role: &Role) -> Finding {
    NOT_SERVED
        .fails(format!("role {}", role.name), format!("EKS may not assume it for {subject}"))
        .evidence("GetRole", "AssumeRolePolicyDocument")
        .command(format!("podid role trust {} --service-account {subject} --fix", role.name))
}

fn other_account(candidate: &Candidate, arn: &Arn, home: &str) -> Finding {
    let subject = &candidate.snapshot.subject;
    OTHER_ACCOUNT
        .fails(format!("role {}", arn.name()), format!("it is in account {}, the cluster is in {home}", arn.account))
        .evidence("its annotation eks.amazonaws.com/role-arn", &candidate.annotation.role)
        .command(format!("podid associate {subject} --create-role --target-role {arn}"))
        .change(format!(
            "in account {}, allow the created role to assume role {} (sts:AssumeRole and sts:TagSession); the command prints the statements. Keep its OIDC statement until the migration is finished",
            arn.account,
            arn.name()
        ))
}

fn by_trust(candidate: &Candidate, role: &Role, trust: &IrsaTrust, stage: Stage) -> Vec<Finding> {
    let (subject, name) = (&candidate.snapshot.subject, &role.name);
    let on = format!("role {name}");
    let mut found = Vec::new();
    match &trust.verdict {
        Verdict::Admits => {}
        // Its pods are served by the association already.
        Verdict::Refuses(_) if stage == Stage::Both => {}
        Verdict::Refuses(reasons) => {
            let finding = NOT_TRUSTED
                .fails(&*on, format!("{subject} may not assume it through IRSA today"))
                .evidence("GetRole, its trust policy", trust::in_words(reasons));
            // A token for something else than AWS is kept: its own finding says so.
            let other = candidate.annotation.audience.as_ref().is_some_and(|audience| audience != AUDIENCE);
            found.push(if other {
                finding
            } else {
                finding.change(format!(
                    "if {subject} needs this role: `podid role trust {name} --service-account {subject} --fix`, then `podid associate {subject} --role {name}`; otherwise remove the annotation"
                ))
            });
        }
        Verdict::Unknown(reasons) => found
            .push(TRUST_UNCLEAR.cannot_tell(&*on, reasons.join("; ")).evidence("GetRole", trust.statements.join(", "))),
    }
    let open: Vec<IrsaForm> = trust.forms.iter().copied().filter(|form| form.is_open()).collect();
    if let Some(form) = open.first()
        && !matches!(trust.verdict, Verdict::Refuses(_))
    {
        found.push(
            OPEN_SUBJECT
                .warns(&*on, format!("its trust policy allows {form}; an association is for one service account"))
                .evidence("GetRole, its trust policy", trust.statements.join(", "))
                .change(format!(
                    "associate service accounts that are created later: `podid associate NS/SA --role {name}`"
                )),
        );
    }
    found
}

fn by_policies(role: &Role, documents: &RoleDocuments) -> Vec<Finding> {
    let on = format!("role {}", role.name);
    let mut found = Vec::new();
    let keys = access::web_identity_keys(documents);
    if !keys.is_empty() {
        let (policies, names): (BTreeSet<String>, BTreeSet<String>) = keys.into_iter().unzip();
        let (policies, names): (Vec<String>, Vec<String>) =
            (policies.into_iter().collect(), names.into_iter().collect());
        found.push(
            ISSUER_CONDITIONS
                .fails(&*on, format!("its policies ask for {}, which Pod Identity does not have", listed(&names, SHOWN)))
                .evidence("the policies of the role", listed(&policies, SHOWN))
                .change("use session tags instead: aws:PrincipalTag/kubernetes-namespace and aws:PrincipalTag/kubernetes-service-account, beside the condition for IRSA"),
        );
    }
    found.extend(onward(role, documents));
    let msk = access::policies_naming(documents, "kafka-cluster");
    if !msk.is_empty() {
        found.push(
            MSK.warns(&*on, "clients of Amazon MSK are disconnected whenever their credentials are renewed")
                .evidence("policies that allow kafka-cluster actions", listed(&msk, SHOWN))
                .change("let MSK clients assume a second role with a fixed session name (`awsRoleArn` and `awsRoleSessionName` of aws-msk-iam-auth), or keep them on IRSA"),
        );
    }
    found
}

/// Roles that are assumed with the role's credentials.
fn onward(role: &Role, documents: &RoleDocuments) -> Vec<Finding> {
    let on = format!("role {}", role.name);
    let mut found = Vec::new();
    let own = role.arn.to_string();
    let (selves, others): (Vec<_>, Vec<_>) =
        access::resources_for(documents, "sts:AssumeRole").into_iter().partition(|(_, resource)| *resource == own);
    let tagged: Vec<String> =
        access::resources_for(documents, "sts:TagSession").into_iter().map(|(_, resource)| resource).collect();
    if !others.is_empty() {
        let targets: BTreeSet<String> = others.iter().map(|(_, resource)| resource.clone()).collect();
        let targets: Vec<String> = targets.into_iter().collect();
        let lacks: Vec<&String> = targets
            .iter()
            .filter(|target| !tagged.iter().any(|pattern| access::resource_like(pattern, target)))
            // What is granted to a pattern is its owner's to say.
            .filter(|target| target.starts_with("arn:") && !target.contains(['*', '?', '$']))
            .collect();
        let shown =
            if targets.iter().any(|target| target == "*") { "any role".into() } else { listed(&targets, SHOWN) };
        let finding = CHAINED_ROLE
            .warns(&*on, format!("it may assume {shown}, which needs sts:TagSession with Pod Identity"))
            .evidence("policies that allow sts:AssumeRole", policies(&others));
        let grants = lacks.iter().map(|target| format!(" --allow sts:TagSession@{target}"));
        let finding = if lacks.is_empty() {
            finding
        } else {
            finding.command(format!("podid policy attach {}{}", role.name, grants.collect::<String>()))
        };
        found.push(
            finding.change(
                "allow sts:TagSession, beside sts:AssumeRole, in the policies of this role and in the trust policies of the roles that it assumes",
            ),
        );
    }
    let untagged = trust::lets_itself(&role.trust, &role.arn, "sts:AssumeRole")
        && !trust::lets_itself(&role.trust, &role.arn, "sts:TagSession");
    if untagged || !selves.is_empty() && !trust::lets_itself(&role.trust, &role.arn, "sts:TagSession") {
        found.push(
            SELF_ASSUMED
                .warns(&*on, "it may assume itself, which needs sts:TagSession with Pod Identity")
                .evidence("GetRole, its trust policy", "no statement allows sts:TagSession to the role itself")
                .change("allow sts:TagSession in the statement of its trust policy that names the role itself"),
        );
    }
    found
}

fn policies(found: &[(String, String)]) -> String {
    let names: BTreeSet<&String> = found.iter().map(|(policy, _)| policy).collect();
    listed(&names.into_iter().collect::<Vec<_>>(), SHOWN)
}
