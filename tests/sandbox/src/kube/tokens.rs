//! Service account tokens, and the TokenRequest that issues them.

use std::io;

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, UnparsedPublicKey},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{
    Claims, Kube,
    failure::Failure,
    json::{list, stamp, text},
    kinds::{self, Place},
};
use crate::scenario::Scenario;

/// The cluster's key.
pub(crate) struct Signer {
    key: EcdsaKeyPair,
    random: SystemRandom,
    issuer: String,
}

/// The cluster's OIDC issuer, as DescribeCluster also answers it.
pub(crate) fn issuer(scenario: &Scenario, cluster: &str) -> String {
    let id = hex::encode_upper(&Sha256::digest(scenario.cluster_arn(cluster))[16..]);
    format!("https://oidc.eks.{}.amazonaws.com/id/{id}", scenario.region)
}

impl Signer {
    pub(crate) fn new(scenario: &Scenario) -> io::Result<Self> {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)
            .map_err(|_| io::Error::other("no key for service account tokens"))?;
        Ok(Self { key, random: SystemRandom::new(), issuer: issuer(scenario, &scenario.cluster().name) })
    }

    fn sign(&self, claims: &Value) -> String {
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", encode(&json!({"alg": "ES256", "kid": "sandbox"})), encode(claims));
        let signature = self.key.sign(&self.random, signed.as_bytes());
        let signature = signature.as_ref().map_or(&[][..], AsRef::as_ref);
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// The claims, when the signature is this cluster's.
    fn read(&self, token: &str) -> Result<Value, String> {
        let malformed = || "token contains an invalid number of segments".to_owned();
        let (signed, signature) = token.rsplit_once('.').ok_or_else(malformed)?;
        let (_, claims) = signed.split_once('.').ok_or_else(malformed)?;
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|e| format!("token is malformed: {e}"));
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, self.key.public_key().as_ref())
            .verify(signed.as_bytes(), &decode(signature)?)
            .map_err(|_| "token signature is invalid".to_owned())?;
        serde_json::from_slice(&decode(claims)?).map_err(|e| format!("token is malformed: {e}"))
    }
}

impl Kube {
    /// The claims of a token of this cluster; the error is text.
    pub(super) fn claims(&self, token: &str) -> Result<Claims, String> {
        let claims = self.signer.read(token)?;
        let kubernetes = &claims["kubernetes.io"];
        let pod = kubernetes.get("pod").map(|p| (text(p, "/name").to_owned(), text(p, "/uid").to_owned()));
        Ok(Claims {
            namespace: text(kubernetes, "/namespace").to_owned(),
            service_account: text(kubernetes, "/serviceaccount/name").to_owned(),
            pod,
            audience: text(&claims, "/aud/0").to_owned(),
            expires: Timestamp::from_second(claims["exp"].as_i64().unwrap_or_default()).unwrap_or_default(),
        })
    }

    /// A token for a service account, bound to a pod if one is given.
    pub(super) fn issue(
        &mut self,
        account: &Value,
        pod: Option<&Value>,
        audiences: &[String],
        seconds: i64,
        now: Timestamp,
    ) -> String {
        let (namespace, name) = super::store::place(account);
        let mut kubernetes = json!({"namespace": namespace});
        if let Some(pod) = pod {
            let node = text(pod, "/spec/nodeName");
            if let Some(node) = self.store.get("nodes", "", node) {
                kubernetes["node"] = json!({"name": text(node, "/metadata/name"), "uid": text(node, "/metadata/uid")});
            }
            kubernetes["pod"] = json!({"name": text(pod, "/metadata/name"), "uid": text(pod, "/metadata/uid")});
        }
        kubernetes["serviceaccount"] = json!({"name": name, "uid": text(account, "/metadata/uid")});
        let claims = json!({
            "aud": audiences, "exp": now.as_second() + seconds, "iat": now.as_second(), "iss": self.signer.issuer,
            "jti": self.store.uid(), "kubernetes.io": kubernetes, "nbf": now.as_second(),
            "sub": format!("system:serviceaccount:{namespace}:{name}"),
        });
        self.signer.sign(&claims)
    }

    /// `POST serviceaccounts/NAME/token`.
    pub(super) fn token_request(&mut self, place: &Place, body: &Value, now: Timestamp) -> Result<Value, Failure> {
        let account = self
            .store
            .get("serviceaccounts", &place.namespace, &place.name)
            .cloned()
            .ok_or_else(|| Failure::not_found(place.kind, &place.name))?;
        let seconds = body.pointer("/spec/expirationSeconds").and_then(Value::as_i64).unwrap_or(3600);
        if seconds < 600 {
            let cause = format!("Invalid value: {seconds}: may not specify a duration less than 10 minutes");
            let message =
                format!("TokenRequest.authentication.k8s.io \"\" is invalid: spec.expirationSeconds: {cause}");
            let mut failure = Failure::new(422, "Invalid", message);
            failure.details = Some(Box::new(json!({"group": "authentication.k8s.io", "kind": "TokenRequest",
                "causes": [{"reason": "FieldValueInvalid", "message": cause, "field": "spec.expirationSeconds"}]})));
            return Err(failure);
        }
        let bound = body.pointer("/spec/boundObjectRef").filter(|b| !b.is_null());
        let pod = bound.map(|b| self.bound_pod(place, b)).transpose()?;
        let mut audiences: Vec<String> =
            list(body, "/spec/audiences").iter().filter_map(|a| a.as_str().map(str::to_owned)).collect();
        if audiences.is_empty() {
            audiences.push("https://kubernetes.default.svc".to_owned());
        }
        let token = self.issue(&account, pod.as_ref(), &audiences, seconds, now);
        Ok(json!({
            "kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1",
            "metadata": {"name": place.name, "namespace": place.namespace, "creationTimestamp": stamp(now)},
            "spec": {"audiences": audiences, "expirationSeconds": seconds, "boundObjectRef": bound},
            "status": {"token": token, "expirationTimestamp": stamp(now + SignedDuration::from_secs(seconds))},
        }))
    }

    fn bound_pod(&self, place: &Place, bound: &Value) -> Result<Value, Failure> {
        let (kind, name, uid) = (text(bound, "/kind"), text(bound, "/name"), text(bound, "/uid"));
        if kind != "Pod" {
            return Err(Failure::bad_request(format!(
                "cannot bind token for serviceaccount {:?} to object of type {kind:?}",
                place.name
            )));
        }
        let pods = kinds::of("pods");
        let pod = self.store.get("pods", &place.namespace, name).ok_or_else(|| Failure::not_found(pods, name))?;
        if text(pod, "/spec/serviceAccountName") != place.name {
            return Err(Failure::bad_request(format!(
                "cannot bind token for serviceaccount {:?} to pod running with different serviceaccount name.",
                place.name
            )));
        }
        let real = text(pod, "/metadata/uid");
        if !uid.is_empty() && uid != real {
            return Err(Failure {
                message: format!(
                    "Operation cannot be fulfilled on pods {name:?}: the UID in the bound object reference ({uid}) does not match the UID in record. The object might have been deleted and then recreated"
                ),
                ..Failure::conflict(pods, name)
            });
        }
        Ok(Value::clone(pod))
    }
}
