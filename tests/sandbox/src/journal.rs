//! What was asked of the world: every request, in the order in which they began.

use std::{
    sync::Mutex,
    time::{Duration, Instant},
};

use serde_json::Value;

/// One request and its answer.
#[derive(Debug, Clone)]
pub struct Call {
    /// Place in the journal, from 1.
    pub seq: u64,
    /// `eks`, `iam`, `sts`, `eks-auth`, `dynamodb` or `kubernetes`.
    pub service: String,
    /// AWS operation (`DescribeCluster`), or `VERB RESOURCE` for Kubernetes (`list pods`, `create pods`, `patch deployments`).
    pub operation: String,
    /// Path and query as sent.
    pub target: String,
    /// Request body as JSON where it is JSON, else as text; null when empty.
    pub body: Value,
    /// Value of the User-Agent header.
    pub user_agent: String,
    /// True for what changes the world; a dry-run does not.
    pub write: bool,
    /// HTTP status of the answer; `None` while under way, or when the connection was dropped.
    pub status: Option<u16>,
    /// Number of the connection, from 1, counted per side.
    pub connection: u64,
    /// Which API server answered (0 for AWS).
    pub server: usize,
    /// True for requests that the world makes itself (pods, the agent).
    pub internal: bool,
    began: Instant,
    ended: Option<Instant>,
}

/// All calls of a world.
#[derive(Debug, Default)]
pub struct Journal {
    calls: Mutex<Vec<Call>>,
}

impl Journal {
    /// Notes the start of a call and returns its number.
    pub(crate) fn begin(&self, mut call: Call) -> u64 {
        let mut calls = self.lock();
        call.seq = calls.len() as u64 + 1;
        let seq = call.seq;
        calls.push(call);
        seq
    }

    /// Notes the answer to a call.
    pub(crate) fn end(&self, seq: u64, status: Option<u16>) {
        let mut calls = self.lock();
        if let Some(call) = numbered(&mut calls, seq) {
            call.status = status;
            call.ended = Some(Instant::now());
        }
    }

    /// Fills in what is known only after the request was read.
    pub(crate) fn describe(&self, seq: u64, fill: impl FnOnce(&mut Call)) {
        if let Some(call) = numbered(&mut self.lock(), seq) {
            fill(call);
        }
    }

    /// Every call so far that came from outside.
    pub fn calls(&self) -> Vec<Call> {
        self.lock().iter().filter(|c| !c.internal).cloned().collect()
    }

    /// The calls that changed the world, as `service operation`.
    pub fn writes(&self) -> Vec<String> {
        self.calls().iter().filter(|c| c.write).map(Call::name).collect()
    }

    /// How often `service operation` was called.
    pub fn count(&self, service: &str, operation: &str) -> usize {
        self.calls().iter().filter(|c| c.service == service && c.operation == operation).count()
    }

    /// Forgets all calls.
    pub fn clear(&self) {
        self.lock().clear();
    }

    /// Length of the longest chain of the given calls in which each began after the one before had ended:
    /// the number of dependent round trips. Give the world a delay, or short calls look dependent by chance.
    pub fn depth(calls: &[Call]) -> usize {
        let mut chain: Vec<usize> = Vec::with_capacity(calls.len());
        for (i, call) in calls.iter().enumerate() {
            let before = (0..i)
                .filter(|&j| calls[j].ended.is_some_and(|ended| ended <= call.began))
                .map(|j| chain[j])
                .max()
                .unwrap_or(0);
            chain.push(before + 1);
        }
        chain.into_iter().max().unwrap_or(0)
    }

    /// From the beginning of the first of the given calls to the end of the last.
    pub fn span<'c>(calls: impl Iterator<Item = &'c Call> + Clone) -> Duration {
        let began = calls.clone().map(|call| call.began).min();
        let ended = calls.filter_map(|call| call.ended).max();
        ended.zip(began).map_or(Duration::ZERO, |(ended, began)| ended - began)
    }

    /// How many of the given calls were under way at once at most.
    pub fn widest(calls: &[Call]) -> usize {
        let open_at =
            |at: Instant| calls.iter().filter(|c| c.began <= at && c.ended.is_none_or(|ended| ended > at)).count();
        calls.iter().map(|call| open_at(call.began)).max().unwrap_or(0)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Call>> {
        self.calls.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// The call of a number that [`Journal::begin`] gave.
fn numbered(calls: &mut [Call], seq: u64) -> Option<&mut Call> {
    calls.get_mut(usize::try_from(seq).ok()?.checked_sub(1)?)
}

impl Call {
    /// A call that begins now.
    pub(crate) fn starting(service: &str, operation: &str, target: &str) -> Self {
        Self {
            seq: 0,
            service: service.to_owned(),
            operation: operation.to_owned(),
            target: target.to_owned(),
            body: Value::Null,
            user_agent: String::new(),
            write: false,
            status: None,
            connection: 0,
            server: 0,
            internal: false,
            began: Instant::now(),
            ended: None,
        }
    }

    /// `service operation`.
    pub fn name(&self) -> String {
        format!("{} {}", self.service, self.operation)
    }
}
