//! What dry-run pods are to show, and in which words.

use crate::ports::Probe;

/// What the probe is to see of new pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// They are injected; with an association that was read, they get credentials.
    Credentials,
    /// They are injected; nothing else is known.
    Injection,
    /// They are no longer injected.
    Nothing,
    /// They are no longer injected, and get a web identity again.
    WebIdentity,
}

impl Wanted {
    /// They are to be injected.
    pub(super) fn injected(self) -> bool {
        matches!(self, Self::Credentials | Self::Injection)
    }

    /// Whether a dry-run pod is as it is to be.
    pub(super) fn is(self, seen: &Probe) -> bool {
        match self {
            Self::Credentials | Self::Injection => *seen == Probe::Injected,
            Self::Nothing => *seen != Probe::Injected,
            Self::WebIdentity => matches!(seen, Probe::WebIdentity(_)),
        }
    }

    /// `injected`.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Credentials | Self::Injection => "injected",
            Self::Nothing => "not injected",
            Self::WebIdentity => "given a web identity",
        }
    }

    /// How new pods are instead, and what is waited for.
    pub(super) fn missed(self, seen: &Probe) -> (&'static str, &'static str) {
        match self {
            Self::Credentials | Self::Injection => {
                ("new pods are not injected yet", "waiting until new pods are injected")
            }
            Self::WebIdentity if *seen != Probe::Injected => {
                ("new pods get no web identity yet", "waiting until new pods use IRSA again")
            }
            Self::Nothing | Self::WebIdentity => {
                ("new pods are still injected", "waiting until new pods are no longer injected")
            }
        }
    }

    /// The proof, after so many dry-run pods.
    pub(super) fn seen(self, rounds: u32) -> String {
        let what = match self {
            Self::Credentials => "get credentials",
            Self::Injection => "are injected",
            Self::Nothing => "no longer get credentials",
            Self::WebIdentity => "use IRSA again",
        };
        format!("new pods {what} ({rounds} of {rounds} dry-run pods)")
    }

    /// What is missing where no pod can be created.
    pub(super) fn without_account(self, what: &str) -> String {
        match self {
            Self::Injection => format!("no pod can be created yet: {what}"),
            Self::Credentials | Self::Nothing | Self::WebIdentity => {
                format!("no pod can use this association yet: {what}")
            }
        }
    }
}
