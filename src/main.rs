//! Starts podid.

fn main() {}
