//! What podid writes, recommends or reports as ready does no harm.

mod adoption;
mod inputs;
mod kubeconfig;
mod names;
mod output;
mod process;
mod ready;
mod roles;
mod rollouts;
mod trust;
mod verify;
