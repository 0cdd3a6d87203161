//! The map as one page that needs nothing else: no network, no other file. Whatever a name holds is text in it, and its policy lets no
//! script run but its own.

use std::collections::{BTreeMap, BTreeSet};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::{Read, svg, word};
use crate::{
    checks::{Finding, Status},
    commands::holders::{NOT_IRSA, NOT_READ},
    failure::Result,
    model::{
        arn::last,
        have::Observed,
        map::{Chain, Graph, MappedRole, Resource},
        text::count,
    },
};

const PAGE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

#[derive(Serialize)]
struct Space<'a> {
    name: &'a str,
    accounts: Vec<Account>,
}

#[derive(Serialize)]
struct Account {
    subject: String,
    namespace: String,
    exists: bool,
    workloads: Vec<String>,
    workloads_unread: Option<String>,
    association: String,
    traits: Vec<String>,
    credentials: Option<String>,
    role: Role,
    target: Option<Role>,
    resources: Vec<Shown>,
    denied: Vec<String>,
    unread: Vec<String>,
    services: String,
    findings: Vec<Told>,
}

#[derive(Serialize)]
struct Role {
    name: String,
    arn: String,
    state: Option<String>,
}

#[derive(Serialize)]
struct Shown {
    service: String,
    name: String,
    full: String,
    grants: Vec<Allowed>,
}

#[derive(Serialize)]
struct Allowed {
    level: &'static str,
    word: &'static str,
    actions: String,
    limited: String,
    statement: String,
}

#[derive(Serialize)]
struct Told {
    status: &'static str,
    word: &'static str,
    id: &'static str,
    title: &'static str,
    subject: String,
    message: String,
    remedies: Vec<Vec<Part>>,
}

/// A part of a sentence: a command, or words.
#[derive(Serialize)]
struct Part {
    code: bool,
    text: String,
}

/// The parts of a sentence; commands are in backticks.
fn parts(text: &str) -> Vec<Part> {
    text.split('`').enumerate().map(|(at, text)| Part { code: at % 2 == 1, text: text.to_owned() }).collect()
}

/// The page. `drawn` is the picture in it.
pub(super) fn html(read: &Read, drawn: &Graph, collapsed: bool, at: Timestamp) -> Result<String> {
    let mut spaces: BTreeMap<&str, Vec<Account>> = BTreeMap::new();
    for chain in &read.chains {
        spaces.entry(&chain.subject.namespace).or_default().push(account(read, chain));
    }
    let spaces: Vec<Space<'_>> = spaces.into_iter().map(|(name, accounts)| Space { name, accounts }).collect();
    let services: BTreeSet<&str> = resources(read).map(|resource| resource.service.as_str()).collect();
    let roles: BTreeSet<&str> = read
        .chains
        .iter()
        .flat_map(|it| [Some(&it.role), it.target.as_ref()])
        .flatten()
        .map(|it| it.arn.as_str())
        .collect();
    let names: BTreeSet<(&str, &str)> = resources(read).map(|it| (it.service.as_str(), it.name.as_str())).collect();
    let totals = [
        count(spaces.len(), "namespace"),
        count(read.chains.len(), "service account"),
        count(roles.len(), "role"),
        count(names.len(), "resource"),
    ];
    let style = format!("{STYLE}{}", svg::STYLE);
    let hash = |text: &str| STANDARD.encode(Sha256::digest(text.as_bytes()));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; base-uri 'none'; form-action 'none'",
        hash(&style),
        hash(SCRIPT)
    );
    let values = json!({
        "policy": policy,
        "style": style,
        "script": SCRIPT,
        "cluster": read.cluster.name(),
        "arn": read.cluster,
        "account": read.cluster.account,
        "region": read.cluster.region,
        "at": at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
        "totals": totals.join(", "),
        "some": read.some,
        "collapsed": collapsed,
        "picture": svg::inline(drawn, read.cluster.name())?,
        "spaces": spaces,
        "services": services,
        "findings": read.findings.iter().map(told).collect::<Vec<_>>(),
        "verified": read.verified.is_some(),
        "problems": read.verified.iter().flat_map(|it| &it.problems).map(|it| told(&it.finding)).collect::<Vec<_>>(),
        "unread": read.unread,
        "notes": [NOT_READ, NOT_IRSA],
    });
    svg::write(PAGE, &values)
}

fn resources(read: &Read) -> impl Iterator<Item = &Resource> {
    read.chains.iter().flat_map(|chain| &chain.resources)
}

fn account(read: &Read, chain: &Chain) -> Account {
    let resources = chain.resources.iter().map(|resource| Shown {
        service: resource.service.clone(),
        name: resource.short(&read.cluster),
        full: resource.name.clone(),
        grants: resource
            .grants
            .iter()
            .map(|grant| Allowed {
                level: if grant.level.is_wide() { "wide" } else { "narrow" },
                word: grant.level.word(),
                actions: grant.words(usize::MAX),
                limited: grant.limited_by.join(", "),
                statement: grant.statement.clone(),
            })
            .collect(),
    });
    let roles = [Some(&chain.role), chain.target.as_ref()];
    let own = read.of_account(chain).chain(roles.into_iter().flatten().flat_map(|role| read.of_role(role)));
    let services: BTreeSet<&str> = chain.resources.iter().map(|resource| resource.service.as_str()).collect();
    Account {
        subject: chain.subject.to_string(),
        namespace: chain.subject.namespace.clone(),
        exists: chain.exists != Some(false),
        workloads: chain.workloads.known().cloned().unwrap_or_default(),
        workloads_unread: match &chain.workloads {
            Observed::Unreadable(why) => Some(why.clone()),
            Observed::Known(_) | Observed::NotRequested => None,
        },
        association: chain.association.clone(),
        traits: chain.traits.clone(),
        credentials: chain.credentials(),
        role: role(&chain.role),
        target: chain.target.as_ref().map(role),
        resources: resources.collect(),
        denied: chain.denied.clone(),
        unread: chain.unread.clone(),
        services: services.into_iter().collect::<Vec<_>>().join("\n"),
        findings: own.map(told).collect(),
    }
}

fn role(role: &MappedRole) -> Role {
    Role { name: last(&role.arn).to_owned(), arn: role.arn.clone(), state: role.state() }
}

fn told(finding: &Finding) -> Told {
    let status = match finding.status {
        Status::Failed => "failed",
        Status::Warning => "warning",
        _ => "unknown",
    };
    Told {
        status,
        word: word(finding.status),
        id: finding.check.id,
        title: finding.check.title,
        subject: finding.subject.clone(),
        message: finding.message.clone(),
        remedies: finding.remedies.iter().map(|fix| parts(&fix.text())).collect(),
    }
}
