//! The real binary against the sandbox, and what holds for the whole tree. One binary, so that everything links once.
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod actions;
mod agent;
mod alike;
mod architecture;
mod associate;
mod calls;
mod completion;
mod connect;
mod disassociate;
mod explain;
mod faults;
mod file;
mod fuzz;
mod generated;
mod hints;
mod iam_policy;
mod input;
mod kill;
mod language;
mod list;
mod manners;
mod messages;
mod plugin;
mod policy;
mod recycle;
mod role;
mod safe;
mod secrets;
mod show;
mod subjects;
mod support;
mod terminal;
mod trust_evaluator;
mod verify;
mod wait;
