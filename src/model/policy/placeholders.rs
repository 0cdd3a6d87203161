//! Texts that look like placeholders nobody replaced: `${NAME}` (a policy variable has a colon), `<NAME>`, `{{NAME}}`, `YOUR-NAME`.

use serde_json::Value;

use crate::model::{document::Document, json};

/// Placeholders in a document, in one warning; `name` is the document's.
pub fn placeholders(name: &str, document: &Document) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for (_, text) in all(&document.0) {
        if !found.contains(&text) {
            found.push(text);
        }
    }
    if found.is_empty() { Vec::new() } else { vec![format!("{name}: {}", in_words(&found))] }
}

/// What is wrong with them.
pub(super) fn in_words(found: &[String]) -> String {
    let list = match found {
        [one] => format!("`{one}` looks like a placeholder that was not replaced"),
        several => format!("`{}` look like placeholders that were not replaced", several.join("`, `")),
    };
    let variable = found.iter().any(|one| one.starts_with("${"));
    let remark = if variable { " (a policy variable has a colon, such as `${aws:username}`)" } else { "" };
    format!("{list}{remark}")
}

/// Each one in the texts of a document, with the JSON pointer of the text.
pub(super) fn all(value: &Value) -> Vec<(String, String)> {
    let mut found = Vec::new();
    collect(value, "", &mut found);
    found
}

fn collect(value: &Value, pointer: &str, found: &mut Vec<(String, String)>) {
    match value {
        Value::String(text) => found.extend(in_text(text).into_iter().map(|one| (pointer.to_owned(), one))),
        Value::Array(list) => {
            for (index, one) in list.iter().enumerate() {
                collect(one, &json::below(pointer, &[&index.to_string()]), found);
            }
        }
        Value::Object(fields) => {
            for (key, one) in fields {
                collect(one, &json::below(pointer, &[key]), found);
            }
        }
        _ => {}
    }
}

fn in_text(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut add = |whole: String| {
        if !found.contains(&whole) {
            found.push(whole);
        }
    };
    for (open, close, is_one) in
        [("${", "}", is_no_variable as fn(&str) -> bool), ("<", ">", is_name), ("{{", "}}", is_name)]
    {
        for rest in text.split(open).skip(1) {
            if let Some((inner, _)) = rest.split_once(close)
                && is_one(inner)
            {
                add(format!("{open}{inner}{close}"));
            }
        }
    }
    // In brackets it was found already.
    if found.is_empty()
        && let Some(yours) = yours(text)
    {
        found.push(yours.to_owned());
    }
    found
}

/// `AWS_ACCOUNT_ID`, `AWS::Partition`; not `*`, `?` and `$`, which IAM escapes so, nor `aws:username`.
fn is_no_variable(text: &str) -> bool {
    !matches!(text, "*" | "?" | "$") && !text.replace("::", "").contains(':')
}

/// `AWS_ACCOUNT_ID`, `your bucket`, ` .Values.bucket `.
fn is_name(text: &str) -> bool {
    text.bytes().any(|b| b.is_ascii_alphabetic())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-. ".contains(&b))
}

/// `YOUR-BUCKET`, `YOUR_ACCOUNT_ID`: a word in capitals.
fn yours(text: &str) -> Option<&str> {
    let in_word = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    let words = text.split(|c: char| !c.is_ascii() || !in_word(c as u8));
    let is_one = |word: &&str| {
        ["YOUR-", "YOUR_"].iter().any(|your| word.strip_prefix(your).is_some_and(|rest| !rest.is_empty()))
    };
    words.into_iter().find(is_one)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn placeholders_are_told_from_variables() {
        let of = |resource: &str| placeholders("p", &Document(json!({"Statement": [{"Resource": resource}]})));
        for (text, found) in [
            ("arn:aws:dynamodb:us-west-2:${AWS_ACCOUNT_ID}:table/t", "`${AWS_ACCOUNT_ID}`"),
            ("arn:${AWS::Partition}:s3:::b", "`${AWS::Partition}`"),
            ("arn:aws:s3:::${var.bucket}/*", "`${var.bucket}`"),
            ("arn:aws:s3:::<BUCKET_NAME>/*", "`<BUCKET_NAME>`"),
            ("arn:aws:s3:::<your bucket>/*", "`<your bucket>`"),
            ("arn:aws:s3:::<YOUR-BUCKET>/*", "`<YOUR-BUCKET>`"),
            ("arn:aws:s3:::{{ .Values.bucket }}", "`{{ .Values.bucket }}`"),
            ("arn:aws:dynamodb:us-west-2:YOUR_ACCOUNT_ID:table/t", "`YOUR_ACCOUNT_ID`"),
            ("arn:aws:dynamodb:us-west-2:111122223333:table/YOUR-TABLE/index/*", "`YOUR-TABLE`"),
        ] {
            assert!(of(text)[0].contains(found), "{text}: {:?}", of(text));
            assert!(of(text)[0].contains("looks like a placeholder"), "{text}: {:?}", of(text));
        }
        for fine in [
            "arn:aws:s3:::b/${aws:username}/*",
            "arn:aws:s3:::b/${aws:PrincipalTag/kubernetes-namespace}/*",
            "arn:aws:s3:::b/${s3:prefix}",
            "arn:aws:s3:::b/${*}${?}${$}",
            "${aws:PrincipalTag/team, 'x'}",
            "a<b",
            "arn:aws:s3:::your-bucket",
            "YOURS",
        ] {
            assert!(of(fine).is_empty(), "{fine}");
        }
    }

    #[test]
    fn each_is_where_it_stands() {
        let document =
            json!({"Statement": [{"Resource": ["a", "<B>${C}"], "Condition": {"StringLike": {"aws:x/y": "<B>"}}}]});
        assert_eq!(
            all(&document),
            [
                ("/Statement/0/Resource/1".to_owned(), "${C}".to_owned()),
                ("/Statement/0/Resource/1".to_owned(), "<B>".to_owned()),
                ("/Statement/0/Condition/StringLike/aws:x~1y".to_owned(), "<B>".to_owned()),
            ]
        );
    }
}
