//! Plans the trust of the target role, and warns where session tags are needed that are not sent. The first role's
//! permission on it is a policy like others.

use super::{Plan, Refusal, Step, role::Planned};
use crate::model::{
    arn::Arn,
    have::{Have, Observed},
    policy::same_meaning,
    role::Role,
    trust::{self, SESSION_TAGS, target},
    want::{Field, Want},
};

pub(super) fn plan(
    want: &Want,
    have: &Have,
    role: &Planned,
    session_tags: bool,
    plan: &mut Plan,
) -> Result<(), Refusal> {
    if !session_tags {
        needless_tags(want, have, plan);
    }
    let Field::Set(arn) = &want.target_role else { return Ok(()) };
    if *arn == role.arn {
        return Err(Refusal::new(format!("the target role {arn} is the association's own role"))
            .hint("omit `--target-role`: pods then use the association's role"));
    }
    if arn.partition != role.arn.partition {
        return Err(Refusal::new(format!(
            "target role {arn} is in partition `{}`, the cluster is in `{}`",
            arn.partition, role.arn.partition
        )));
    }
    if let Err(wrong) = Arn::strict(&role.arn.to_string()) {
        // The target's trust policy names this role, and IAM reads wildcards there.
        return Err(Refusal::new(format!("the role {} cannot be used with a target role: {wrong}", role.arn))
            .hint("use a role whose path has only letters, digits and `/`"));
    }
    match &have.target {
        Observed::Known(Some(found)) => {
            if found.arn != *arn {
                return Err(Refusal::new(format!("target role `{}` has the ARN {}, not {arn}", found.name, found.arn)));
            }
            trusted(want, have, role, found, session_tags, plan)
        }
        Observed::Known(None) => {
            Err(Refusal::new(format!("target role `{}` does not exist in account {}", arn.name(), arn.account)))
        }
        Observed::Unreadable(why) if want.fix_target_trust => {
            Err(Refusal::denied(format!("cannot read the trust policy of target role `{}`: {why}", arn.name())))
        }
        Observed::Unreadable(why) => {
            plan.warn(format!("trust of target role `{}` not checked: {why}", arn.name()));
            Ok(())
        }
        Observed::NotRequested if want.fix_target_trust => Err(elsewhere(arn, &want.cluster.arn)),
        Observed::NotRequested => Ok(()),
    }
}

fn elsewhere(arn: &Arn, home: &Arn) -> Refusal {
    Refusal::new(format!(
        "`--fix-target-trust` cannot write to {arn}: it is in account {}, the caller's is {}",
        arn.account, home.account
    ))
    .hint("omit it: podid prints the statements to add there")
}

fn trusted(
    want: &Want,
    have: &Have,
    role: &Planned,
    found: &Role,
    session_tags: bool,
    plan: &mut Plan,
) -> Result<(), Refusal> {
    let external_id = have.association.known().and_then(Option::as_ref).and_then(|a| a.external_id.as_deref());
    let link =
        target::Link { cluster: &want.cluster, subject: &want.subject, primary: &role.arn, session_tags, external_id };
    let after = target::with_target(&found.trust, &target::target_statements(&link));
    let after = match after {
        Ok(after) => after,
        Err(taken) if want.fix_target_trust => return Err(super::sid_taken(&found.name, &taken)),
        Err(taken) => {
            plan.warn(format!("target role `{}` may not trust {}: {taken}", found.name, want.subject));
            return Ok(());
        }
    };
    if same_meaning(&found.trust, &after) {
        return Ok(());
    }
    if !want.fix_target_trust {
        plan.warn(format!(
            "target role `{}` may not trust {} yet: its trust policy lacks podid's statement; \
             `--fix-target-trust` writes it",
            found.name, want.subject
        ));
        return Ok(());
    }
    if let Some(long) = trust::too_long(Some(&found.trust), &after) {
        return Err(Refusal::new(format!("the trust policy of target role `{}` {long}", found.name))
            .hint("use another target role, or one statement for several service accounts"));
    }
    plan.steps.push(Step::PutTargetTrust {
        role: found.name.clone(),
        cluster: want.cluster.name.clone(),
        subject: want.subject.clone(),
        before: found.trust.clone(),
        after,
    });
    Ok(())
}

/// Policies that rest on session tags grant nothing, or deny everything, once there are none.
fn needless_tags(want: &Want, have: &Have, plan: &mut Plan) {
    let read = have.inline.known().into_iter().flatten().map(|(name, document)| (name.as_str(), document));
    let files = want.role.policy_files.iter().map(|file| (file.name.as_str(), &file.document));
    for (name, document) in read.chain(files) {
        let text = document.0.to_string().to_ascii_lowercase();
        let used = SESSION_TAGS.iter().find(|tag| text.contains(&format!("aws:principaltag/{tag}")));
        if let Some(tag) = used {
            plan.warn(format!("inline policy `{name}` needs the session tag `{tag}`, and session tags are disabled"));
        }
    }
}
