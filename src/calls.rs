//! Calls to services while they are in progress: what a wait at the terminal is for, and one line each for `-v`.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// All calls of this process that have no response yet, by number. Adapters know no terminal, and a terminal knows no adapters.
static OPEN: Mutex<BTreeMap<u64, (Instant, String)>> = Mutex::new(BTreeMap::new());

/// A call in progress, repeats included. It ends when this is dropped, which a deadline or a signal may do as well.
#[derive(Debug)]
pub struct Call(u64);

impl Call {
    /// Begins a call to `place`, as in `EKS at https://eks.us-west-2.amazonaws.com`.
    pub fn begin(place: impl Into<String>) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        with(|open| open.insert(id, (Instant::now(), place.into())));
        Self(id)
    }

    /// Tells where it goes, once that is known.
    pub fn goes_to(&self, place: impl Into<String>) {
        with(|open| {
            if let Some((_, known)) = open.get_mut(&self.0) {
                *known = place.into();
            }
        });
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        with(|open| open.remove(&self.0));
    }
}

fn with<T>(look: impl FnOnce(&mut BTreeMap<u64, (Instant, String)>) -> T) -> T {
    look(&mut OPEN.lock().unwrap_or_else(PoisonError::into_inner))
}

/// The call that has been waiting longest: for how long, and for whom.
pub fn longest() -> Option<(Duration, String)> {
    with(|open| open.values().min_by_key(|(begun, _)| *begun).map(|(begun, place)| (begun.elapsed(), place.clone())))
}

/// Logs how one attempt of a call ended: `outcome` is an HTTP status, or why there is none.
pub fn ended(call: &str, outcome: &str, began: Instant, request_id: Option<&str>) {
    let took = began.elapsed().as_millis();
    let id = request_id.map(|id| format!(" (request ID {id})")).unwrap_or_default();
    tracing::debug!("{call}: {outcome} in {took} ms{id}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_is_told_until_it_ends() {
        let place = "a service of this test";
        let waits = || with(|open| open.values().any(|(_, at)| at == place));
        let call = Call::begin("somewhere");
        call.goes_to(place);
        assert!(waits() && longest().is_some());
        drop(call);
        assert!(!waits());
    }
}
