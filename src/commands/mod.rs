//! One file per subcommand: its arguments (the doc comment is the help), its examples, and its glue.

pub mod account;
pub mod agent;
pub mod associate;
pub mod causes;
pub mod completions;
pub mod disassociate;
pub mod explain;
pub mod file;
pub mod iam_policy;
pub mod input;
pub mod list;
pub mod migrate;
pub mod policy;
pub mod recycle;
pub mod role;
pub mod select;
pub mod shared;
pub mod show;
pub mod subject;
pub mod unread;
pub mod verify;
pub mod version;
pub mod wait;
pub mod way;
