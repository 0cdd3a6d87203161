//! Bundle: all that one `verify` read, as a file from which the same verdict can be given again without calling any service.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    cluster::Cluster,
    snapshot::{ClusterView, Snapshot},
};

/// What the file says that it is.
const KIND: &str = "podid-bundle";

/// Raised when an older podid would misread what is written now. A field that may be absent does not.
const VERSION: u64 = 1;

/// All that was read of one cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Bundle {
    kind: String,
    version: u64,
    /// The version of the podid that read it.
    pub podid: String,
    /// When.
    pub read_at: Timestamp,
    /// The exit code of what kept podid from asking Kubernetes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unreached: Option<u8>,
    /// What the service accounts share.
    cluster: ClusterView,
    /// What is each one's own.
    snapshots: Vec<Snapshot>,
}

/// What tells whether the rest can be read.
#[derive(Deserialize)]
struct Head {
    kind: String,
    version: u64,
    #[serde(default)]
    podid: String,
}

/// Why a text is not a bundle.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// No JSON, or not all that belongs to it; with line and column.
    #[error("{0}")]
    Form(String),
    /// Something else.
    #[error("it was not written by `podid verify NS/SA --save FILE`")]
    Kind,
    /// Of a later podid.
    #[error("it has format {0}{1}, and this podid reads format {VERSION}")]
    Version(u64, String),
}

impl Bundle {
    /// What was read of a cluster. The snapshots share its view.
    pub fn new(unreached: Option<u8>, read_at: Timestamp, cluster: &ClusterView, snapshots: Vec<Snapshot>) -> Self {
        Self {
            kind: KIND.to_owned(),
            version: VERSION,
            podid: env!("CARGO_PKG_VERSION").to_owned(),
            read_at,
            unreached,
            cluster: cluster.clone(),
            snapshots,
        }
    }

    /// As JSON in which every text has passed `mask`.
    pub fn redacted(&self, mask: &dyn Fn(&str) -> String) -> Value {
        let mut document = json!(self);
        redact(&mut document, "", mask);
        document
    }

    /// Reads what [`redacted`](Self::redacted) wrote.
    ///
    /// # Errors
    /// When it is something else, incomplete, or of a later podid.
    pub fn parse(text: &str) -> Result<Self, BundleError> {
        let form = |error: serde_json::Error| BundleError::Form(error.to_string());
        let head: Head = match serde_json::from_str(text) {
            Ok(head) => head,
            Err(error) if error.is_data() || !text.trim_start().starts_with('{') => return Err(BundleError::Kind),
            Err(error) => return Err(form(error)),
        };
        if head.kind != KIND {
            return Err(BundleError::Kind);
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || ".+-".contains(c);
        let podid = Some(head.podid).filter(|version| !version.is_empty() && version.chars().all(plain));
        if head.version != VERSION {
            let of = podid.map_or_else(String::new, |version| format!(" (written by podid {version})"));
            return Err(BundleError::Version(head.version, of));
        }
        let mut bundle: Self = serde_json::from_str(text).map_err(form)?;
        bundle.podid = podid.ok_or(BundleError::Kind)?;
        Ok(bundle)
    }

    /// The cluster; its view; and the snapshots, which share that.
    ///
    /// # Errors
    /// When the cluster is not there, which every command knows before it reads anything else.
    pub fn restored(self) -> Result<(Cluster, Arc<ClusterView>, Vec<Snapshot>), BundleError> {
        let Self { read_at, cluster: view, mut snapshots, .. } = self;
        let cluster = view.cluster.known().cloned().ok_or(BundleError::Kind)?;
        let view = Arc::new(view);
        for it in &mut snapshots {
            it.now = read_at;
            it.cluster = Arc::clone(&view);
        }
        Ok((cluster, view, snapshots))
    }
}

/// Values that users name: what stands in one is told by its key alone.
const NAMED: [&str; 4] = ["tags", "labels", "annotations", "settings"];

/// `key`: of the object that the value stands in.
fn redact(value: &mut Value, key: &str, mask: &dyn Fn(&str) -> String) {
    match value {
        Value::String(text) => {
            let masked = mask(text);
            if masked != *text {
                *text = masked;
            }
        }
        Value::Array(all) => all.iter_mut().for_each(|one| redact(one, key, mask)),
        Value::Object(map) => {
            for (name, inner) in map.iter_mut() {
                if let (true, Value::String(text)) = (NAMED.contains(&key), &*inner) {
                    // As a line of JSON, in which the key tells what the value is.
                    let line = format!("{}: {}", json!(name), json!(text));
                    if mask(&line) != line {
                        *inner = json!("***");
                    }
                }
                redact(inner, name, mask);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{
        document::Document,
        fixtures,
        have::Observed,
        log_line::LogLine,
        pod_spec::{EnvValue, KeyRef, Variable},
        snapshot::{PodLog, RoleView},
        subject::{Subject, SubjectText},
        workload::WorkloadKind,
    };

    fn bundle() -> Bundle {
        let cluster = ClusterView {
            cluster: Observed::Known(fixtures::cluster()),
            agent: Observed::Known(fixtures::agent(&[fixtures::node("a")], &["a"])),
            ..ClusterView::default()
        };
        let mut it = Snapshot::unread(fixtures::subject("carts/carts"), fixtures::at(60), Arc::new(cluster.clone()));
        let workload = fixtures::workload(WorkloadKind::Deployment, "carts");
        let mut pod = fixtures::pod(&workload, "carts-1", true);
        let key = KeyRef { name: "api-token".to_owned(), key: "password".to_owned(), optional: true };
        if let Some(container) = pod.spec.containers.first_mut() {
            container.env.push(Variable { name: "AWS_SESSION_TOKEN".to_owned(), value: EnvValue::Secret(key) });
        }
        let Ok(Subject::Object(object)) = "carts/deployment/carts".parse::<SubjectText>().unwrap().within(None) else {
            panic!()
        };
        it.only = Some(object);
        it.pods = Observed::Known(vec![pod]);
        it.workloads = Observed::Known(vec![workload]);
        it.association = Observed::Known(Some(fixtures::association("arn:aws:iam::111122223333:role/carts")));
        it.owner = Observed::Unreadable("not allowed: x".to_owned());
        let mut role = fixtures::role("carts", Document::of([(); 0]));
        role.tags.insert("DbPassword".to_owned(), "hunter2".to_owned());
        it.role = RoleView { role: Observed::Known(Some(role)), ..RoleView::default() };
        let lines = LogLine::of_log("a token=hunter2", "a token=***");
        it.logs = vec![PodLog {
            pod: "carts/carts-1".to_owned(),
            container: "carts".to_owned(),
            lines: Observed::Known(lines),
        }];
        Bundle::new(Some(4), fixtures::at(60), &cluster, vec![it])
    }

    #[test]
    fn all_but_the_raw_text_of_logs_comes_back() {
        let bundle = bundle();
        let text = bundle.redacted(&|text| text.to_owned()).to_string();
        assert!(!text.contains("token=hunter2"), "{text}");
        let again = Bundle::parse(&text).unwrap();
        let (cluster, view, mut snapshots) = again.clone().restored().unwrap();
        assert_eq!(
            (again.unreached, again.read_at, again.podid.as_str()),
            (Some(4), fixtures::at(60), env!("CARGO_PKG_VERSION"))
        );
        assert_eq!((&cluster, &*view), (&fixtures::cluster(), &bundle.cluster));
        let mut wanted = bundle.snapshots;
        snapshots[0].logs.clear();
        wanted[0].logs.clear();
        assert_eq!(snapshots, wanted);
    }

    #[test]
    fn every_text_is_masked_and_the_key_of_a_tag_tells_what_it_is() {
        let mask = |text: &str| text.replace("\"DbPassword\": \"hunter2\"", "").replace("carts-1", "***");
        let text = bundle().redacted(&mask).to_string();
        assert!(text.contains(r#""DbPassword":"***""#) && !text.contains("carts-1"), "{text}");
    }

    #[test]
    fn what_it_is_comes_before_what_it_holds() {
        let refused = |text: &str| Bundle::parse(text).unwrap_err().to_string();
        assert_eq!(refused("{}"), "it was not written by `podid verify NS/SA --save FILE`");
        let newer = r#"{"kind": "podid-bundle", "version": 2, "podid": "9.0.0"}"#;
        assert_eq!(refused(newer), "it has format 2 (written by podid 9.0.0), and this podid reads format 1");
        assert!(refused(r#"{"kind": "podid-bundle", "version": 1, "podid": "1.0.0"}"#).starts_with("missing field"));
    }
}
