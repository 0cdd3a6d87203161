//! Postconditions: what a command checks after its plan, even an empty one. Nothing here writes.

pub mod addon;
pub mod agent;
pub mod effective;
pub mod injected;
pub mod rollout;
mod stuck;

pub use self::stuck::State;
