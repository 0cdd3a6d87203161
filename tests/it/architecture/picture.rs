//! docs/architecture.md: the rooms, what each is for and which others it uses, as the source tree says.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
};

use super::{
    code_of_podid,
    source::{Source, root},
};
use crate::generated::holds;

const BEGIN: &str = "<!-- made from the source tree: begin -->\n";
const END: &str = "<!-- made from the source tree: end -->";

type Rooms = BTreeMap<String, BTreeSet<String>>;

/// Each room with those that it uses itself.
fn rooms(sources: &[Source]) -> Rooms {
    let mut rooms = Rooms::new();
    for source in sources {
        let used = rooms.entry(source.room().to_owned()).or_default();
        used.extend(source.uses().iter().map(|used| used.split("::").next().unwrap().to_owned()));
    }
    let all: BTreeSet<String> = rooms.keys().cloned().collect();
    for (room, used) in &mut rooms {
        used.retain(|other| other != room && all.contains(other));
    }
    rooms
}

/// The arrows that say something: none to a room that is reached by way of another one anyway. Rooms that use each other keep all.
fn arrows(rooms: &Rooms) -> Vec<(&str, &str)> {
    fn reaches<'a>(rooms: &'a Rooms, from: &'a str, to: &str, seen: &mut BTreeSet<&'a str>) -> bool {
        rooms[from].iter().any(|next| next == to || seen.insert(next) && reaches(rooms, next, to, seen))
    }
    let mut found = Vec::new();
    for (room, used) in rooms {
        for other in used {
            let by_another =
                used.iter().filter(|way| *way != other && !reaches(rooms, way, room, &mut BTreeSet::new()));
            if !by_another.into_iter().any(|way| reaches(rooms, way, other, &mut BTreeSet::new())) {
                found.push((room.as_str(), other.as_str()));
            }
        }
    }
    found
}

/// The first sentence of a room's own comment.
fn purpose(sources: &[Source], room: &str) -> String {
    let own = [format!("src/{room}.rs"), format!("src/{room}/mod.rs")];
    let source =
        sources.iter().find(|source| own.contains(&source.path)).unwrap_or_else(|| panic!("{room} has no root"));
    let lines = source.text.lines().map_while(|line| line.strip_prefix("//!")).map(str::trim);
    let text = lines.take_while(|line| !line.is_empty()).collect::<Vec<_>>().join(" ");
    let sentence = text.split_once(". ").map_or(text.as_str(), |(first, _)| first);
    sentence.trim_end_matches('.').replace("](crate::ports::Cluster)", "").replace(['[', ']'], "").replace('|', "\\|")
}

#[test]
fn the_picture_is_current() {
    let sources = code_of_podid();
    let rooms = rooms(&sources);
    let mut made = String::from("```mermaid\nflowchart TD\n");
    for (room, other) in arrows(&rooms) {
        let _ = writeln!(made, "    {room} --> {other}");
    }
    made.push_str("```\n\n| part | what it is |\n|---|---|\n");
    for room in rooms.keys() {
        let _ = writeln!(made, "| `{room}` | {} |", purpose(&sources, room));
    }
    let path = root().join("docs/architecture.md");
    let held = fs::read_to_string(&path).unwrap();
    let (before, rest) = held.split_once(BEGIN).expect("docs/architecture.md has no place for the picture");
    let (_, after) = rest.split_once(END).expect("docs/architecture.md has no end of the picture");
    holds(&path, &format!("{before}{BEGIN}{made}{END}{after}"));
}
