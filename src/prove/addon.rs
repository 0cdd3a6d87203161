//! Whether an add-on is what it was to be: ACTIVE, updated, or gone.

use std::time::Duration;

use crate::{
    explain,
    failure::{Code, Failure, Result},
    model::{
        addon::{AGENT, Addon, Issue},
        cluster::Cluster,
    },
    observe,
    output::Progress,
    ports::Eks,
    wait::{Backoff, Deadline},
};

/// Waits until the add-on is ACTIVE, whatever its nodes are. CREATING and a passing DEGRADED are waited out with
/// their health issues shown; only CREATE_FAILED (and its kin) and the deadline end it. `known` was read a moment ago, and
/// is not read again when it is ACTIVE.
///
/// # Errors
/// A failed add-on, the deadline (with the last health issues), or an interruption.
pub async fn active(
    eks: &dyn Eks,
    deadline: &Deadline,
    line: &Progress,
    (cluster, name): (&Cluster, &str),
    known: Option<&Addon>,
) -> Result<Addon> {
    if let Some(addon) = known.filter(|addon| addon.status == "ACTIVE") {
        return Ok(addon.clone());
    }
    let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(5));
    loop {
        let addon = read_addon(eks, deadline, line, (cluster, name)).await?;
        if addon.status == "ACTIVE" {
            return Ok(addon);
        }
        pause(deadline, &mut backoff, name, Some(&addon)).await?;
    }
}

/// Waits until an update of the add-on has ended well; false, at once, where the caller may not look at it.
///
/// # Errors
/// A failed update with EKS's errors, the deadline, or an interruption.
pub async fn update(
    eks: &dyn Eks,
    deadline: &Deadline,
    line: &Progress,
    (cluster, name): (&Cluster, &str),
    id: &str,
) -> Result<bool> {
    let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(5));
    loop {
        let read = deadline.within("reading the update of the add-on", eks.addon_update(&cluster.name, name, id)).await;
        let update = match read {
            Err(failure) if observe::forbidden(&failure) => return Ok(false),
            read => read?,
        };
        let errors: Vec<String> = update.errors.iter().map(said).collect();
        match update.status.as_str() {
            "Successful" => return Ok(true),
            "Failed" | "Cancelled" => {
                let what = format!("the update of add-on `{name}` of cluster `{}` is {}", cluster.name, update.status);
                let failure = Failure { causes: errors, ..Failure::failed(what) };
                // Who set the fields meant to: to take them back is the user's choice.
                let conflict = update.errors.iter().any(|error| error.code == "ConfigurationConflict");
                return Err(if conflict && name == AGENT {
                    failure
                        .because("these fields were changed outside EKS, and the update may not overwrite them")
                        .hint("keep the changes: `podid agent upgrade --resolve-conflicts preserve`")
                        .hint("overwrite the changes: `podid agent upgrade --resolve-conflicts overwrite`")
                } else {
                    update.errors.iter().fold(failure, explained).hint(look(name))
                });
            }
            status => {
                let detail = if errors.is_empty() { String::new() } else { format!(" ({})", errors.join("; ")) };
                line.update(format!("add-on update is {status}{detail}"));
            }
        }
        let waited = deadline.pause("waiting for the update of the add-on", backoff.step()).await;
        waited.map_err(|failure| errors.into_iter().fold(failure, Failure::because))?;
    }
}

/// Waits until the add-on is gone.
///
/// # Errors
/// A delete that failed, the deadline, or an interruption.
pub async fn gone(eks: &dyn Eks, deadline: &Deadline, line: &Progress, cluster: &Cluster) -> Result<()> {
    let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(5));
    loop {
        let found = deadline.within("reading the agent add-on", eks.addon(&cluster.name, AGENT)).await?;
        let Some(addon) = found else { return Ok(()) };
        // Another status than these is of an answer that is late.
        if addon.status == "DELETE_FAILED" {
            return Err(failed(cluster, &addon));
        }
        line.update(format!("add-on {} is {}", addon.version, addon.status));
        let waited = deadline.pause("waiting for the agent add-on to be gone", backoff.step()).await;
        waited.map_err(|failure| addon.issues.iter().map(said).fold(failure, Failure::because))?;
    }
}

/// Between two looks at the add-on. When time is over, its last health issues are why.
pub(super) async fn pause(deadline: &Deadline, backoff: &mut Backoff, name: &str, addon: Option<&Addon>) -> Result<()> {
    let what = format!("waiting for {} to be ACTIVE", of(name));
    let waited = deadline.pause(&what, backoff.step()).await;
    waited.map_err(|failure| late(failure, addon))
}

/// When time is over, the add-on as it was seen last is why.
pub(super) fn late(failure: Failure, addon: Option<&Addon>) -> Failure {
    let mut failure = failure;
    if let Some(addon) = addon.filter(|_| failure.code == Code::TimedOut) {
        failure.causes.push(format!("it is {}", addon.status));
        failure.causes.extend(addon.issues.iter().map(said));
        failure = addon.issues.iter().fold(failure, explained);
    }
    failure
}

/// One look at the add-on; a failure when it failed or is gone.
pub(super) async fn read_addon(
    eks: &dyn Eks,
    deadline: &Deadline,
    line: &Progress,
    (cluster, name): (&Cluster, &str),
) -> Result<Addon> {
    let found = deadline.within(&format!("reading {}", of(name)), eks.addon(&cluster.name, name)).await?;
    let Some(addon) = found else {
        return Err(Failure::failed(format!("the add-on `{name}` of cluster `{}` is gone", cluster.name)));
    };
    let issues: Vec<String> = addon.issues.iter().map(said).collect();
    match addon.status.as_str() {
        "ACTIVE" => {}
        "CREATE_FAILED" | "UPDATE_FAILED" | "DELETE_FAILED" => {
            return Err(failed(cluster, &addon));
        }
        status => {
            let detail = if issues.is_empty() { String::new() } else { format!(" ({})", issues.join("; ")) };
            line.update(format!("add-on {} is {status}{detail}", addon.version));
        }
    }
    Ok(addon)
}

/// An add-on whose status says that it will not be what it was to be.
fn failed(cluster: &Cluster, addon: &Addon) -> Failure {
    let name = &addon.name;
    let failure = Failure::failed(format!("the add-on `{name}` of cluster `{}` is {}", cluster.name, addon.status));
    let failure = Failure { causes: addon.issues.iter().map(said).collect(), ..failure };
    let failure = addon.issues.iter().fold(failure, explained);
    if name != AGENT {
        return failure.hint(look(name));
    }
    let failure = failure.hint("see the nodes with `podid agent status`");
    match addon.status.as_str() {
        "CREATE_FAILED" => {
            failure.hint("remove it with `podid agent uninstall`, then install it again with `podid agent install`")
        }
        "UPDATE_FAILED" => failure.hint("try again with `podid agent upgrade`"),
        _ => failure.hint("try again with `podid agent uninstall`"),
    }
}

/// An issue in its own words.
fn said(issue: &Issue) -> String {
    format!("{}: {}", issue.code, issue.message)
}

/// Adds what an issue of the add-on's health means.
fn explained(failure: Failure, issue: &Issue) -> Failure {
    let said = explain::issue(&issue.code, &issue.message);
    said.into_iter().fold(failure, |failure, said| said.added_to(failure))
}

/// Names an add-on in what podid waits for.
fn of(name: &str) -> String {
    if name == AGENT { "the agent add-on".to_owned() } else { format!("add-on {name}") }
}

fn look(name: &str) -> String {
    if name == AGENT {
        "check the agent with `podid agent status`".to_owned()
    } else {
        format!("check it with `podid addon show {name}`")
    }
}
