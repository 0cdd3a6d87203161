//! Exit codes, and errors with hints: the only place that knows either.

use std::fmt;

/// The exit codes; documented in `podid help` and the man pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Code {
    /// Done, or nothing to do.
    Ok = 0,
    /// Failed.
    Failed = 1,
    /// Wrong usage, or refused before any write.
    Usage = 2,
    /// A difference or broken link was found.
    Difference = 3,
    /// Credentials or permission.
    Denied = 4,
    /// Timed out.
    TimedOut = 5,
    /// Stopped after at least one write: run again.
    Partial = 6,
    /// SIGHUP.
    HungUp = 129,
    /// SIGINT.
    Interrupted = 130,
    /// SIGTERM.
    Terminated = 143,
}

impl Code {
    /// A signal asked podid to stop.
    pub fn signalled(self) -> bool {
        matches!(self, Self::HungUp | Self::Interrupted | Self::Terminated)
    }
}

/// What a service answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceError {
    /// `EKS`, `IAM`, `STS`, `Kubernetes`.
    pub service: &'static str,
    /// `CreateRole`, `list pods`, …
    pub operation: String,
    /// AWS error code, or Kubernetes reason; empty when nothing answered.
    pub code: String,
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

    /// True when the service answered with this code or reason.
    pub fn is(&self, code: &str) -> bool {
        self.service.as_ref().is_some_and(|s| s.code == code)
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
