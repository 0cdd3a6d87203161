//! On which line of a JSON text each of its values is.

use std::collections::BTreeMap;

use super::below;

/// The lines of a text's values, by their JSON pointers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lines(BTreeMap<String, usize>);

impl Lines {
    /// Of a text that is JSON; of any other, those before the first mistake.
    pub fn of(text: &str) -> Self {
        let mut reader = Reader { text, at: 0, line: 1, lines: BTreeMap::new() };
        let _whole = reader.value("");
        Self(reader.lines)
    }

    /// The line of a value, from 1; of a key's value, that of the key. Where it is not in the text itself, that of what holds it.
    pub fn at(&self, pointer: &str) -> usize {
        let mut pointer = pointer;
        loop {
            if let Some(line) = self.0.get(pointer) {
                return *line;
            }
            match pointer.rsplit_once('/') {
                Some((above, _)) => pointer = above,
                None => return 1,
            }
        }
    }
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
    line: usize,
    lines: BTreeMap<String, usize>,
}

impl Reader<'_> {
    /// The next byte after white space.
    fn peek(&mut self) -> Option<u8> {
        loop {
            match *self.text.as_bytes().get(self.at)? {
                b'\n' => self.line += 1,
                b' ' | b'\t' | b'\r' => {}
                byte => return Some(byte),
            }
            self.at += 1;
        }
    }

    /// Goes past this byte, if it is the next one.
    fn skip(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    fn value(&mut self, pointer: &str) -> Option<()> {
        let first = self.peek()?;
        self.lines.entry(pointer.to_owned()).or_insert(self.line);
        match first {
            b'{' => self.items(b'}', |reader, _| {
                reader.peek()?;
                let (line, key) = (reader.line, reader.string()?);
                let pointer = below(pointer, &[&key]);
                reader.lines.insert(pointer.clone(), line);
                reader.skip(b':')?;
                reader.value(&pointer)
            }),
            b'[' => self.items(b']', |reader, index| reader.value(&below(pointer, &[&index.to_string()]))),
            b'"' => self.string().map(|_| ()),
            _ => {
                let rest = &self.text[self.at..];
                self.at += rest.find([',', ']', '}', '\n', ' ', '\t', '\r']).unwrap_or(rest.len());
                Some(())
            }
        }
    }

    /// Each of a list or an object, up to its end.
    fn items(&mut self, end: u8, mut item: impl FnMut(&mut Self, usize) -> Option<()>) -> Option<()> {
        self.at += 1;
        if self.skip(end).is_some() {
            return Some(());
        }
        let mut index = 0;
        loop {
            item(self, index)?;
            index += 1;
            if self.skip(b',').is_none() {
                return self.skip(end);
            }
        }
    }

    fn string(&mut self) -> Option<String> {
        let start = self.at;
        self.skip(b'"')?;
        loop {
            match *self.text.as_bytes().get(self.at)? {
                b'\\' => self.at += 2,
                b'"' => break,
                _ => self.at += 1,
            }
        }
        self.at += 1;
        serde_json::from_str(self.text.get(start..self.at)?).ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    #[test]
    fn of_keys_and_items() {
        let lines = Lines::of(
            "\n{ \"a\": [1,\n  true, {\n \"b/c\": \"x \\\" , { \\\\\"}],\n \"d\":\n 2, \"\\u0065\":\r\n{}, \"f\": [ ]\n, \"g\": 0\n}",
        );
        for (pointer, line) in [
            ("", 2),
            ("/a", 2),
            ("/a/0", 2),
            ("/a/1", 3),
            ("/a/2", 3),
            ("/a/2/b~1c", 4),
            ("/d", 5),
            ("/e", 6),
            ("/f", 7),
            ("/g", 8),
            // What is not there is where it would be.
            ("/a/9/x", 2),
            ("/z", 2),
        ] {
            assert_eq!(lines.at(pointer), line, "{pointer}");
        }
    }

    /// Every value's pointer, as serde reads the text.
    fn pointers(value: &Value, pointer: &str, found: &mut Vec<String>) {
        found.push(pointer.to_owned());
        match value {
            Value::Array(list) => {
                for (index, one) in list.iter().enumerate() {
                    pointers(one, &below(pointer, &[&index.to_string()]), found);
                }
            }
            Value::Object(fields) => {
                for (key, one) in fields {
                    pointers(one, &below(pointer, &[key]), found);
                }
            }
            _ => {}
        }
    }

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            "[a-z\"\\\\/~{}\\[\\],:\\n é]{0,6}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec(("[a-c\"\\\\/~]{0,3}", inner), 0..4)
                    .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn every_value_has_its_line(value in json(), pretty in any::<bool>()) {
            let text = if pretty { serde_json::to_string_pretty(&value).unwrap() } else { value.to_string() };
            let mut all = Vec::new();
            pointers(&value, "", &mut all);
            all.sort();
            let found = Lines::of(&text).0;
            prop_assert_eq!(found.keys().cloned().collect::<Vec<_>>(), all);
            prop_assert!(found.values().all(|line| (1..=text.lines().count().max(1)).contains(line)));
        }

        #[test]
        fn no_text_is_too_odd(text in r#"[\[\]{}":,0-9a-c\\ .e\n-]{0,24}"#) {
            let _ = Lines::of(&text);
        }
    }
}
