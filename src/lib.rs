//! podid takes a Kubernetes service account on Amazon EKS from AccessDenied to working AWS credentials, and proves it.
//!
//! One road: flags make a [`Want`](model::want::Want), [`observe`] reads a [`Have`](model::have::Have) through the
//! [`ports`], [`plan`] computes the [`Step`](plan::Step)s, consent is asked, [`execute`] carries them out, the
//! command proves its postconditions, and [`output`] renders the outcome.

pub mod aws;
pub mod explain;
pub mod failure;
pub mod k8s;
pub mod model;
pub mod output;
pub mod plan;
pub mod ports;
