//! Times as people and machines read them: `3m` at a terminal, RFC 3339 elsewhere.

use jiff::{SignedDuration, Timestamp, Unit};

/// How long ago, in its largest unit: `42s`, `3m`, `2h`, `5d`, `2y`. A clock that runs behind gives `0s`.
pub fn age(then: Timestamp, now: Timestamp) -> String {
    duration(now.duration_since(then))
}

/// A duration in its largest unit, cut rather than rounded: an age is never shown higher than it is.
pub fn duration(length: SignedDuration) -> String {
    const MINUTE: i64 = 60;
    const HOUR: i64 = 60 * MINUTE;
    const DAY: i64 = 24 * HOUR;
    const YEAR: i64 = 365 * DAY;
    let seconds = length.as_secs().max(0);
    match seconds {
        s if s < MINUTE => format!("{s}s"),
        s if s < HOUR => format!("{}m", s / MINUTE),
        s if s < 2 * DAY => format!("{}h", s / HOUR),
        s if s < 2 * YEAR => format!("{}d", s / DAY),
        s => format!("{}y", s / YEAR),
    }
}

/// RFC 3339 in UTC, to the second.
pub fn rfc3339(time: Timestamp) -> String {
    // Rounding can only fail at the end of time; the unrounded text is right there too.
    time.round(jiff::TimestampRound::new().smallest(Unit::Second).mode(jiff::RoundMode::Trunc))
        .unwrap_or(time)
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages() {
        let now: Timestamp = "2026-11-23T12:00:00Z".parse().unwrap();
        for (seconds, text) in [
            (-5, "0s"),
            (0, "0s"),
            (59, "59s"),
            (60, "1m"),
            (3_599, "59m"),
            (3_600, "1h"),
            (47 * 3_600, "47h"),
            (48 * 3_600, "2d"),
            (729 * 86_400, "729d"),
            (730 * 86_400, "2y"),
        ] {
            assert_eq!(age(now - SignedDuration::from_secs(seconds), now), text, "{seconds}");
        }
    }

    #[test]
    fn whole_seconds() {
        let time: Timestamp = "2026-11-23T12:00:00.987654Z".parse().unwrap();
        assert_eq!(rfc3339(time), "2026-11-23T12:00:00Z");
    }
}
