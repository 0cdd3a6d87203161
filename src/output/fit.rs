//! How the columns of a table share a terminal's width: long values are shortened a little, then columns are hidden, then values are
//! shortened to what still tells them apart.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::model::text::count;

/// A value that is shortened to this is still known by who has seen it before.
const KNOWN: usize = 24;

/// A value is never shorter: two ends of it and what stands for the middle.
const LEAST: usize = 12;

/// What a column would like to have.
#[derive(Debug, Clone, Copy)]
pub(super) struct Want {
    /// Columns of the screen for its longest value.
    pub(super) natural: usize,
    /// Those for its header.
    pub(super) header: usize,
    /// `u8::MAX` is never hidden; the lowest is hidden first, of equals the one further right.
    pub(super) priority: u8,
    /// Numbers and times are never shortened.
    pub(super) rigid: bool,
}

impl Want {
    fn at(self, cap: usize) -> usize {
        if self.rigid { self.natural } else { self.natural.min(cap.max(self.header)) }
    }
}

/// The width of each column; `None` where it is hidden. What is left may be too wide still: then nothing more can be done.
pub(super) fn fit(wants: &[Want], gap: usize, width: usize) -> Vec<Option<usize>> {
    let mut shown: Vec<usize> = (0..wants.len()).collect();
    let total = |shown: &[usize], cap: usize| {
        shown.iter().map(|&i| wants[i].at(cap)).sum::<usize>() + gap * shown.len().saturating_sub(1)
    };
    while total(&shown, KNOWN) > width {
        let lowest = shown
            .iter()
            .enumerate()
            .filter(|&(_, &i)| wants[i].priority < u8::MAX)
            .min_by_key(|&(at, &i)| (wants[i].priority, std::cmp::Reverse(at)));
        match lowest {
            Some((at, _)) => shown.remove(at),
            None => break,
        };
    }
    let most = wants.iter().map(|want| want.natural).max().unwrap_or(0);
    let cap = (LEAST..=most).rev().find(|&cap| total(&shown, cap) <= width).unwrap_or(LEAST);
    (0..wants.len()).map(|i| shown.contains(&i).then(|| wants[i].at(cap))).collect()
}

/// The text in so many columns of the screen, its middle left out: names tell apart at both ends.
pub(super) fn shorten(text: &str, room: usize, unicode: bool) -> String {
    let mark = if unicode { "…" } else { ".." };
    if text.width() <= room {
        return text.to_owned();
    }
    let left = room.saturating_sub(mark.width());
    let end = taken(text.chars().rev(), left / 2);
    let start = taken(text.chars(), left - end.width());
    format!("{start}{mark}{}", end.chars().rev().collect::<String>())
}

/// As many characters as fit.
fn taken(chars: impl Iterator<Item = char>, mut room: usize) -> String {
    chars
        .take_while(|c| {
            let width = c.width().unwrap_or(0);
            let fits = width <= room;
            room = room.saturating_sub(width);
            fits
        })
        .collect()
}

/// What a terminal was too narrow for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Hidden {
    /// Headers of columns that are not shown.
    pub columns: Vec<&'static str>,
    /// Some value is not shown whole.
    pub shortened: bool,
}

impl Hidden {
    /// What to tell the user; `None` when nothing is hidden.
    pub fn note(&self) -> Option<String> {
        let n = self.columns.len();
        let are = if n == 1 { "is" } else { "are" };
        let columns = (n > 0).then(|| format!("{} {are} hidden ({})", count(n, "column"), self.columns.join(", ")));
        match (columns, self.shortened) {
            (None, false) => None,
            (None, true) => Some("long values are shortened; `-o wide` shows them in full".to_owned()),
            (Some(columns), false) => Some(format!("{columns}; `-o wide` shows all")),
            (Some(columns), true) => {
                Some(format!("{columns} and long values are shortened; `-o wide` shows everything"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn want(natural: usize, priority: u8) -> Want {
        Want { natural, header: 4, priority, rigid: false }
    }

    #[test]
    fn the_longest_give_way_first() {
        let wants = [want(10, u8::MAX), want(64, u8::MAX), want(30, 2), want(5, 1)];
        assert_eq!(fit(&wants, 2, 200), [Some(10), Some(64), Some(30), Some(5)]);
        assert_eq!(fit(&wants, 2, 90), [Some(10), Some(39), Some(30), Some(5)]);
        // The least important go before a value becomes unknown, and their place is used.
        assert_eq!(fit(&wants, 2, 60), [Some(10), Some(48), None, None]);
        assert_eq!(fit(&wants, 2, 20), [Some(10), Some(12), None, None]);
    }

    #[test]
    fn numbers_are_whole() {
        let wants = [want(40, u8::MAX), Want { rigid: true, ..want(20, u8::MAX) }];
        assert_eq!(fit(&wants, 2, 40), [Some(18), Some(20)]);
    }

    #[test]
    fn both_ends_stay() {
        assert_eq!(shorten("eks-workshop-carts-carts-1a2b3c4d", 15, true), "eks-wor…a2b3c4d");
        assert_eq!(shorten("eks-workshop-carts-carts-1a2b3c4d", 15, false), "eks-wor..2b3c4d");
        assert_eq!(shorten("short", 15, true), "short");
        assert_eq!(shorten("日本語日本語", 8, true), "日本…語");
    }

    #[test]
    fn what_is_hidden_is_told() {
        let note = |columns: &[&'static str], shortened| Hidden { columns: columns.to_vec(), shortened }.note();
        assert_eq!(note(&[], false), None);
        assert_eq!(note(&["AGE"], false).as_deref(), Some("1 column is hidden (AGE); `-o wide` shows all"));
        assert_eq!(
            note(&["OWNER", "AGE"], true).as_deref(),
            Some("2 columns are hidden (OWNER, AGE) and long values are shortened; `-o wide` shows everything")
        );
    }
}
