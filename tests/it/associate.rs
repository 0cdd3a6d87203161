//! `podid associate`.
