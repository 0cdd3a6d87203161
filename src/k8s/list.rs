//! Lists: every page, begun again when a page's token has expired.

use std::fmt::Debug;

use kube::{Api, api::ListParams};
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::{REACH, error::Silent};

/// What was listed, and as of which version.
pub(super) struct Listed<K> {
    pub(super) items: Vec<K>,
    pub(super) version: String,
}

const PAGE: u32 = 500;
/// Lists that expire this often in a row are given up: the pages come slower than the API server forgets them.
const ATTEMPTS: usize = 4;

/// Every page.
pub(super) async fn list<K>(api: &Api<K>, params: &ListParams) -> Result<Listed<K>, kube::Error>
where
    K: Clone + Debug + DeserializeOwned,
{
    let mut attempt = 1;
    loop {
        match pages(api, params).await {
            Err(kube::Error::Api(status)) if status.code == 410 && attempt < ATTEMPTS => attempt += 1,
            done => return done,
        }
    }
}

async fn pages<K>(api: &Api<K>, params: &ListParams) -> Result<Listed<K>, kube::Error>
where
    K: Clone + Debug + DeserializeOwned,
{
    let mut params = params.clone().limit(PAGE);
    let mut items: Vec<K> = Vec::new();
    loop {
        // Every command begins with lists: a server that says nothing at all is found out with the first page.
        let first = params.continue_token.is_none();
        let page = if first {
            timeout(REACH, api.list(&params)).await.unwrap_or_else(|_| Err(Silent.into()))?
        } else {
            api.list(&params).await?
        };
        items.extend(page.items);
        let version = page.metadata.resource_version.unwrap_or_default();
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params.continue_token = Some(token),
            None => return Ok(Listed { items, version }),
        }
    }
}
