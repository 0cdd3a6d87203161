//! Tables: fitted to a terminal by shortening long values and then hiding columns; TSV with full values in a pipe.

use comfy_table::{CellAlignment, ContentArrangement, TableStyle};
use jiff::Timestamp;
use unicode_width::UnicodeWidthStr;

use super::{
    age::{age, rfc3339},
    block::wrap,
    fit::{self, Hidden, Want},
    mask::visible,
    styles::{Paint, Tone},
};

/// Spaces between two columns.
const GAP: usize = 2;

/// A column of a [`Table`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    header: &'static str,
    priority: u8,
    wide_only: bool,
    right: bool,
    prose: bool,
}

impl Column {
    /// An essential column: never hidden.
    pub const fn new(header: &'static str) -> Self {
        Self { header, priority: u8::MAX, wide_only: false, right: false, prose: false }
    }

    /// May be hidden at a narrow terminal; the lowest priority goes first, of equals the one further right.
    #[must_use]
    pub const fn priority(mut self, priority: u8) -> Self {
        self.priority = priority;
        self
    }

    /// Shown by `-o wide` only.
    #[must_use]
    pub const fn wide(mut self) -> Self {
        self.wide_only = true;
        self
    }

    /// Sentences: wrapped in their column rather than shortened.
    #[must_use]
    pub const fn prose(mut self) -> Self {
        self.prose = true;
        self
    }

    /// Aligned to the right: numbers.
    #[must_use]
    pub const fn right(mut self) -> Self {
        self.right = true;
        self
    }
}

/// A cell of a [`Table`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cell {
    text: String,
    time: Option<Timestamp>,
    tone: Tone,
}

impl Cell {
    /// Text, whole in a pipe and with `-o wide`; at a narrow terminal its middle may be left out.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }

    /// A time: an age in a table at a terminal, RFC 3339 elsewhere.
    pub fn time(time: Timestamp) -> Self {
        Self { time: Some(time), ..Self::default() }
    }

    /// A time that may be unknown.
    pub fn maybe_time(time: Option<Timestamp>) -> Self {
        Self { time, ..Self::default() }
    }

    /// Gives the text a tone.
    #[must_use]
    pub fn tone(mut self, tone: Tone) -> Self {
        self.tone = tone;
        self
    }

    fn show(&self, style: &TableView) -> String {
        let text = match self.time {
            Some(time) if style.relative => age(time, style.now),
            Some(time) => rfc3339(time),
            None => one_line(&self.text),
        };
        if text.is_empty() && !style.tsv { "-".into() } else { text }
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl From<Option<String>> for Cell {
    fn from(text: Option<String>) -> Self {
        Self::new(text.unwrap_or_default())
    }
}

impl From<usize> for Cell {
    fn from(number: usize) -> Self {
        Self::new(number.to_string())
    }
}

impl From<u64> for Cell {
    fn from(number: u64) -> Self {
        Self::new(number.to_string())
    }
}

impl From<Timestamp> for Cell {
    fn from(time: Timestamp) -> Self {
        Self::time(time)
    }
}

/// A cell is one line, and a tab would be another cell.
pub(super) fn one_line(text: &str) -> String {
    visible(text).replace('\n', "\\n").replace('\t', "\\t")
}

/// How a table is to look; made by [`Term`](super::Term).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own about the screen")]
pub struct TableView {
    /// Every column, wide ones too.
    pub wide: bool,
    /// Tab-separated, without header.
    pub tsv: bool,
    /// Columns to fit into; `None` is unlimited.
    pub width: Option<usize>,
    /// Ages rather than times.
    pub relative: bool,
    /// Now, for ages.
    pub now: Timestamp,
    /// Colors.
    pub paint: Paint,
    /// The terminal shows `…`.
    pub unicode: bool,
}

impl TableView {
    /// The same for a table between lines of text: it has a header in a pipe too, and all its values.
    #[must_use]
    pub fn within_text(self) -> Self {
        Self { tsv: false, width: self.width.filter(|_| !self.tsv), ..self }
    }
}

/// Rows under columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    /// A table without rows.
    pub fn new(columns: &[Column]) -> Self {
        Self { columns: columns.to_vec(), rows: Vec::new() }
    }

    /// Adds a row; cells that are missing are empty, cells without a column are dropped.
    pub fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        let mut cells: Vec<Cell> = cells.into_iter().collect();
        debug_assert_eq!(cells.len(), self.columns.len(), "a row has as many cells as there are columns");
        cells.resize(self.columns.len(), Cell::default());
        self.rows.push(cells);
    }

    /// True without rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The text, with a line end; empty without rows: a header over nothing is noise.
    pub fn render(&self, view: &TableView) -> String {
        self.render_noting(view, &mut Hidden::default())
    }

    /// The same, noting what the terminal is too narrow for.
    pub fn render_noting(&self, view: &TableView, hidden: &mut Hidden) -> String {
        if self.rows.is_empty() {
            return String::new();
        }
        let mut shown: Vec<usize> =
            (0..self.columns.len()).filter(|&i| view.wide || !self.columns[i].wide_only).collect();
        let mut texts: Vec<Vec<String>> =
            self.rows.iter().map(|row| row.iter().map(|cell| cell.show(view)).collect()).collect();
        if view.tsv {
            return texts.iter().fold(String::new(), |mut out, row| {
                let line: Vec<&str> = shown.iter().map(|&i| row[i].as_str()).collect();
                out.push_str(&line.join("\t"));
                out.push('\n');
                out
            });
        }
        if !view.wide {
            // A column in which no row has anything says nothing on a screen.
            shown.retain(|&i| {
                let column = &self.columns[i];
                column.priority == u8::MAX && !column.prose
                    || self.rows.iter().any(|row| !row[i].text.is_empty() || row[i].time.is_some())
            });
        }
        if let Some(width) = view.width
            && !view.wide
        {
            self.fit(&mut shown, &mut texts, width, view.unicode, hidden);
        }
        self.draw(&shown, &texts, view.paint)
    }

    /// Shortens values and hides columns until the rest fits, as far as that is possible.
    fn fit(&self, shown: &mut Vec<usize>, texts: &mut [Vec<String>], width: usize, unicode: bool, hidden: &mut Hidden) {
        let wants = shown.iter().map(|&i| {
            let column = &self.columns[i];
            let header = column.header.width();
            Want {
                natural: texts.iter().map(|row| row[i].width()).max().unwrap_or(0).max(header),
                header,
                priority: column.priority,
                rigid: column.right || self.rows.iter().any(|row| row[i].time.is_some()),
            }
        });
        let widths = fit::fit(&wants.collect::<Vec<_>>(), GAP, width);
        for (&i, room) in shown.iter().zip(&widths) {
            let Some(room) = *room else {
                hidden.columns.push(self.columns[i].header);
                continue;
            };
            for text in texts.iter_mut().map(|row| &mut row[i]).filter(|text| text.width() > room) {
                if self.columns[i].prose {
                    *text = wrap(text, Some(room)).join("\n");
                } else {
                    *text = fit::shorten(text, room, unicode);
                    hidden.shortened = true;
                }
            }
        }
        let mut widths = widths.iter();
        shown.retain(|_| widths.next().is_some_and(Option::is_some));
    }

    fn draw(&self, shown: &[usize], texts: &[Vec<String>], paint: Paint) -> String {
        let mut table = comfy_table::Table::new();
        table.load_style(TableStyle::new()).set_content_arrangement(ContentArrangement::Disabled).force_no_tty();
        table.set_header(
            shown
                .iter()
                .map(|&i| comfy_table::Cell::new(paint.paint(Tone::Strong, self.columns[i].header.to_uppercase()))),
        );
        for (row, texts) in self.rows.iter().zip(texts) {
            table.add_row(shown.iter().map(|&i| comfy_table::Cell::new(paint.paint(row[i].tone, &texts[i]))));
        }
        for (column, &i) in table.column_iter_mut().zip(shown) {
            column.set_padding((0, u16::try_from(GAP).unwrap_or(0)));
            if self.columns[i].right {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        table.lines().fold(String::new(), |mut out, line| {
            out.push_str(line.trim_end());
            out.push('\n');
            out
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARN: &str = "arn:aws:iam::111122223333:role/podid/eks-workshop-carts-carts-1a2b3c4d";

    fn table() -> Table {
        let mut table = Table::new(&[
            Column::new("service account"),
            Column::new("role"),
            Column::new("pods").priority(20).right(),
            Column::new("age").priority(10),
            Column::new("arn").wide(),
        ]);
        let made: Timestamp = "2026-11-23T11:57:00Z".parse().unwrap();
        table.row([
            "carts/carts".into(),
            "eks-workshop-carts-carts-1a2b3c4d".into(),
            12_usize.into(),
            Cell::time(made),
            ARN.into(),
        ]);
        table.row(["orders/orders".into(), "".into(), 3_usize.into(), Cell::maybe_time(None), ARN.into()]);
        table
    }

    fn view(width: usize) -> TableView {
        TableView {
            wide: false,
            tsv: false,
            width: Some(width),
            relative: true,
            now: "2026-11-23T12:00:00Z".parse().unwrap(),
            paint: Paint { color: false },
            unicode: true,
        }
    }

    #[test]
    fn terminal() {
        insta::assert_snapshot!(table().render(&view(80)), @r"
        SERVICE ACCOUNT  ROLE                               PODS  AGE
        carts/carts      eks-workshop-carts-carts-1a2b3c4d    12  3m
        orders/orders    -                                     3  -
        ");
    }

    #[test]
    fn long_values_are_shortened_before_columns_are_hidden() {
        let mut hidden = Hidden::default();
        insta::assert_snapshot!(table().render_noting(&view(55), &mut hidden), @"
        SERVICE ACCOUNT  ROLE                         PODS  AGE
        carts/carts      eks-workshop-…arts-1a2b3c4d    12  3m
        orders/orders    -                               3  -
        ");
        assert_eq!(hidden, Hidden { columns: vec![], shortened: true });
        let mut hidden = Hidden::default();
        insta::assert_snapshot!(table().render_noting(&view(40), &mut hidden), @"
        SERVICE ACCOUNT  ROLE
        carts/carts      eks-worksho…ts-1a2b3c4d
        orders/orders    -
        ");
        assert_eq!(hidden, Hidden { columns: vec!["pods", "age"], shortened: true });
        let mut hidden = Hidden::default();
        insta::assert_snapshot!(table().render_noting(&TableView { unicode: false, ..view(5) }, &mut hidden), @"
        SERVICE ACCOUNT  ROLE
        carts/carts      eks-w..b3c4d
        orders/orders    -
        ");
        assert_eq!(hidden, Hidden { columns: vec!["pods", "age"], shortened: true });
    }

    #[test]
    fn prose_is_wrapped_in_its_column() {
        let mut table = Table::new(&[Column::new("node"), Column::new("reason").priority(1).prose()]);
        table.row(["ip-10-42-1-7".into(), "the agent's pod restarts all the time: its port is in use".into()]);
        table.row(["ip-10-42-1-8".into(), "".into()]);
        let mut hidden = Hidden::default();
        insta::assert_snapshot!(table.render_noting(&view(50), &mut hidden), @"
        NODE          REASON
        ip-10-42-1-7  the agent's pod restarts all the
                      time: its port is in use
        ip-10-42-1-8  -
        ");
        assert_eq!(hidden, Hidden::default());
    }

    #[test]
    fn wide_is_not_fitted() {
        let text = table().render(&TableView { wide: true, relative: false, ..view(20) });
        assert!(text.contains(ARN) && text.contains("2026-11-23T11:57:00Z"), "{text}");
    }

    #[test]
    fn pipe() {
        let tsv = TableView { tsv: true, relative: false, width: None, ..view(1) };
        assert_eq!(
            table().render(&tsv),
            "carts/carts\teks-workshop-carts-carts-1a2b3c4d\t12\t2026-11-23T11:57:00Z\norders/orders\t\t3\t\n"
        );
    }

    #[test]
    fn nothing_without_rows() {
        assert_eq!(Table::new(&[Column::new("a")]).render(&view(80)), "");
    }

    #[test]
    fn cells_stay_on_their_line() {
        let mut table = Table::new(&[Column::new("a"), Column::new("b")]);
        table.row(["x\ty\nz".into(), "\u{1b}[31mred".into()]);
        insta::assert_snapshot!(table.render(&view(80)), @r"
        A        B
        x\ty\nz  \u{1b}[31mred
        ");
    }

    #[test]
    fn colors_and_wide_characters_align() {
        let mut table = Table::new(&[Column::new("a"), Column::new("b")]);
        table.row([Cell::new("日本").tone(Tone::Good), "1".into()]);
        table.row(["abcde".into(), "2".into()]);
        let text = table.render(&TableView { paint: Paint { color: true }, ..view(80) });
        let plain = anstream::adapter::strip_str(&text).to_string();
        insta::assert_snapshot!(plain, @r"
        A      B
        日本   1
        abcde  2
        ");
        assert!(text.contains("\u{1b}[32m日本\u{1b}[0m"), "{text:?}");
    }
}
