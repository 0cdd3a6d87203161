//! Postconditions: what a command proves after its plan, also an empty one. Nothing here writes.

pub mod agent;
pub mod effective;
pub mod injected;
pub mod rollout;
mod stuck;

pub use self::stuck::State;
