//! Service accounts that a command of `migrate` does not touch, each with its reasons.

use serde_json::{Value, json};

use super::select::Accounts;
use crate::{
    checks::{
        Finding, Status,
        migration::{Assessment, Hindrance, lacks_agent},
    },
    commands::causes::remedies,
    context::Context,
    failure::{Code, Failure, Result},
    model::{have::NOT_ALLOWED, names::ServiceAccount},
};

/// One that is left alone.
pub(super) struct Held<'a> {
    /// Which.
    pub(super) account: &'a Assessment,
    /// Why; one line each.
    pub(super) reasons: Vec<String>,
    /// What to do about it.
    pub(super) hints: Vec<String>,
    /// For want of a permission.
    pub(super) denied: bool,
}

impl<'a> Held<'a> {
    /// By what was found.
    pub(super) fn by(account: &'a Assessment, findings: &[&Finding], accounts: &Accounts) -> Self {
        let reason = |it: &&Finding| format!("{}: {} ({})", it.subject, it.message, it.check.id);
        let mut hints: Vec<String> = remedies(findings.iter().copied()).iter().map(|it| it.text()).collect();
        let accepted: Vec<String> = findings
            .iter()
            .filter(|it| it.status == Status::Warning && !lacks_agent(it))
            .map(|it| format!("--accept {}", it.check.id))
            .collect();
        if findings.iter().any(|it| lacks_agent(it)) {
            hints.push("or have it installed before: pass `--install-agent`".to_owned());
        }
        if !accepted.is_empty() && findings.iter().all(|it| it.status == Status::Warning) {
            hints.push(format!("to migrate it anyway, pass `{}`", accepted.join(" ")));
        }
        hints.push(format!(
            "see everything that was checked: `podid migrate plan {} --cluster {}`",
            account.subject,
            accounts.cluster().name
        ));
        let unread = |it: &&&Finding| matches!(it.status, Status::Skipped | Status::Unknown);
        let denied = findings.iter().filter(unread).any(|it| it.message.contains(NOT_ALLOWED));
        let failed = findings.iter().any(|it| matches!(it.status, Status::Failed | Status::Warning));
        Self { account, reasons: findings.iter().map(reason).collect(), hints, denied: denied && !failed }
    }

    /// By what keeps it from turning back, or from going on without IRSA.
    pub(super) fn because(account: &'a Assessment, hindered: Vec<Hindrance>) -> Self {
        let denied = hindered.iter().all(|it| it.denied);
        let (reasons, hints): (Vec<String>, Vec<Option<String>>) =
            hindered.into_iter().map(|it| (it.reason, it.hint)).unzip();
        Self { account, reasons, hints: hints.into_iter().flatten().collect(), denied }
    }

    /// As data.
    pub(super) fn json(&self) -> Value {
        let mut one = self::account(&self.account.subject, &self.account.role_arn, "refused");
        one["reasons"] = json!(self.reasons);
        one
    }
}

/// A service account and what became of it, as data.
pub(super) fn account(subject: &ServiceAccount, role: &str, result: &str) -> Value {
    let mut one = json!(subject);
    one["roleArn"] = json!(role);
    one["result"] = json!(result);
    one
}

/// Refuses where one that was named is held, in these words; says of the others that they are left out.
///
/// # Errors
/// The refusal.
pub(super) fn settle(
    ctx: &Context,
    accounts: &Accounts,
    held: &[Held<'_>],
    (refused, left): (&str, &str),
) -> Result<()> {
    let named: Vec<&Held<'_>> = held.iter().filter(|it| accounts.names(&it.account.subject)).collect();
    if !named.is_empty() {
        return Err(self::refused(&named, refused));
    }
    for it in held {
        ctx.term.warn(format!("{} {left}: {}", it.account.subject, it.reasons.join("; ")));
    }
    Ok(())
}

/// Nothing is written where one that was named is held.
fn refused(held: &[&Held<'_>], what: &str) -> Failure {
    let denied = held.iter().all(|it| it.denied);
    let code = if denied { Code::Denied } else { Code::Usage };
    let names: Vec<String> = held.iter().map(|it| it.account.subject.to_string()).collect();
    let mut failure = Failure::new(code, format!("{} {what}: nothing was changed", names.join(", ")));
    for it in held {
        for reason in &it.reasons {
            failure = failure.because(if held.len() == 1 {
                reason.clone()
            } else {
                format!("{}: {reason}", it.account.subject)
            });
        }
    }
    held.iter().flat_map(|it| &it.hints).fold(failure, Failure::hint)
}
