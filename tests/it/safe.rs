//! What podid writes, recommends or reports as ready does no harm.

mod kubeconfig;
mod process;
mod ready;
mod names;
mod roles;
mod rollouts;
mod trust;
mod verify;
