//! Files with the credentials of a kubeconfig's user. Each may be a pipe that nobody writes to: none is read on the caller's thread.

use std::path::{Path, PathBuf};

use base64::{Engine, engine::general_purpose::STANDARD};
use kube::config::AuthInfo;
use secrecy::SecretString;

use super::error::deepest;
use crate::{
    failure::{Failure, Result},
    files, secrets, wait,
};

/// Bytes of a token or certificate: a hundred times what they have.
const LARGEST: u64 = 1 << 20;

/// The token of a file; `whose` names the file's user.
///
/// # Errors
/// When it cannot be read, or is empty.
pub(super) async fn token(path: &Path, whose: &str) -> Result<SecretString> {
    let what = format!("the token file `{}` of {whose}", path.display());
    let path = path.to_owned();
    wait::aside("reading a token file", move || {
        let text = text(&path, &what)?;
        // An editor's last line end is no part of it.
        let token = text.trim();
        if token.is_empty() { Err(Failure::usage(format!("{what} is empty"))) } else { Ok(token.to_owned().into()) }
    })
    .await
}

/// The user with its client certificate and key in place of their files' names: kube would read these where the client is made.
///
/// # Errors
/// When one of them cannot be read.
pub(super) async fn with_certificate(mut user: AuthInfo, whose: &str) -> Result<AuthInfo> {
    let named = |data: bool, path: Option<String>| path.filter(|path| !data && !path.is_empty()).map(PathBuf::from);
    let certificate = named(user.client_certificate_data.is_some(), user.client_certificate.take());
    let key = named(user.client_key_data.is_some(), user.client_key.take());
    if certificate.is_none() && key.is_none() {
        return Ok(user);
    }
    let whose = whose.to_owned();
    wait::aside("reading a client certificate", move || {
        if let Some(path) = certificate {
            let text = text(&path, &format!("the client certificate `{}` of {whose}", path.display()))?;
            user.client_certificate_data = Some(STANDARD.encode(text));
        }
        if let Some(path) = key {
            let text = text(&path, &format!("the client key `{}` of {whose}", path.display()))?;
            secrets::hold(&text);
            user.client_key_data = Some(STANDARD.encode(text).into());
        }
        Ok(user)
    })
    .await
}

fn text(path: &Path, what: &str) -> Result<String> {
    files::text(path, LARGEST).map_err(|e| Failure::usage(format!("cannot read {what}")).because(deepest(&e)))
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;
    use serde_json::json;

    use super::*;

    #[tokio::test]
    async fn files_become_what_is_in_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        std::fs::write(path("cert"), "C").unwrap();
        std::fs::write(path("key"), "K").unwrap();
        let user = |entry| serde_json::from_value::<AuthInfo>(entry).unwrap();
        let data = |user: &AuthInfo| {
            let key = user.client_key_data.as_ref().map(|key| key.expose_secret().to_owned());
            (user.client_certificate_data.clone(), key)
        };
        let some = |text: &str| Some(text.to_owned());
        for (entry, wanted) in [
            (json!({"client-certificate": path("cert"), "client-key": path("key")}), (some("Qw=="), some("Sw=="))),
            // The entry's own data come first, as for kubectl: the file is not even read.
            (
                json!({"client-certificate": path("none"), "client-certificate-data": "QQ==", "client-key": path("key")}),
                (some("QQ=="), some("Sw==")),
            ),
            (json!({"client-certificate": "", "client-key": ""}), (None, None)),
        ] {
            let found = with_certificate(user(entry.clone()), "me").await.unwrap();
            assert_eq!(data(&found), wanted, "{entry}");
            assert!(found.client_certificate.is_none() && found.client_key.is_none());
        }
        let missing = with_certificate(user(json!({"client-key": path("none")})), "kubeconfig user `me`").await;
        let failure = missing.err().unwrap().to_string();
        let wanted =
            format!("cannot read the client key `{}` of kubeconfig user `me`: no such file or directory", path("none"));
        assert_eq!(failure, wanted);
    }

    #[tokio::test]
    async fn tokens() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(token(file.path(), "me").await.unwrap_err().to_string().ends_with("of me is empty"));
        std::fs::write(file.path(), " abc\n").unwrap();
        assert_eq!(token(file.path(), "me").await.unwrap().expose_secret(), "abc");
        let device = token(Path::new("/dev/zero"), "me").await.unwrap_err();
        assert!(device.to_string().ends_with("it is a device, not a file"), "{device}");
    }
}
