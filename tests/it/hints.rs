//! Every command that podid names in help, hints and docs parses.
