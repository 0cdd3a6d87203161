//! The protocols: requests taken apart, answers and errors put together the way each service does.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    sync::atomic::{AtomicU64, Ordering},
};

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::http::{Body, Req, full};

/// An error as a service answers it.
#[derive(Debug, Clone)]
pub(super) struct AwsError {
    pub status: u16,
    pub code: String,
    pub message: String,
}

/// What an operation answers with.
pub(super) type Answer = Result<Reply, AwsError>;

/// A successful answer.
#[derive(Debug, Clone)]
pub(super) enum Reply {
    /// REST JSON and JSON 1.0.
    Json(Value),
    /// The result element's content of an AWS query answer.
    Xml(String),
}

/// Makes an error.
pub(super) fn err(status: u16, code: &str, message: impl Into<String>) -> AwsError {
    AwsError { status, code: code.to_owned(), message: message.into() }
}

/// A request that already knows its service and operation.
pub(super) struct Call {
    /// As in the journal.
    pub service: &'static str,
    /// As in the journal.
    pub operation: String,
    /// Decoded path segments.
    pub path: Vec<String>,
    /// Decoded query parameters, in order.
    pub query: Vec<(String, String)>,
    /// The JSON body, `{}` when empty.
    pub json: Map<String, Value>,
    /// The form of an AWS query request.
    pub form: BTreeMap<String, String>,
    /// False when a JSON body was no JSON object.
    pub well_formed: bool,
}

impl Call {
    /// The decoded path segment at `i`.
    pub(super) fn segment(&self, i: usize) -> &str {
        self.path.get(i).map_or("", String::as_str)
    }

    /// A query parameter.
    pub(super) fn param(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// A string of the JSON body.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.json.get(name).and_then(Value::as_str)
    }

    /// The `tags` map of the JSON body.
    pub(super) fn tags(&self) -> BTreeMap<String, String> {
        let tags = self.json.get("tags").and_then(Value::as_object);
        let pairs = tags.into_iter().flatten();
        pairs.map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned())).collect()
    }

    /// A required parameter of an AWS query request.
    pub(super) fn required(&self, name: &str) -> Result<&str, AwsError> {
        self.form.get(name).map(String::as_str).ok_or_else(|| {
            let field = lower_first(name);
            err(
                400,
                "ValidationError",
                format!("1 validation error detected: Value null at '{field}' failed to satisfy constraint: Member must not be null"),
            )
        })
    }

    /// A list of an AWS query request: `NAME.member.1`, `NAME.member.2`, …
    pub(super) fn members(&self, name: &str) -> Vec<String> {
        (1..).map_while(|i| self.form.get(&format!("{name}.member.{i}")).cloned()).collect()
    }

    /// The `Tags` of an AWS query request.
    pub(super) fn form_tags(&self) -> BTreeMap<String, String> {
        (1..)
            .map_while(|i| {
                let key = self.form.get(&format!("Tags.member.{i}.Key"))?;
                let value = self.form.get(&format!("Tags.member.{i}.Value")).cloned().unwrap_or_default();
                Some((key.clone(), value))
            })
            .collect()
    }
}

pub(super) fn lower_first(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_ascii_lowercase().to_string() + letters.as_str())
}

/// Takes a request apart.
pub(super) fn call(req: &Req) -> Call {
    let path: Vec<String> =
        req.parts.uri.path().split('/').skip(1).filter(|segment| !segment.is_empty()).map(decode).collect();
    let query: Vec<(String, String)> = form_urlencoded::parse(req.parts.uri.query().unwrap_or_default().as_bytes())
        .map(|(key, value)| (key.into_owned(), value.into_owned()))
        .collect();
    let form_body = header(req, "content-type").is_some_and(|t| t.starts_with("application/x-www-form-urlencoded"));
    let mut form: BTreeMap<String, String> = BTreeMap::new();
    if form_body {
        form.extend(form_urlencoded::parse(&req.body).map(|(key, value)| (key.into_owned(), value.into_owned())));
    } else {
        form.extend(query.iter().filter(|(key, _)| !key.starts_with("X-Amz-")).cloned());
    }
    let (json, well_formed) = match serde_json::from_slice(&req.body) {
        Ok(Value::Object(map)) => (map, true),
        _ => (Map::new(), form_body || req.body.is_empty()),
    };
    let target = header(req, "x-amz-target").unwrap_or_default();
    let service = service(req, &path, &form, target);
    let operation = match service {
        "eks" => super::eks::operation(req.parts.method.as_str(), &path).to_owned(),
        "eks-auth" => super::eks_auth::operation(req.parts.method.as_str(), &path).to_owned(),
        "dynamodb" => target.rsplit('.').next().unwrap_or_default().to_owned(),
        _ => form.get("Action").cloned().unwrap_or_default(),
    };
    Call { service, operation, path, query, json, form, well_formed }
}

/// The service: by the credential scope, else by what the request looks like.
fn service(req: &Req, path: &[String], form: &BTreeMap<String, String>, target: &str) -> &'static str {
    let credential = super::sigv4::credential(req);
    let scope = credential.as_deref().and_then(|c| c.split('/').nth(3)).unwrap_or_default();
    match scope {
        "eks" => "eks",
        "iam" => "iam",
        "sts" => "sts",
        "eks-auth" => "eks-auth",
        "dynamodb" => "dynamodb",
        _ if target.starts_with("DynamoDB_") => "dynamodb",
        _ if path.last().is_some_and(|last| last == "assume-role-for-pod-identity") => "eks-auth",
        _ if form.get("Version").is_some_and(|version| version == "2010-05-08") => "iam",
        _ if form.contains_key("Action") => "sts",
        _ => "eks",
    }
}

fn decode(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// A header's value.
pub(super) fn header<'r>(req: &'r Req, name: &str) -> Option<&'r str> {
    req.parts.headers.get(name).and_then(|value| value.to_str().ok())
}

/// A uuid that was not given out before in this process.
pub(super) fn uuid() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let seed = format!("{}/{}", Timestamp::now().as_nanosecond(), NEXT.fetch_add(1, Ordering::Relaxed));
    let hash = hex::encode(Sha256::digest(seed));
    format!("{}-{}-4{}-a{}-{}", &hash[..8], &hash[8..12], &hash[13..16], &hash[17..20], &hash[20..32])
}

/// The answer on the wire.
pub(super) fn response(service: &str, operation: &str, answer: Answer) -> Response<Body> {
    match answer {
        Ok(Reply::Json(value)) => json_response(service, 200, &value, None),
        Ok(Reply::Xml(result)) => {
            let id = uuid();
            let xmlns = namespace(service);
            let result = if result.is_empty() && is_void(operation) {
                String::new()
            } else {
                format!("<{operation}Result>{result}</{operation}Result>")
            };
            let text = format!(
                "<{operation}Response xmlns=\"{xmlns}\">{result}<ResponseMetadata><RequestId>{id}</RequestId></ResponseMetadata></{operation}Response>"
            );
            finish(200, "text/xml", text.into(), &[("x-amzn-requestid", &id)])
        }
        Err(error) => error_response(service, &error),
    }
}

/// Operations of IAM that answer without a result element.
fn is_void(operation: &str) -> bool {
    ["Delete", "Put", "Attach", "Detach", "Tag", "Untag", "UpdateAssume"].iter().any(|verb| operation.starts_with(verb))
}

fn namespace(service: &str) -> &'static str {
    if service == "iam" {
        "https://iam.amazonaws.com/doc/2010-05-08/"
    } else {
        "https://sts.amazonaws.com/doc/2011-06-15/"
    }
}

/// An error on the wire.
pub(super) fn error_response(service: &str, error: &AwsError) -> Response<Body> {
    match service {
        "iam" | "sts" => {
            let id = uuid();
            let kind = if error.status >= 500 { "Receiver" } else { "Sender" };
            let text = format!(
                "<ErrorResponse xmlns=\"{}\"><Error><Type>{kind}</Type><Code>{}</Code><Message>{}</Message></Error><RequestId>{id}</RequestId></ErrorResponse>",
                namespace(service),
                escape(&error.code),
                escape(&error.message)
            );
            finish(error.status, "text/xml", text.into(), &[("x-amzn-requestid", &id)])
        }
        "dynamodb" => {
            let namespace = match error.code.as_str() {
                "UnrecognizedClientException" | "AccessDeniedException" | "InvalidSignatureException" => {
                    "com.amazon.coral.service"
                }
                _ => "com.amazonaws.dynamodb.v20120810",
            };
            let value = json!({"__type": format!("{namespace}#{}", error.code), "message": error.message});
            json_response(service, error.status, &value, None)
        }
        _ => json_response(service, error.status, &json!({"message": error.message}), Some(&error.code)),
    }
}

fn json_response(service: &str, status: u16, value: &Value, code: Option<&str>) -> Response<Body> {
    let id = if service == "dynamodb" { uuid().replace('-', "").to_uppercase() } else { uuid() };
    let kind = if service == "dynamodb" { "application/x-amz-json-1.0" } else { "application/json" };
    let mut headers = vec![("x-amzn-requestid", id.as_str())];
    if let Some(code) = code {
        headers.push(("x-amzn-errortype", code));
    }
    finish(status, kind, value.to_string().into(), &headers)
}

fn finish(status: u16, kind: &'static str, body: Bytes, headers: &[(&'static str, &str)]) -> Response<Body> {
    let mut response = Response::new(full(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert("content-type", HeaderValue::from_static(kind));
    for (name, value) in headers {
        if let Ok(value) = HeaderValue::from_str(value) {
            response.headers_mut().insert(*name, value);
        }
    }
    response
}

/// Text as XML content.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            other => out.push(other),
        }
    }
    out
}

/// `<name>text</name>`.
pub(super) fn tag(name: &str, text: impl AsRef<str>) -> String {
    format!("<{name}>{}</{name}>", escape(text.as_ref()))
}

/// `<name>` around `<member>`s.
pub(super) fn list(name: &str, members: impl IntoIterator<Item = String>) -> String {
    let mut out = format!("<{name}>");
    for member in members {
        let _ = write!(out, "<member>{member}</member>");
    }
    let _ = write!(out, "</{name}>");
    out
}

/// A document as IAM returns it: percent-encoded (RFC 3986).
pub(super) fn url_encode(text: &str) -> String {
    const SET: &percent_encoding::AsciiSet =
        &percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
    percent_encoding::utf8_percent_encode(text, SET).to_string()
}

/// Epoch seconds with milliseconds, as EKS writes time.
pub(super) fn epoch(at: Timestamp) -> Value {
    let seconds = at.as_second();
    let millis = at.as_millisecond() - seconds * 1000;
    // Built from text: a float computed from milliseconds would show its rounding.
    serde_json::from_str(&format!("{seconds}.{millis:03}")).unwrap_or_else(|_| json!(seconds))
}

/// ISO 8601 without fractions, as IAM writes time.
pub(super) fn iso(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// One page of `items`, which are sorted by their key, and the token of the next.
pub(super) fn page<T>(
    items: Vec<(String, T)>,
    max: usize,
    token: Option<&str>,
    bad_token: impl Fn() -> AwsError,
) -> Result<(Vec<T>, Option<String>), AwsError> {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    let after = match token {
        None => None,
        Some(token) => {
            let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| bad_token())?;
            let text = String::from_utf8(bytes).map_err(|_| bad_token())?;
            Some(text.strip_prefix("after:").ok_or_else(&bad_token)?.to_owned())
        }
    };
    let mut rest = items.into_iter().filter(|(key, _)| after.as_ref().is_none_or(|after| key > after)).peekable();
    let mut chosen = Vec::new();
    let mut last = String::new();
    while chosen.len() < max {
        let Some((key, item)) = rest.next() else { break };
        last = key;
        chosen.push(item);
    }
    let next = rest.peek().map(|_| URL_SAFE_NO_PAD.encode(format!("after:{last}")));
    Ok((chosen, next))
}
