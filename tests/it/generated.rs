//! man/, completions/ and the README are what the code says.
