//! The report as SARIF 2.1.0 (OASIS), which code scanning reads: a rule for each check, a result for each finding that is not `ok`.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::ci::counts;
use crate::{
    checks::{Check, Finding, Remedy, Report, Status},
    model::text::short_hash,
};

/// The log, with one run.
pub(super) fn log(reports: &[Report], strict: bool) -> Value {
    let all = reports.iter().flat_map(|report| {
        report.findings.iter().map(|finding| Told {
            title: report.title(),
            uri: report.subject.to_string(),
            finding,
            accepted: None,
        })
    });
    self::of(all, strict)
}

/// A finding, as it is told.
pub(in crate::commands) struct Told<'a> {
    /// What it is about.
    pub(in crate::commands) title: String,
    /// What stands for a file.
    pub(in crate::commands) uri: String,
    /// What was found.
    pub(in crate::commands) finding: &'a Finding,
    /// Why it is accepted, where it is.
    pub(in crate::commands) accepted: Option<&'a str>,
}

/// The log of findings.
pub(in crate::commands) fn of<'a>(all: impl Iterator<Item = Told<'a>>, strict: bool) -> Value {
    let mut rules: BTreeMap<&str, Value> = BTreeMap::new();
    let mut results = Vec::new();
    for told in all.filter(|told| told.finding.status != Status::Ok) {
        rules.entry(told.finding.check.id).or_insert_with(|| rule(told.finding.check));
        let mut one = result(&told.title, &told.uri, told.finding, strict);
        if let Some(reason) = told.accepted {
            one["suppressions"] = json!([{ "kind": "external", "justification": reason }]);
        }
        results.push(one);
    }
    let driver = json!({
        "name": "podid",
        "version": env!("CARGO_PKG_VERSION"),
        "informationUri": env!("CARGO_PKG_REPOSITORY"),
        "rules": rules.into_values().collect::<Vec<_>>(),
    });
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{ "tool": { "driver": driver }, "results": results }],
    })
}

fn rule(check: &Check) -> Value {
    json!({
        "id": check.id,
        "shortDescription": { "text": check.title },
        "fullDescription": { "text": check.background },
        "helpUri": check.sources.first(),
    })
}

fn result(title: &str, uri: &str, finding: &Finding, strict: bool) -> Value {
    let (level, kind) = match finding.status {
        _ if counts(finding, strict) => ("error", "fail"),
        Status::Warning | Status::Failed => ("warning", "fail"),
        Status::Unknown => ("none", "open"),
        Status::Skipped | Status::Ok => ("none", "notApplicable"),
    };
    let mut text = format!("{title}: {}: {}", finding.subject, finding.message);
    for fix in finding.remedies.iter().map(Remedy::text) {
        text = format!("{text}\nfix: {fix}");
    }
    let evidence: Vec<String> = finding.evidence.iter().map(|it| format!("{}: {}", it.source, it.text)).collect();
    // GitHub takes no result without a file, and a service account is in none that is known here.
    let place = json!({ "artifactLocation": { "uri": uri } });
    json!({
        "ruleId": finding.check.id,
        "level": level,
        "kind": kind,
        "message": { "text": text },
        "locations": [{
            "physicalLocation": place,
            "logicalLocations": [{ "fullyQualifiedName": title, "kind": "resource" }],
        }],
        "partialFingerprints": { "podid/v1": short_hash(&[finding.check.id, title, &finding.subject], 16) },
        "properties": { "evidence": evidence },
    })
}
