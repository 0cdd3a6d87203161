//! `podid recycle`.
