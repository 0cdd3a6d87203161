//! What podid writes, recommends or reports as ready does no harm.

mod rollouts;
mod verify;
//! Nothing that podid writes, recommends, or reports may cause harm: each case beside its healthy twin.

mod kubeconfig;
