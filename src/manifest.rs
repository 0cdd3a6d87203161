//! Reads the manifest of `apply` and `diff`: text to entries, with all problems at once. What the file means is
//! `model::manifest`'s; writing it is output like any other.

mod decode;
mod import;
mod read;
mod yaml;

pub use self::{
    import::import,
    read::{Read, exceptions, read},
};
