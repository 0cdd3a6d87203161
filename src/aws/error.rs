//! SDK errors to failures: what was being done, the service's own words, and never the SDK's chain of wrappers.

use std::{error::Error, io};

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_eks::operation::RequestId;
use aws_smithy_runtime_api::client::{orchestrator::HttpResponse, result::SdkError};
use aws_smithy_types::error::{ErrorMetadata, metadata::ProvideErrorMetadata};

use super::{ErrorContext, config::Who, limit::TooLarge};
use crate::{
    explain,
    failure::{Code, Failure, Kind, ServiceError},
};

impl ErrorContext {
    /// The failure of one call; `what` is `cannot create role `x``.
    pub(super) fn failure<E>(&self, operation: &str, what: &str, error: &SdkError<E, HttpResponse>) -> Failure
    where
        E: Error + ProvideErrorMetadata + 'static,
    {
        if let Some(too_large) = chain(error).find_map(|error| error.downcast_ref::<TooLarge>()) {
            return Failure::failed(what)
                .because(format!("{too_large}: {} was not read completely", self.place()))
                .hint("check `AWS_ENDPOINT_URL`, and whether a proxy answered instead of AWS");
        }
        match error {
            SdkError::ServiceError(context) => {
                self.answered(operation, what, error.meta(), error.request_id(), context.raw().status().as_u16())
            }
            SdkError::ResponseError(context) => {
                let status = context.raw().status().as_u16();
                let meta = ErrorMetadata::builder().build();
                self.answered(operation, what, &meta, error.request_id(), status).because(words(error))
            }
            SdkError::TimeoutError(_) => {
                Failure::new(Code::TimedOut, what).because(format!("no response from {} in time", self.place()))
            }
            _ => self.not_sent(what, error),
        }
    }

    /// The service's name and address.
    fn place(&self) -> String {
        match self.endpoint.get() {
            Some(endpoint) => format!("{} at {endpoint}", self.service),
            None => self.service.to_owned(),
        }
    }

    fn answered(
        &self,
        operation: &str,
        what: &str,
        meta: &ErrorMetadata,
        request_id: Option<&str>,
        status: u16,
    ) -> Failure {
        let service = ServiceError {
            service: self.service,
            operation: operation.to_owned(),
            code: meta.code().unwrap_or_default().to_owned(),
            kind: kind(meta.code().unwrap_or_default(), meta.message().unwrap_or_default(), status),
            message: without_secrets(meta.message().unwrap_or_default()),
            request_id: request_id.or_else(|| meta.request_id()).map(ToOwned::to_owned),
            status: Some(status),
        };
        let mut failure = Failure::new(exit_code(&service), what);
        failure = failure.because(match (service.message.as_str(), service.code.as_str()) {
            ("", "") => format!("{} answered HTTP {status} without an AWS error", self.place()),
            ("", code) => format!("{} answered {code}", self.service),
            (message, _) => message.to_owned(),
        });
        if service.code.is_empty() && (status == 403 || status == 407) && proxied() {
            failure = failure.hint("a proxy may have answered: check `HTTPS_PROXY` and `NO_PROXY`");
        }
        failure.service = Some(Box::new(service));
        self.who.named(explain::explained(failure))
    }

    /// No answer, because the request never arrived or never left.
    fn not_sent<E>(&self, what: &str, error: &SdkError<E, HttpResponse>) -> Failure
    where
        E: Error + 'static,
    {
        if let Some(credentials) = chain(error).find_map(|e| e.downcast_ref::<CredentialsError>()) {
            return credentials_failure(what, credentials, &self.who);
        }
        if let SdkError::DispatchFailure(context) = error
            && (context.is_timeout() || context.is_io() || context.is_user())
        {
            let place = self.place();
            let mut failure = if context.is_timeout() {
                Failure::new(Code::TimedOut, what).because(format!("cannot connect to {place} in time"))
            } else {
                Failure::failed(what).because(format!("cannot reach {place}: {}", network(error)))
            };
            if unreachable(error) == Unreachable::Untrusted {
                failure = failure.hint("to trust a private CA, set `SSL_CERT_FILE` to a PEM file with all CAs");
            } else if proxied() {
                failure = failure.hint("a proxy is configured: check `HTTPS_PROXY` and `NO_PROXY`");
            } else {
                failure = failure.hint("check the network, `--region` and `AWS_ENDPOINT_URL`");
            }
            return failure;
        }
        Failure::failed(what).because(words(error)).hint("check `--region` and `AWS_ENDPOINT_URL`")
    }
}

impl Who {
    /// Puts the profile's name into hints that need it.
    fn named(&self, mut failure: Failure) -> Failure {
        if let Some(profile) = &self.profile {
            for hint in &mut failure.hints {
                for command in ["aws sso login", "aws sts get-caller-identity"] {
                    *hint = hint.replace(&format!("`{command}`"), &format!("`{command} --profile {profile}`"));
                }
            }
        }
        failure
    }
}

/// There are no usable credentials.
pub(super) fn credentials_failure(what: &str, error: &CredentialsError, who: &Who) -> Failure {
    let login = "sign in again: `aws sso login`";
    let failure = Failure::new(Code::Denied, what);
    let inner = chain(error).skip(1).last();
    let failure = match (error, inner) {
        (CredentialsError::CredentialsNotLoaded(_), Some(inner)) if inner.to_string().contains("profile `") => {
            failure.because(inner.to_string()).hint("list the profiles: `aws configure list-profiles`")
        }
        (CredentialsError::CredentialsNotLoaded(_), _) => {
            let failure = failure.because(match &who.profile {
                Some(profile) => format!("no AWS credentials found for profile `{profile}`"),
                None => "no AWS credentials found".to_owned(),
            });
            if who.sso {
                failure.hint(login)
            } else {
                failure
                    .hint("select a profile with `--profile NAME` or `AWS_PROFILE`")
                    .hint("or create one: `aws configure`, `aws configure sso`")
            }
        }
        (CredentialsError::ProviderTimedOut(_), _) => {
            failure.because("the source of the AWS credentials did not answer in time")
        }
        _ => {
            let of = who.profile.as_ref().map(|profile| format!(" of profile `{profile}`")).unwrap_or_default();
            let failure = failure.because(format!("cannot load the AWS credentials{of}: {}", story(error)));
            failure.hint(if who.sso { login } else { "check whether the AWS CLI can: `aws sts get-caller-identity`" })
        }
    };
    who.named(failure)
}

/// What a code means (the services' API references, common errors), and where that says too little, its words.
fn kind(code: &str, message: &str, status: u16) -> Kind {
    match code {
        _ if message.contains("Role provided in the request does not exist") => Kind::RoleUnseen,
        _ if message.contains("Trust policy of the role provided is invalid") => Kind::TrustUnseen,
        _ if code.starts_with("AccessDenied") => Kind::Forbidden,
        "UnauthorizedOperation" if status == 403 => Kind::Forbidden,
        "UnrecognizedClientException" | "InvalidClientTokenId" => Kind::UnknownCaller,
        "NoSuchEntity" if message.contains("role with name") => Kind::RoleUnseen,
        "ResourceNotFoundException" | "NoSuchEntity" => Kind::NotFound,
        "ResourceInUseException" | "EntityAlreadyExists" => Kind::InUse,
        "DeleteConflict" => Kind::Conflict,
        "ConcurrentModification" => Kind::Busy,
        "InvalidInput" | "PolicyEvaluation" => Kind::Invalid,
        _ => Kind::Other,
    }
}

/// Which exit code an answer means.
fn exit_code(service: &ServiceError) -> Code {
    const DENIED: [&str; 15] = [
        "AccessDenied",
        "AccessDeniedException",
        "UnauthorizedOperation",
        "UnauthorizedException",
        "ExpiredToken",
        "ExpiredTokenException",
        "RequestExpired",
        "InvalidClientTokenId",
        "UnrecognizedClientException",
        "SignatureDoesNotMatch",
        "InvalidSignatureException",
        "IncompleteSignature",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
        "OptInRequired",
    ];
    if DENIED.contains(&service.code.as_str()) { Code::Denied } else { Code::Failed }
}

/// A wrong signature is answered with the request's headers, the session token among them.
fn without_secrets(message: &str) -> String {
    // It stands in a sentence, and not in columns.
    message.split("The Canonical String").next().unwrap_or_default().trim().replace('\t', " ")
}

fn proxied() -> bool {
    ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "HTTP_PROXY", "http_proxy"]
        .iter()
        .any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()))
}

/// An error and its sources.
pub(super) fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| (*error).source())
}

/// The innermost words: the outer ones are the SDK's.
fn words(error: &(dyn Error + 'static)) -> String {
    chain(error).last().map_or_else(String::new, told)
}

/// All words of a chain but those that only say that something went wrong: who was asked is said by the outer ones.
fn story(error: &(dyn Error + 'static)) -> String {
    const EMPTY: [&str; 10] = [
        "an error occurred while loading credentials",
        "an error occurred while loading an access token",
        "the credentials provider was not properly configured",
        "unexpected credentials error",
        "dispatch failure",
        "service error",
        "io error",
        "other",
        "dns error",
        "client error (Connect)",
    ];
    let mut words: Vec<String> = Vec::new();
    for text in chain(error).map(told) {
        let empty = EMPTY.contains(&text.as_str()) || text.starts_with("unhandled error");
        if !empty && !words.iter().any(|word| word.contains(&text)) {
            words.push(text.trim().trim_end_matches(['.', ':']).to_owned());
        }
    }
    words.join(": ")
}

fn told(error: &(dyn Error + 'static)) -> String {
    match error.downcast_ref::<ErrorMetadata>() {
        Some(meta) => match (meta.code(), meta.message()) {
            (Some(code), Some(message)) => format!("{code}: {message}"),
            (one, other) => one.or(other).unwrap_or("no reason given").to_owned(),
        },
        None => error.to_string(),
    }
}

/// Why a host was not reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unreachable {
    Refused,
    NoName,
    Untrusted,
    /// The resolver did not answer: it may the next time.
    Resolver,
    Cut,
    Other,
}

pub(super) fn unreachable(error: &(dyn Error + 'static)) -> Unreachable {
    let says = |text: &str| chain(error).any(|e| e.to_string().to_lowercase().contains(text));
    let kind = chain(error).filter_map(|e| e.downcast_ref::<io::Error>()).map(io::Error::kind).last();
    if says("certificate") {
        Unreachable::Untrusted
    } else if says("temporary failure in name resolution") {
        Unreachable::Resolver
    } else if says("dns error") || says("lookup address") {
        Unreachable::NoName
    } else if kind == Some(io::ErrorKind::ConnectionRefused) {
        Unreachable::Refused
    } else if matches!(
        kind,
        Some(io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe | io::ErrorKind::UnexpectedEof)
    ) || says("connection closed")
        || says("incomplete message")
    {
        Unreachable::Cut
    } else {
        Unreachable::Other
    }
}

fn network(error: &(dyn Error + 'static)) -> String {
    match unreachable(error) {
        Unreachable::Refused => "the connection was refused".to_owned(),
        Unreachable::NoName => "its name cannot be resolved".to_owned(),
        Unreachable::Resolver => "its name cannot be resolved now".to_owned(),
        Unreachable::Untrusted => format!("its TLS certificate is not trusted ({})", words(error)),
        Unreachable::Cut => "the connection was closed before a response arrived".to_owned(),
        Unreachable::Other => words(error),
    }
}
