//! Reads the manifest of `apply` and `diff`: text to entries, with all problems at once. What the file means is
//! `model::manifest`'s; writing it is output like any other.

mod decode;
mod read;
mod yaml;

pub use self::read::{Read, read};
