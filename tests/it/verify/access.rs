//! What the role may do, against what the workload needs.
