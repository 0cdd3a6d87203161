//! What podid writes, recommends or reports as ready does no harm.

mod rollouts;
mod verify;
