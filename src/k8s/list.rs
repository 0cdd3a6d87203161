//! Lists: every page, begun again when a page's token has expired.

use std::{collections::BTreeSet, fmt::Debug};

use kube::{Api, api::ListParams};
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::{REACH, error::Silent};
use crate::failure::Failure;

/// What was listed, and as of which version.
pub(super) struct Listed<K> {
    pub(super) items: Vec<K>,
    pub(super) version: String,
}

const PAGE: u32 = 500;
/// Lists that expire this often in a row are given up: the pages come slower than the API server forgets them.
const ATTEMPTS: usize = 4;

/// A list of more pages does not end: it would be half a million objects.
const PAGES: usize = 1_000;

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
    let mut tokens = BTreeSet::new();
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
            // Neither again and again, nor a part for the whole.
            Some(token) if !tokens.insert(token.clone()) => {
                return Err(endless("it returned the same page of the list twice"));
            }
            Some(_) if tokens.len() > PAGES => return Err(endless("its list does not end")),
            Some(token) => params.continue_token = Some(token),
            None => return Ok(Listed { items, version }),
        }
    }
}

fn endless(why: &str) -> kube::Error {
    let failure = Failure::failed(format!("the API server returned an invalid response: {why}"))
        .hint("check the server address and the proxy");
    kube::Error::Service(Box::new(failure))
}
