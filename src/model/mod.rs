//! Pure types: names and ARNs, documents, associations, roles, workloads, the desired and the current state.
//!
//! No I/O, no clock, no client and no printing here.

pub mod access;
pub mod add_on_policy;
pub mod addon;
pub mod adoption;
pub mod agent;
pub mod arn;
pub mod association;
pub mod bundle;
pub mod cluster;
pub mod document;
pub mod exception;
#[cfg(test)]
pub(crate) mod fixtures;
pub mod foreign;
pub mod formats;
pub mod glob;
pub mod grant;
pub mod have;
pub mod import;
pub mod irsa;
pub mod json;
pub mod last_use;
pub mod live;
pub mod log_line;
pub mod manifest;
pub mod map;
pub mod message;
pub mod migration;
pub mod names;
pub mod network;
pub mod output_schema;
pub mod ownership;
pub mod permissions;
pub mod placement;
pub mod pod_spec;
pub mod policy;
pub mod refusal;
pub mod regions;
pub mod role;
pub mod role_users;
pub mod rollout;
pub mod said;
pub mod selector;
pub mod session_name;
pub mod snapshot;
pub mod staleness;
pub mod subject;
pub mod table;
pub mod tags;
pub mod text;
pub mod trust;
pub mod want;
pub mod webhook;
pub mod workload;
