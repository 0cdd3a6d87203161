//! What a scenario says where it says nothing.

pub(super) fn trust_policy_quota() -> usize {
    2048
}

pub(super) fn aws() -> String {
    "aws".to_owned()
}

pub(super) fn yes() -> bool {
    true
}

pub(super) fn platform() -> String {
    "eks.9".to_owned()
}

pub(super) fn active() -> String {
    "ACTIVE".to_owned()
}

pub(super) fn slash() -> String {
    "/".to_owned()
}

pub(super) fn day() -> i64 {
    86_400
}

pub(super) fn hour() -> i64 {
    3600
}

pub(super) fn six_hours() -> i64 {
    6 * hour()
}
