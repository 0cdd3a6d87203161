//! `podid show`.
