//! An XML answer is whole, or it is an error. The SDK's reader takes what stands before a cut for all there is: of a list that is
//! some of its items. JSON's reader sees a cut for itself.

use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        interceptors::{Intercept, context::AfterDeserializationInterceptorContextRef},
        runtime_components::RuntimeComponents,
    },
};
use aws_smithy_types::config_bag::ConfigBag;

/// Refuses a cut answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct TruncationCheck;

impl Intercept for TruncationCheck {
    fn name(&self) -> &'static str {
        "Whole"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let answer = context.response();
        if answer.status().is_success() && answer.body().bytes().is_some_and(cut) {
            return Err("the response is truncated".into());
        }
        Ok(())
    }
}

/// Whether it begins as XML, and does not end with the end of the element that it begins with.
fn cut(body: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(body.trim_ascii()) else { return false };
    let root = match text.split_once("?>") {
        Some((declaration, rest)) if declaration.starts_with("<?") => rest.trim_start(),
        _ => text,
    };
    let Some(root) = root.strip_prefix('<') else { return text.starts_with("<?") };
    let name = root.split([' ', '\t', '\r', '\n', '>', '/']).next().unwrap_or_default();
    let ended =
        text.strip_suffix('>').and_then(|text| text.strip_suffix(name)).is_some_and(|text| text.ends_with("</"));
    let empty = text.ends_with("/>") && !root.trim_end_matches("/>").contains('>');
    !(ended || empty)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_cut_anywhere() {
        let whole = "<?xml version=\"1.0\"?>\n<ListRolesResponse xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\">\n  \
                     <ListRolesResult><Roles><member><RoleName>é</RoleName></member></Roles></ListRolesResult>\n\
                     </ListRolesResponse>";
        for end in 1..whole.len() {
            // A character cut in two is no text, which the reader sees.
            if whole.is_char_boundary(end) {
                assert!(cut(&whole.as_bytes()[..end]), "{}", &whole[..end]);
            }
        }
        for whole in
            [whole, &format!("{whole}\n"), "", "{\"roles\": [", "<Response/>", "<Response a=\"b\" />", "<a></a>"]
        {
            assert!(!cut(whole.as_bytes()), "{whole}");
        }
        assert!(cut(b"<Response><Result/>") && cut(b"<Response><Other></Other>"));
    }
}
