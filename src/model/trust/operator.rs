//! Condition operators, and how they compare two texts. What the values are compared with is `conditions`'.
//!
//! The rules: IAM reference, condition operators and set operators for multivalued context keys.

use std::cmp::Ordering;

use jiff::{Timestamp, civil::Date, tz::TimeZone};

use crate::model::text::wildcard;

/// A condition operator taken apart.
pub(super) struct Operator<'a> {
    /// `forallvalues`, `foranyvalue` or nothing.
    pub(super) set: Option<&'a str>,
    /// `stringequals`, …, in lower case, without `Not`.
    pub(super) base: String,
    /// It is a `Not` operator.
    pub(super) negated: bool,
    /// It ends in `IfExists`.
    pub(super) if_exists: bool,
}

impl<'a> Operator<'a> {
    pub(super) fn parse(text: &'a str) -> Self {
        let (set, rest) = match text.split_once(':') {
            Some((set, rest)) => (Some(set), rest),
            None => (None, text),
        };
        let mut base = rest.to_ascii_lowercase();
        let if_exists = base.ends_with("ifexists");
        if if_exists {
            base.truncate(base.len() - "ifexists".len());
        }
        // `Null` and `NumericEquals` hold no `not`; `Not` is always in the middle: `StringNotEquals`, `ArnNotLike`, `NotIpAddress`.
        let negated = base.contains("not");
        Self { set, base: base.replacen("not", "", 1), negated, if_exists }
    }

    /// It tests that a value is one of those listed, in whatever way.
    pub(super) fn is_plain(&self) -> bool {
        !self.negated && !self.is_set("ForAllValues") && self.base != "null"
    }

    /// It takes a `*` literally.
    pub(super) fn is_exact(&self) -> bool {
        matches!(self.base.as_str(), "stringequals" | "stringequalsignorecase")
    }

    /// It does not hold where its key is not sent.
    pub(super) fn fails_when_absent(&self, values: &[&str]) -> bool {
        if self.base == "null" {
            return !values.iter().any(|value| value.eq_ignore_ascii_case("true"));
        }
        self.is_known() && !(self.if_exists || self.is_set("ForAllValues") || self.negated && self.set.is_none())
    }

    pub(super) fn is_set(&self, name: &str) -> bool {
        self.set.is_some_and(|set| set.eq_ignore_ascii_case(name))
    }

    /// It is one that IAM has.
    pub(super) fn is_known(&self) -> bool {
        let set = self.set.is_none() || self.is_set("ForAllValues") || self.is_set("ForAnyValue");
        set && match self.base.as_str() {
            "null" => !self.negated && !self.if_exists && self.set.is_none(),
            "bool" | "binaryequals" => !self.negated,
            "stringequals" | "stringequalsignorecase" | "stringlike" | "arnequals" | "arnlike" | "ipaddress" => true,
            base => base
                .strip_prefix("numeric")
                .or_else(|| base.strip_prefix("date"))
                .is_some_and(|rest| rest == "equals" || !self.negated && comparison(rest).is_some()),
        }
    }

    /// It takes policy variables (IAM reference, policy variables).
    pub(super) fn takes_variables(&self) -> bool {
        self.base.starts_with("string") || self.base.starts_with("arn")
    }

    /// It takes `*` and `?` for other characters.
    pub(super) fn is_pattern(&self) -> bool {
        matches!(self.base.as_str(), "stringlike" | "arnequals" | "arnlike")
    }

    /// Whether one value matches one of the policy's, the negation left out; `None` when podid cannot tell. One of the
    /// policy's that is `None` has a variable that podid does not know.
    pub(super) fn matches(&self, wanted: &[Option<String>], value: &str, is_time: bool) -> Option<bool> {
        let mut doubt = false;
        for one in wanted {
            match one.as_deref().and_then(|one| self.compares(one, value, is_time)) {
                Some(true) => return Some(true),
                Some(false) => {}
                None => doubt = true,
            }
        }
        (!doubt).then_some(false)
    }

    fn compares(&self, one: &str, value: &str, is_time: bool) -> Option<bool> {
        let base = self.base.as_str();
        if is_time {
            // How the time is written as text is nowhere said.
            return if let Some(rest) = base.strip_prefix("date") {
                compared(rest, moment(value)?.cmp(&moment(one)?))
            } else {
                compared(base.strip_prefix("numeric")?, number(value)?.partial_cmp(&number(one)?)?)
            };
        }
        match base {
            "stringequals" => Some(one == value),
            "stringequalsignorecase" => Some(one.to_lowercase() == value.to_lowercase()),
            "stringlike" => Some(wildcard(one, value)),
            // The two are the same: IAM reference, ARN condition operators.
            "arnequals" | "arnlike" => arn_like(one, value),
            "bool" => Some(truth(one)? == truth(value)?),
            _ => compared(base.strip_prefix("numeric")?, number(value)?.partial_cmp(&number(one)?)?),
        }
    }
}

/// What has to come out of comparing the request's value with the policy's.
fn comparison(name: &str) -> Option<&'static [Ordering]> {
    match name {
        "equals" => Some(&[Ordering::Equal]),
        "lessthan" => Some(&[Ordering::Less]),
        "lessthanequals" => Some(&[Ordering::Less, Ordering::Equal]),
        "greaterthan" => Some(&[Ordering::Greater]),
        "greaterthanequals" => Some(&[Ordering::Greater, Ordering::Equal]),
        _ => None,
    }
}

fn compared(name: &str, ordering: Ordering) -> Option<bool> {
    comparison(name).map(|wanted| wanted.contains(&ordering))
}

pub(super) fn truth(text: &str) -> Option<bool> {
    text.to_ascii_lowercase().parse().ok()
}

fn number(text: &str) -> Option<f64> {
    text.parse::<f64>().ok().filter(|number| number.is_finite())
}

/// A time as policies write it: ISO 8601, or seconds since 1970 (IAM reference, date condition operators).
fn moment(text: &str) -> Option<Timestamp> {
    if let Ok(seconds) = text.parse::<i64>()
        && seconds.unsigned_abs() > 9999
    {
        return Timestamp::from_second(seconds).ok();
    }
    let midnight = |date: Date| date.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp());
    text.parse::<Timestamp>()
        .ok()
        .or_else(|| if text.contains('T') { None } else { text.parse().ok().and_then(midnight) })
}

/// Compares ARNs part by part: a `*` does not reach over a colon, but in the resource (IAM reference, ARN condition
/// operators). What one with fewer parts matches is nowhere said.
fn arn_like(pattern: &str, text: &str) -> Option<bool> {
    let parts: Vec<&str> = pattern.splitn(6, ':').collect();
    let values: Vec<&str> = text.splitn(6, ':').collect();
    if parts.len() == values.len() {
        return Some(parts.iter().zip(&values).all(|(p, t)| wildcard(p, t)));
    }
    (!wildcard(pattern, text)).then_some(false)
}
