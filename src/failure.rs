//! Exit codes, and errors with hints: the only place that knows either.

use std::fmt;

/// The exit codes; documented in `podid help` and the man pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// Done, or nothing to do.
    Ok,
    /// Failed.
    Failed,
    /// Wrong usage, or refused before any write.
    Usage,
    /// A difference or broken link was found.
    Difference,
    /// Credentials or permission.
    Denied,
    /// Timed out.
    TimedOut,
    /// Stopped after at least one write: run again.
    Partial,
    /// The command that podid was to run cannot be run.
    NotExecutable,
    /// The command that podid was to run does not exist.
    NotFound,
    /// SIGHUP.
    HungUp,
    /// SIGINT.
    Interrupted,
    /// SIGTERM.
    Terminated,
    /// The command that podid ran ended with this code.
    OfCommand(u8),
}

impl Code {
    /// The number that the process ends with.
    pub fn number(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Difference => 3,
            Self::Denied => 4,
            Self::TimedOut => 5,
            Self::Partial => 6,
            Self::NotExecutable => 126,
            Self::NotFound => 127,
            Self::HungUp => 129,
            Self::Interrupted => 130,
            Self::Terminated => 143,
            Self::OfCommand(code) => code,
        }
    }

    /// A signal asked podid to stop.
    pub fn signalled(self) -> bool {
        matches!(self, Self::HungUp | Self::Interrupted | Self::Terminated)
    }
}

/// What an answer means, whichever service gave it and whatever it calls it: the adapters tell it by the service's code and words.
/// Nothing above them knows a code.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Kind {
    /// The caller is known, and not allowed to.
    Forbidden,
    /// The caller is not known.
    UnknownCaller,
    /// It does not exist.
    NotFound,
    /// It is there already, or is being changed by somebody.
    InUse,
    /// Something else still hangs on it.
    Conflict,
    /// Another change of it is still under way.
    Busy,
    /// The role that is named does not exist, or was made just now and is not seen yet.
    RoleUnseen,
    /// A role's trust policy that was written just now is not seen yet.
    TrustUnseen,
    /// What was asked cannot be evaluated.
    Invalid,
    /// Anything else, or no answer at all.
    #[default]
    Other,
}

/// The name of the service that is none of AWS's.
pub const KUBERNETES: &str = "Kubernetes";

/// What a service answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceError {
    /// `EKS`, `IAM`, `STS`, `Kubernetes`.
    pub service: &'static str,
    /// `CreateRole`, `list pods`, …
    pub operation: String,
    /// AWS error code, or Kubernetes reason; empty when nothing answered.
    pub code: String,
    /// What that means.
    pub kind: Kind,
    /// The service's own words.
    pub message: String,
    /// Request id.
    pub request_id: Option<String>,
    /// HTTP status.
    pub status: Option<u16>,
}

/// An error as the user sees it: what failed, on what, why, and what to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Exit code.
    pub code: Code,
    /// What failed, on what: a lower-case fragment without a full stop.
    pub message: String,
    /// Why, outermost first.
    pub causes: Vec<String>,
    /// Next commands or changes.
    pub hints: Vec<String>,
    /// The service's answer, when one lies behind it.
    pub service: Option<Box<ServiceError>>,
}

/// Result of everything that can fail in front of the user.
pub type Result<T, E = Failure> = std::result::Result<T, E>;

impl Failure {
    /// A failure with a code and a message.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), causes: Vec::new(), hints: Vec::new(), service: None }
    }

    /// Wrong usage, or refused before any write.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Code::Usage, message)
    }

    /// Failed.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::new(Code::Failed, message)
    }

    /// Adds a hint, once.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        let hint = hint.into();
        if !self.hints.contains(&hint) {
            self.hints.push(hint);
        }
        self
    }

    /// Adds a cause.
    #[must_use]
    pub fn because(mut self, cause: impl Into<String>) -> Self {
        self.causes.push(cause.into());
        self
    }

    /// Says what was being done: the present message becomes the first cause.
    #[must_use]
    pub fn context(mut self, message: impl Into<String>) -> Self {
        let inner = std::mem::replace(&mut self.message, message.into());
        self.causes.insert(0, inner);
        self
    }

    /// True when the service's answer means this.
    pub fn is(&self, kind: Kind) -> bool {
        self.service.as_ref().is_some_and(|service| service.kind == kind)
    }

    /// True when it is about Kubernetes' answer, or that there was none.
    pub fn from_kubernetes(&self) -> bool {
        self.service.as_ref().is_some_and(|service| service.service == KUBERNETES)
    }

    /// True when the service answered with this code or reason, which only the adapters' own tests may know.
    #[cfg(test)]
    pub(crate) fn has_code(&self, code: &str) -> bool {
        self.service.as_ref().is_some_and(|service| service.code == code)
    }

    /// The service's own words, or empty.
    pub fn service_message(&self) -> &str {
        self.service.as_ref().map_or("", |s| s.message.as_str())
    }

    /// True when the caller may not do it, or is not known.
    pub fn denied(&self) -> bool {
        self.code == Code::Denied
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        for cause in &self.causes {
            write!(f, ": {cause}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Failure {}
