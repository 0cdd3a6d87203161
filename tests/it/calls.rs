//! What the commands cost, counted in the journal.
