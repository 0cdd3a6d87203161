//! Blocks of `Key:  value` for one thing shown in full. Prose is wrapped at a terminal; an ARN runs on unbroken.

use jiff::Timestamp;
use unicode_width::UnicodeWidthStr;

use super::{
    age::{age, rfc3339},
    fit::Hidden,
    mask::visible,
    styles::{Paint, Tone},
    table::{Table, TableView},
};

/// Spaces between the longest key and the values.
const GAP: usize = 2;
/// How far a section stands under its key.
const INDENT: usize = 2;
/// Narrower than this, wrapping makes a column of single words.
const NARROW: usize = 16;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Value {
    Lines(Vec<String>, Tone),
    Time(Timestamp),
    Section(Block),
    Table(Table),
}

/// Keys with values, lists, sections and tables.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Block(Vec<(String, Value)>);

impl Block {
    /// An empty block.
    pub fn new() -> Self {
        Self::default()
    }

    /// True without a key.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A key with a value; an empty value is shown as `none`.
    #[must_use]
    pub fn field(self, key: &str, value: impl Into<String>) -> Self {
        self.toned(key, value, Tone::Plain)
    }

    /// A key with a value in a tone.
    #[must_use]
    pub fn toned(self, key: &str, value: impl Into<String>, tone: Tone) -> Self {
        let value = value.into();
        self.push(key, Value::Lines(value.lines().map(str::to_owned).collect(), tone))
    }

    /// A key with a value, or nothing at all.
    #[must_use]
    pub fn maybe(self, key: &str, value: Option<impl Into<String>>) -> Self {
        match value {
            Some(value) => self.field(key, value),
            None => self,
        }
    }

    /// A key with a time.
    #[must_use]
    pub fn time(self, key: &str, time: Option<Timestamp>) -> Self {
        match time {
            Some(time) => self.push(key, Value::Time(time)),
            None => self,
        }
    }

    /// A key with values under each other; an empty list is shown as `none`.
    #[must_use]
    pub fn list<T: Into<String>>(self, key: &str, values: impl IntoIterator<Item = T>) -> Self {
        self.push(key, Value::Lines(values.into_iter().map(Into::into).collect(), Tone::Plain))
    }

    /// A key with a block under it; an empty block is shown as `none`.
    #[must_use]
    pub fn section(self, key: &str, block: Block) -> Self {
        if block.is_empty() { self.field(key, "") } else { self.push(key, Value::Section(block)) }
    }

    /// A key with a table under it; an empty table is shown as `none`.
    #[must_use]
    pub fn table(self, key: &str, table: Table) -> Self {
        if table.is_empty() { self.field(key, "") } else { self.push(key, Value::Table(table)) }
    }

    fn push(mut self, key: &str, value: Value) -> Self {
        self.0.push((key.to_owned(), value));
        self
    }

    /// The text, with a line end.
    pub fn render(&self, view: &TableView) -> String {
        self.render_noting(view, &mut Hidden::default())
    }

    /// The same, noting what the terminal is too narrow for.
    pub fn render_noting(&self, view: &TableView, hidden: &mut Hidden) -> String {
        let mut out = String::new();
        self.write(&mut out, 0, view, hidden);
        out
    }

    fn write(&self, out: &mut String, indent: usize, view: &TableView, hidden: &mut Hidden) {
        let inline = |value: &Value| matches!(value, Value::Lines(..) | Value::Time(_));
        let keys = self.0.iter().filter(|(_, value)| inline(value)).map(|(key, _)| key.width() + 1).max().unwrap_or(0);
        let column = indent + keys + GAP;
        for (key, value) in &self.0 {
            let label = view.paint.paint(Tone::Strong, format_args!("{key}:"));
            out.push_str(&" ".repeat(indent));
            out.push_str(&label);
            match value {
                Value::Lines(lines, tone) => {
                    out.push_str(&" ".repeat(column - indent - key.width() - 1));
                    write_lines(out, lines, *tone, column, view.width, view.paint);
                }
                Value::Time(time) => {
                    out.push_str(&" ".repeat(column - indent - key.width() - 1));
                    let full = rfc3339(*time);
                    let text = if view.relative { format!("{full} ({} ago)", age(*time, view.now)) } else { full };
                    out.push_str(&text);
                    out.push('\n');
                }
                Value::Section(block) => {
                    out.push('\n');
                    block.write(out, indent + INDENT, view, hidden);
                }
                Value::Table(table) => {
                    out.push('\n');
                    let inner = indent + INDENT;
                    let view = view.within_text();
                    let view = TableView { width: view.width.map(|w| w.saturating_sub(inner)), ..view };
                    for line in table.render_noting(&view, hidden).lines() {
                        out.push_str(&" ".repeat(inner));
                        out.push_str(line);
                        out.push('\n');
                    }
                }
            }
        }
    }
}

fn write_lines(out: &mut String, lines: &[String], tone: Tone, column: usize, width: Option<usize>, paint: Paint) {
    let room = width.map(|width| width.saturating_sub(column)).filter(|&room| room >= NARROW);
    let mut lines: Vec<String> = lines.iter().flat_map(|line| wrap(&visible(line), room)).collect();
    if lines.iter().all(String::is_empty) {
        lines = vec!["none".into()];
    }
    for (n, line) in lines.iter().enumerate() {
        if n > 0 {
            out.push_str(&" ".repeat(column));
        }
        out.push_str(&paint.paint(tone, line));
        out.push('\n');
    }
}

/// Prose behind a prefix, whose width is `indent`: at a terminal of this width it goes on below itself.
pub fn hanging(text: &str, indent: usize, width: Option<usize>) -> String {
    hanging_after(text, indent, indent, width)
}

/// The same where the text begins behind a prefix of another width, `first`.
pub fn hanging_after(text: &str, first: usize, indent: usize, width: Option<usize>) -> String {
    let room = width.map(|width| width.saturating_sub(indent)).filter(|&room| room >= NARROW);
    // A line end in a name or a message of somebody else's must not begin a line that looks like podid's.
    wrap_after(&visible(text).replace('\n', " "), first.saturating_sub(indent), room)
        .join(&format!("\n{}", " ".repeat(indent)))
}

/// Breaks at spaces only, and not within backticks: an id that is too long for the room still stands on one line, and a command can
/// be copied.
pub(super) fn wrap(line: &str, room: Option<usize>) -> Vec<String> {
    wrap_after(line, 0, room)
}

/// The same with `taken` columns of the first line taken.
fn wrap_after(line: &str, taken: usize, room: Option<usize>) -> Vec<String> {
    let Some(room) = room.filter(|&room| taken + line.width() > room) else { return vec![line.to_owned()] };
    let mut lines = vec![String::new()];
    for word in words(line) {
        let last = lines.last().map_or(0, |l| l.width()) + if lines.len() == 1 { taken } else { 0 };
        match lines.last_mut() {
            Some(current) if current.is_empty() => current.push_str(word),
            Some(current) if last + 1 + word.width() <= room => {
                current.push(' ');
                current.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// What stands between spaces outside of backticks. A backtick without its twin is a character like any other.
fn words(line: &str) -> Vec<&str> {
    let (mut words, mut begun, mut quoted) = (Vec::new(), 0, false);
    for (at, c) in line.char_indices() {
        match c {
            '`' => quoted = !quoted && line[at + 1..].contains('`'),
            ' ' if !quoted => {
                words.push(&line[begun..at]);
                begun = at + 1;
            }
            _ => {}
        }
    }
    words.push(&line[begun..]);
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::{Cell, Column};

    fn view(width: Option<usize>) -> TableView {
        TableView {
            wide: false,
            tsv: width.is_none(),
            width,
            relative: width.is_some(),
            now: "2026-11-23T12:00:00Z".parse().unwrap(),
            paint: Paint { color: false },
            unicode: true,
        }
    }

    fn block() -> Block {
        let mut pods = Table::new(&[Column::new("pod"), Column::new("injected"), Column::new("node").priority(1)]);
        pods.row([
            "carts-5d9c7b8f6-abcde".into(),
            "yes".into(),
            Cell::new("ip-10-42-117-23.us-west-2.compute.internal"),
        ]);
        Block::new()
            .field("Service account", "carts/carts")
            .field("Role", "arn:aws:iam::111122223333:role/podid/eks-workshop-carts-carts-1a2b3c4d-with-a-long-name")
            .maybe("Target role", None::<String>)
            .time("Created", Some("2026-11-20T12:00:00Z".parse().unwrap()))
            .list("Policies", ["eks-workshop-carts", "arn:aws:iam::aws:policy/AmazonDynamoDBReadOnlyAccess"])
            .list("Tags", Vec::<String>::new())
            .field(
                "Note",
                "one of the pods started before the association changed and still has the credentials of the node",
            )
            .section("Trust", Block::new().field("Sid", "Podid1a2b").field("Scope", "service-account"))
            .table("Pods", pods)
    }

    #[test]
    fn at_80_columns() {
        insta::assert_snapshot!(block().render(&view(Some(80))), @r"
        Service account:  carts/carts
        Role:             arn:aws:iam::111122223333:role/podid/eks-workshop-carts-carts-1a2b3c4d-with-a-long-name
        Created:          2026-11-20T12:00:00Z (3d ago)
        Policies:         eks-workshop-carts
                          arn:aws:iam::aws:policy/AmazonDynamoDBReadOnlyAccess
        Tags:             none
        Note:             one of the pods started before the association changed and
                          still has the credentials of the node
        Trust:
          Sid:    Podid1a2b
          Scope:  service-account
        Pods:
          POD                    INJECTED  NODE
          carts-5d9c7b8f6-abcde  yes       ip-10-42-117-23.us-west-2.compute.internal
        ");
    }

    #[test]
    fn at_200_columns_and_in_a_pipe() {
        for width in [Some(200), None] {
            let text = block().render(&view(width));
            assert!(text.contains("credentials of the node\n") && text.contains("compute.internal\n"), "{text}");
            assert_eq!(text.contains("(3d ago)"), width.is_some(), "{text}");
        }
    }

    #[test]
    fn commands_are_never_broken() {
        let text = "run `podid associate carts/carts --role eks-workshop-carts` and wait; a ` alone breaks nothing";
        assert_eq!(
            wrap(text, Some(30)),
            ["run", "`podid associate carts/carts --role eks-workshop-carts`", "and wait; a ` alone breaks", "nothing",]
        );
    }

    #[test]
    fn ids_are_never_broken() {
        for width in 1..120 {
            let text = block().render(&view(Some(width)));
            assert!(
                text.contains(
                    "arn:aws:iam::111122223333:role/podid/eks-workshop-carts-carts-1a2b3c4d-with-a-long-name\n"
                )
            );
            assert!(width < 60 || text.contains("carts-5d9c7b8f6-abcde"), "{text}");
        }
    }
}
