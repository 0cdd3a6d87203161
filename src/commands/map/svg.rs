//! The map as a picture: the library places nodes and lines, a template writes them.

use std::fmt::Write as _;

use layout::{
    core::{
        base::Orientation,
        format::{ClipHandle, RenderBackend},
        geometry::Point,
        style::StyleAttr,
    },
    std_shapes::shapes::{Arrow, Element, ShapeKind},
    topo::layout::VisualGraph,
};
use minijinja::{AutoEscape, Environment, UndefinedBehavior, Value, value::Serde};
use serde::Serialize;
use serde_json::json;

use crate::{
    failure::{Failure, Result},
    model::map::Graph,
    output::block::hanging,
};

/// Colors, also for the page that holds the picture.
pub(super) const STYLE: &str = include_str!("picture.css");
const PICTURE: &str = include_str!("picture.svg");

/// The longest line within a node, in characters.
const WIDE: usize = 34;
/// Lines of notes that a node shows.
const NOTES: usize = 3;
/// Width of a character and height of a line, in pixels.
const CHARACTER: f64 = 7.4;
const LINE: f64 = 16.0;

/// A picture as a file of its own.
pub(super) fn file(graph: &Graph, cluster: &str) -> Result<String> {
    picture(graph, cluster, true)
}

/// A picture within a page that has its style.
pub(super) fn inline(graph: &Graph, cluster: &str) -> Result<String> {
    picture(graph, cluster, false)
}

/// Writes a template; every value is escaped.
pub(super) fn write(template: &'static str, values: &serde_json::Value) -> Result<String> {
    let mut templates = Environment::new();
    templates.set_auto_escape_callback(|_| AutoEscape::Html);
    templates.set_undefined_behavior(UndefinedBehavior::Strict);
    templates
        .render_str(template, Value::from(Serde(values)))
        .map_err(|error| Failure::failed("cannot write the map").because(error.to_string()))
}

#[derive(Serialize)]
struct Shown {
    kind: &'static str,
    title: String,
    x: f64,
    y: f64,
    width: f64,
    height: f64,
    middle: f64,
    lines: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    y: f64,
    class: &'static str,
    text: String,
}

#[derive(Serialize)]
struct Drawn {
    path: String,
    title: String,
    bad: bool,
}

/// What the library draws.
#[derive(Default)]
struct Canvas {
    boxes: Vec<(usize, Point, Point)>,
    lines: Vec<(usize, String)>,
    size: (f64, f64),
}

impl Canvas {
    fn holds(&mut self, point: Point) {
        self.size = (self.size.0.max(point.x), self.size.1.max(point.y));
    }
}

impl RenderBackend for Canvas {
    fn draw_rect(&mut self, xy: Point, size: Point, _: &StyleAttr, at: Option<String>, _: Option<ClipHandle>) {
        self.holds(xy.add(size));
        self.boxes.extend(at.and_then(|at| at.parse().ok()).map(|at| (at, xy, size)));
    }

    fn draw_line(&mut self, _: Point, _: Point, _: &StyleAttr, _: Option<String>) {}

    fn draw_circle(&mut self, _: Point, _: Point, _: &StyleAttr, _: Option<String>) {}

    fn draw_text(&mut self, _: Point, _: &str, _: &StyleAttr) {}

    fn draw_arrow(
        &mut self,
        path: &[(Point, Point)],
        _: bool,
        _: (bool, bool),
        _: &StyleAttr,
        at: Option<String>,
        _: &str,
    ) {
        let [(start, leaves), (enters, end), rest @ ..] = path else { return };
        let mut text = format!(
            "M{:.1} {:.1}C{:.1} {:.1} {:.1} {:.1} {:.1} {:.1}",
            start.x, start.y, leaves.x, leaves.y, enters.x, enters.y, end.x, end.y
        );
        for (control, point) in rest {
            let _ = write!(text, "S{:.1} {:.1} {:.1} {:.1}", control.x, control.y, point.x, point.y);
        }
        for (one, other) in path {
            self.holds(*one);
            self.holds(*other);
        }
        self.lines.extend(at.and_then(|at| at.parse().ok()).map(|at| (at, text)));
    }

    fn create_clip(&mut self, _: Point, _: Point, _: usize) -> ClipHandle {
        0
    }
}

/// The lines of a text, none longer than a node is wide. Names have no spaces to break at.
fn broken(text: &str) -> Vec<String> {
    let all: Vec<char> = text.chars().collect();
    all.chunks(WIDE).map(|line| line.iter().collect()).collect()
}

fn rows(graph: &Graph) -> Vec<Vec<(&'static str, String)>> {
    let rows = graph.nodes.iter().map(|node| {
        let mut rows = vec![("kind", node.kind.word().to_owned())];
        rows.extend(broken(&node.name).into_iter().map(|line| ("name", line)));
        let wrapped = |note: &String| hanging(note, 0, Some(WIDE)).lines().flat_map(broken).collect::<Vec<_>>();
        let mut notes: Vec<String> = node.notes().iter().flat_map(wrapped).collect();
        if notes.len() > NOTES {
            notes.truncate(NOTES);
            notes.push("…".to_owned());
        }
        rows.extend(notes.into_iter().map(|line| ("note", line)));
        rows
    });
    rows.collect()
}

/// Up to so many nodes, their order is chosen so that few edges cross: that takes the square of their number and more.
const ORDERED: usize = 300;

/// Nodes that a picture can show; nobody finds their way through more.
pub(super) const MOST: usize = 1000;

/// Where the library puts nodes of these rows.
#[expect(clippy::cast_precision_loss, reason = "lengths of a few lines")]
fn place(graph: &Graph, rows: &[Vec<(&'static str, String)>]) -> Canvas {
    let mut placed = VisualGraph::new(Orientation::LeftToRight);
    // It would look for cycles after each edge; this graph has none.
    placed.dag.set_validate(false);
    let handles: Vec<_> = rows
        .iter()
        .enumerate()
        .map(|(at, rows)| {
            let longest = rows.iter().map(|(_, text)| text.chars().count()).max().unwrap_or(0);
            let size = Point::new(longest as f64 * CHARACTER + 20.0, rows.len() as f64 * LINE + 14.0);
            let shape = ShapeKind::new_box("");
            let own = Element::create_with_properties(
                shape,
                StyleAttr::simple(),
                Orientation::LeftToRight,
                size,
                at.to_string(),
            );
            placed.add_node(own)
        })
        .collect();
    for (at, (from, to, _)) in graph.steps().enumerate() {
        placed.add_edge(Arrow::simple_with_properties("", at.to_string()), handles[from], handles[to]);
    }
    let mut canvas = Canvas::default();
    // There is nothing to place in an empty one.
    if !handles.is_empty() {
        let many = handles.len() > ORDERED;
        placed.do_it(false, many, false, &mut canvas);
    }
    canvas
}

#[expect(clippy::cast_precision_loss, reason = "numbers of a few lines")]
fn picture(graph: &Graph, cluster: &str, alone: bool) -> Result<String> {
    let rows = rows(graph);
    let canvas = place(graph, &rows);
    let nodes: Vec<Shown> = canvas
        .boxes
        .iter()
        .filter_map(|(at, xy, size)| {
            let (node, rows) = (graph.nodes.get(*at)?, rows.get(*at)?);
            let lines = rows.iter().enumerate().map(|(n, (class, text))| Row {
                y: xy.y + 19.0 + n as f64 * LINE,
                class,
                text: text.clone(),
            });
            let words =
                [format!("{} {}", node.kind.word(), node.name)].into_iter().chain(node.arn.clone()).chain(node.notes());
            Some(Shown {
                kind: node.kind.id(),
                title: words.collect::<Vec<_>>().join("\n"),
                x: xy.x,
                y: xy.y,
                width: size.x,
                height: size.y,
                middle: xy.x + size.x / 2.0,
                lines: lines.collect(),
            })
        })
        .collect();
    let steps: Vec<_> = graph.steps().map(|(.., edge)| edge).collect();
    let edges: Vec<Drawn> = canvas
        .lines
        .iter()
        .filter_map(|(at, path)| {
            let edge = steps.get(*at)?;
            let text = edge.text().unwrap_or_default();
            let bad = edge.label.as_ref().is_some_and(|label| label.contains("credentials"));
            Some(Drawn { path: path.clone(), bad, title: text })
        })
        .collect();
    let (width, height) = (canvas.size.0.max(200.0) + 20.0, canvas.size.1.max(40.0) + 20.0);
    let values = json!({
        "alone": alone,
        "cluster": cluster,
        "style": STYLE,
        "nodes": nodes,
        "edges": edges,
        "width": width.ceil(),
        "height": height.ceil(),
    });
    write(PICTURE, &values)
}

#[cfg(test)]
mod tests;
