//! Role, trust policy and target role.
