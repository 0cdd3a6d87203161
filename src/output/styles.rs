//! Styles and signs: which color a tone has, and which sign a terminal can show. Color never carries meaning alone.

use std::fmt;

use anstyle::{AnsiColor, Style};

/// What a piece of text is about; the terminal decides whether it becomes a color.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tone {
    /// As the text around it.
    #[default]
    Plain,
    /// Healthy, created.
    Good,
    /// To be looked at, changed.
    Warn,
    /// Broken, deleted.
    Bad,
    /// Secondary.
    Dim,
    /// Headings.
    Strong,
    /// Commands and hints.
    Accent,
}

impl Tone {
    fn style(self) -> Style {
        match self {
            Self::Plain => Style::new(),
            Self::Good => AnsiColor::Green.on_default(),
            Self::Warn => AnsiColor::Yellow.on_default(),
            Self::Bad => AnsiColor::Red.on_default(),
            Self::Dim => Style::new().dimmed(),
            Self::Strong => Style::new().bold(),
            Self::Accent => AnsiColor::Cyan.on_default(),
        }
    }
}

/// Paints text, or leaves it as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paint {
    /// Whether escape codes are written.
    pub color: bool,
}

impl Paint {
    /// Text in a tone.
    pub fn paint(self, tone: Tone, text: impl fmt::Display) -> String {
        if !self.color || tone == Tone::Plain {
            return text.to_string();
        }
        let style = tone.style();
        format!("{style}{text}{style:#}")
    }
}

/// A sign in front of a line. Words always stand beside it, so a terminal that cannot show it loses nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Glyph {
    /// Done.
    Done,
    /// Failed.
    Failed,
    /// Under way.
    Running,
}

impl Glyph {
    /// The sign with a space behind it; empty where it cannot be shown.
    pub fn prefix(self, unicode: bool, paint: Paint) -> String {
        if !unicode {
            return String::new();
        }
        let (sign, tone) = match self {
            Self::Done => ("✔", Tone::Good),
            Self::Failed => ("✗", Tone::Bad),
            Self::Running => ("►", Tone::Accent),
        };
        format!("{} ", paint.paint(tone, sign))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paints_only_with_color() {
        assert_eq!(Paint { color: false }.paint(Tone::Bad, "x"), "x");
        assert_eq!(Paint { color: true }.paint(Tone::Bad, "x"), "\u{1b}[31mx\u{1b}[0m");
        assert_eq!(Paint { color: true }.paint(Tone::Plain, "x"), "x");
    }

    #[test]
    fn signs_need_unicode() {
        let plain = Paint { color: false };
        assert_eq!(Glyph::Done.prefix(true, plain), "✔ ");
        assert_eq!(Glyph::Failed.prefix(false, plain), "");
    }
}
