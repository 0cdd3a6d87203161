//! Bad input: a message that names the argument, and no call.
