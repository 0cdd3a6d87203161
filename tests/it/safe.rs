//! What podid writes, recommends or reports as ready does no harm.

mod kubeconfig;
mod rollouts;
mod trust;
mod verify;
//! What podid writes, recommends or reports as ready does no harm: each fault beside its healthy twin.

mod kubeconfig;
mod process;
mod rollouts;
mod verify;
