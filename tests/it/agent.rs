//! `podid agent`.
