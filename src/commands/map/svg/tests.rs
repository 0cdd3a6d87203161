//! The picture: every graph can be placed, and names are text.

use proptest::prelude::*;

use super::*;
use crate::model::map::{Edge, Kind, Node};

fn node(at: usize, name: &str) -> Node {
    Node {
        id: at.to_string(),
        kind: Kind::Resource,
        name: name.to_owned(),
        namespace: None,
        service: None,
        arn: None,
        level: None,
        details: vec![name.to_owned()],
    }
}

fn graph(names: &[String], edges: &[(usize, usize)]) -> Graph {
    let edge = |(from, to): &(usize, usize)| Edge {
        from: (from % names.len().max(1)).to_string(),
        to: (to % names.len().max(1)).to_string(),
        label: Some("read".to_owned()),
        only: Vec::new(),
    };
    let nodes = names.iter().enumerate().map(|(at, name)| node(at, name)).collect();
    Graph { nodes, edges: edges.iter().map(edge).filter(|edge| edge.from < edge.to).collect() }
}

#[test]
fn an_empty_map_is_a_picture_too() {
    assert!(file(&Graph::default(), "x").unwrap().contains("nothing to show"));
}

#[test]
fn names_are_text() {
    let name = "</title><script>alert(1)</script>\"onload='x'&amp;";
    let svg = file(&graph(&[name.to_owned(), "b".to_owned()], &[(0, 1)]), name).unwrap();
    assert!(!svg.contains("<script") && !svg.contains("\"onload"), "{svg}");
    assert!(svg.contains("&amp;amp;"), "{svg}");
}

proptest! {
    #[test]
    fn every_graph_can_be_placed(names in proptest::collection::vec("\\PC{0,80}", 0..9), edges in proptest::collection::vec((0..9_usize, 0..9_usize), 0..20)) {
        let graph = graph(&names, &edges);
        let svg = file(&graph, "x").unwrap();
        prop_assert_eq!(svg.matches("class=\"node").count(), names.len());
    }
}
