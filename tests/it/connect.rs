//! Finding and reaching the cluster.
