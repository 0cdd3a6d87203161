//! Service messages explained: each produced by one wrong field.
