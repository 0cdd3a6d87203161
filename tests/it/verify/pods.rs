//! Pod spec, shadowed credentials, network, and what the application says.
