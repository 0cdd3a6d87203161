//! The AWS environment of a command: every other source of credentials is removed, so that no SDK finds the caller's own first.

use std::ffi::OsString;

use secrecy::ExposeSecret;

use super::endpoint::Address;
use crate::ports::Credentials;

/// Says in whose name a command runs, and that podid runs it.
pub const MARK: &str = "PODID_EXEC";

/// Holds the process that asks for credentials for another program: what it starts to sign in must not be podid once more.
pub const ASKED: &str = "PODID_CREDENTIALS";

/// Sources of credentials that SDKs know, of this machine's user: none of them is the pod's.
const SOURCES: &[&str] = &[
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    // Older names, which the first Go and Java SDKs and boto still read.
    "AWS_ACCESS_KEY",
    "AWS_SECRET_KEY",
    "AWS_SECURITY_TOKEN",
    "AWS_CREDENTIAL_FILE",
    "AWS_CREDENTIAL_EXPIRATION",
    "AWS_SESSION_EXPIRATION",
    "AWS_ACCOUNT_ID",
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_SDK_LOAD_CONFIG",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    // It goes before the full address.
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
];

/// Variables that send requests through a proxy, also those to this machine.
const PROXIES: [&str; 6] = ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];

/// An empty file.
const EMPTY: &str = if cfg!(windows) { "NUL" } else { "/dev/null" };

/// How a command gets its credentials.
#[derive(Debug, Clone, Copy)]
pub enum Handover<'a> {
    /// From an endpoint, for as long as the command runs.
    Endpoint(&'a Address),
    /// In its environment, until they end.
    Static(&'a Credentials),
}

/// What a command's environment has, in place of podid's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Environment {
    /// Removed.
    pub removed: &'static [&'static str],
    /// Set.
    pub set: Vec<(&'static str, OsString)>,
}

/// The environment of a command that acts as `subject`; `present` is podid's own.
pub fn environment(
    handover: Handover<'_>,
    subject: &str,
    region: &str,
    present: &dyn Fn(&str) -> Option<OsString>,
) -> Environment {
    let present = |name: &str| present(name).filter(|value| !value.is_empty());
    let mut set: Vec<(&str, OsString)> = vec![(MARK, subject.into()), ("AWS_EC2_METADATA_DISABLED", "true".into())];
    // The cluster's, as pods have it, but for whoever has chosen another.
    let given = present("AWS_REGION").or_else(|| present("AWS_DEFAULT_REGION"));
    for name in ["AWS_REGION", "AWS_DEFAULT_REGION"] {
        set.push((name, present(name).or_else(|| given.clone()).unwrap_or_else(|| region.into())));
    }
    match handover {
        Handover::Endpoint(address) => {
            set.push(("AWS_CONTAINER_CREDENTIALS_FULL_URI", address.url().into()));
            set.push(("AWS_CONTAINER_AUTHORIZATION_TOKEN", address.token().expose_secret().into()));
            // The endpoint is the last source of every SDK: a profile `default` would go before it.
            set.push(("AWS_CONFIG_FILE", EMPTY.into()));
            set.push(("AWS_SHARED_CREDENTIALS_FILE", EMPTY.into()));
            if PROXIES.iter().any(|name| present(name).is_some()) {
                for (name, other) in [("NO_PROXY", "no_proxy"), ("no_proxy", "NO_PROXY")] {
                    set.push((name, direct(present(name).or_else(|| present(other)))));
                }
            }
        }
        Handover::Static(credentials) => {
            set.push(("AWS_ACCESS_KEY_ID", credentials.access_key_id.clone().into()));
            set.push(("AWS_SECRET_ACCESS_KEY", credentials.secret_access_key.expose_secret().into()));
            set.push(("AWS_SESSION_TOKEN", credentials.session_token.expose_secret().into()));
            set.push(("AWS_CREDENTIAL_EXPIRATION", super::supply::time(credentials.expires).into()));
        }
    }
    Environment { removed: SOURCES, set }
}

/// The hosts that are reached without a proxy, and this machine.
fn direct(hosts: Option<OsString>) -> OsString {
    let Some(mut hosts) = hosts else { return "127.0.0.1".into() };
    if hosts != "*" && !hosts.to_string_lossy().split(',').any(|host| host.trim() == "127.0.0.1") {
        hosts.push(",127.0.0.1");
    }
    hosts
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn set(handover: Handover<'_>, present: &[(&str, &str)]) -> BTreeMap<&'static str, String> {
        let look = |name: &str| present.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into());
        let environment = environment(handover, "carts/carts", "us-west-2", &look);
        environment.set.into_iter().map(|(name, value)| (name, value.into_string().unwrap())).collect()
    }

    fn credentials() -> Credentials {
        Credentials {
            access_key_id: "ASIAEXAMPLE".into(),
            secret_access_key: "secret".into(),
            session_token: "token".into(),
            expires: "2026-01-02T03:04:05.678Z".parse().unwrap(),
        }
    }

    #[test]
    fn regions() {
        let credentials = credentials();
        for (present, first, second) in [
            (&[][..], "us-west-2", "us-west-2"),
            (&[("AWS_REGION", "eu-west-1")], "eu-west-1", "eu-west-1"),
            (&[("AWS_DEFAULT_REGION", "eu-west-1")], "eu-west-1", "eu-west-1"),
            (&[("AWS_REGION", "eu-west-1"), ("AWS_DEFAULT_REGION", "eu-west-3")], "eu-west-1", "eu-west-3"),
            (&[("AWS_REGION", "")], "us-west-2", "us-west-2"),
        ] {
            let set = set(Handover::Static(&credentials), present);
            assert_eq!([&set["AWS_REGION"], &set["AWS_DEFAULT_REGION"]], [first, second], "{present:?}");
        }
    }

    #[test]
    fn keys() {
        let set = set(Handover::Static(&credentials()), &[("HTTP_PROXY", "http://proxy")]);
        assert_eq!(set["AWS_CREDENTIAL_EXPIRATION"], "2026-01-02T03:04:05Z");
        assert_eq!(set["AWS_SESSION_TOKEN"], "token");
        assert_eq!(set["PODID_EXEC"], "carts/carts");
        let others = ["AWS_CONFIG_FILE", "AWS_CONTAINER_CREDENTIALS_FULL_URI", "NO_PROXY"];
        assert!(others.iter().all(|name| !set.contains_key(name)), "{set:?}");
    }

    #[test]
    fn proxies_do_not_get_the_endpoint() {
        let address = Address::for_tests(8080, "t0ken");
        let proxy = ("https_proxy", "http://proxy:3128");
        for (present, expected) in [
            (&[][..], None),
            (&[("NO_PROXY", "a.example")], None),
            (&[proxy], Some("127.0.0.1")),
            (&[proxy, ("NO_PROXY", "a.example")], Some("a.example,127.0.0.1")),
            (&[proxy, ("no_proxy", "a.example, 127.0.0.1")], Some("a.example, 127.0.0.1")),
            (&[proxy, ("no_proxy", "*")], Some("*")),
        ] {
            let set = set(Handover::Endpoint(&address), present);
            assert_eq!(set["AWS_CONTAINER_CREDENTIALS_FULL_URI"], "http://127.0.0.1:8080/credentials");
            for name in ["NO_PROXY", "no_proxy"] {
                assert_eq!(set.get(name).map(String::as_str), expected, "{present:?}");
            }
        }
    }

    #[test]
    fn nothing_that_is_removed_stays_but_what_is_set() {
        let mut names = SOURCES.to_vec();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), SOURCES.len());
    }
}
