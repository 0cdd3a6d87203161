//! `podid list`.
