//! A file of exceptions: `exceptions:` with a list of `{id, subject, reason, expires}`.

use std::{collections::BTreeMap, path::Path};

use jiff::civil::Date;

use super::{Decoder, Node};
use crate::model::{
    exception::Exception,
    manifest::{Place, Problem},
};

/// Decodes a document of exceptions to checks that `known` knows.
pub(in crate::manifest) fn exceptions(
    node: &Node,
    source: &str,
    known: &dyn Fn(&str) -> Result<(), String>,
) -> (Vec<Exception>, Vec<Problem>) {
    let mut decoder = Decoder { source, folder: Path::new("."), places: BTreeMap::new(), problems: Vec::new() };
    let fields = decoder.fields(node, "", &["exceptions"]);
    let list = fields.as_ref().and_then(|fields| fields.get("exceptions"));
    if fields.is_some() && list.is_none() {
        decoder.say(node.at, "", "key `exceptions` is missing");
    }
    let found = list.map(|list| decoder.list(list, "exceptions", |this, node, path| this.exception(node, path, known)));
    (found.unwrap_or_default(), decoder.problems)
}

impl Decoder<'_> {
    fn exception(&mut self, node: &Node, path: &str, known: &dyn Fn(&str) -> Result<(), String>) -> Option<Exception> {
        let fields = self.fields(node, path, &["id", "subject", "reason", "expires"])?;
        let filled = |text: &str| if text.trim().is_empty() { Err("this is empty".to_owned()) } else { Ok(()) };
        let id = self.required(&fields, node, "id", known);
        let subject = self.required(&fields, node, "subject", filled);
        let reason = self.required(&fields, node, "reason", filled);
        let day = |text: &str| text.parse::<Date>();
        let rule = |text: &str| day(text).map(|_| ()).map_err(|_| "this is not a day (YYYY-MM-DD)".to_owned());
        let expires = self.checked(&fields, "expires", rule).and_then(|text| day(&text).ok());
        let at = Place { source: self.source.to_owned(), line: node.at.line, column: node.at.column };
        Some(Exception { id: id?, subject: subject?, reason: reason?, expires, at })
    }
}
