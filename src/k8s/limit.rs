//! How much of an answer is read: a server that does not end must not fill podid's memory.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use http::{Response, Uri};
use http_body::{Body, Frame, SizeHint};
use tower::BoxError;

const MIB: usize = 1 << 20;
/// One object: etcd takes none of more than 1.5 MiB unless it is told to.
const OBJECT: usize = 4 * MIB;
/// A page of a list: 500 objects.
const PAGE: usize = 64 * MIB;
/// What is asked of a container's log at most, and what is taken of it: the kubelet cuts between lines.
pub(super) const LOG: usize = MIB;

/// The answer is larger than any that Kubernetes gives.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("sent {what} of more than {} MiB", .most / MIB)]
pub(super) struct TooLarge {
    what: &'static str,
    most: usize,
}

/// What may come for a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limit {
    what: &'static str,
    most: usize,
    /// It counts each line by itself: a watch goes on for as long as it is wanted.
    lines: bool,
}

impl Limit {
    /// By what is asked for.
    pub(super) fn of(uri: &Uri) -> Self {
        let asks = |name: &str| uri.query().is_some_and(|query| query.split('&').any(|pair| pair.starts_with(name)));
        let whole = |what, most| Self { what, most, lines: false };
        if uri.path().ends_with("/log") {
            whole("a log", 2 * LOG)
        } else if asks("watch=") {
            Self { what: "a watch event", most: OBJECT, lines: true }
        } else if asks("limit=") {
            whole("a page of a list", PAGE)
        } else {
            whole("a response", OBJECT)
        }
    }
}

/// The body type of a response, which is named nowhere else.
pub(super) trait Answered {
    type Body;
}

impl<B> Answered for Response<B> {
    type Body = B;
}

/// A body that fails when it goes over its limit.
#[derive(Debug)]
pub(super) struct Limited<B> {
    body: B,
    limit: Limit,
    read: usize,
}

impl<B> Limited<B> {
    pub(super) fn new(body: B, limit: Limit) -> Self {
        Self { body, limit, read: 0 }
    }

    fn count(&mut self, bytes: &[u8]) -> Result<(), TooLarge> {
        let too_large = TooLarge { what: self.limit.what, most: self.limit.most };
        let mut parts = bytes.split(|byte| self.limit.lines && *byte == b'\n');
        self.read += parts.next().map_or(0, <[u8]>::len);
        for part in parts {
            if self.read > self.limit.most {
                return Err(too_large);
            }
            self.read = part.len();
        }
        if self.read > self.limit.most { Err(too_large) } else { Ok(()) }
    }
}

impl<B> Body for Limited<B>
where
    B: Body + Unpin,
    B::Data: AsRef<[u8]>,
    B::Error: Into<BoxError>,
{
    type Data = B::Data;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let this = &mut *self;
        Pin::new(&mut this.body).poll_frame(context).map(|frame| {
            frame.map(|frame| {
                let frame = frame.map_err(Into::into)?;
                if let Some(data) = frame.data_ref() {
                    this.count(data.as_ref())?;
                }
                Ok(frame)
            })
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(uri: &str) -> Limit {
        Limit::of(&uri.parse().unwrap())
    }

    #[test]
    fn each_kind_has_its_limit() {
        for (uri, what, most, lines) in [
            ("/api/v1/pods?limit=500&continue=x", "a page of a list", 64, false),
            ("/api/v1/pods?&watch=true&timeoutSeconds=290", "a watch event", 4, true),
            ("/api/v1/namespaces/carts/pods/a/log?limitBytes=1048576", "a log", 2, false),
            ("/api/v1/namespaces/carts", "a response", 4, false),
        ] {
            assert_eq!(limit(uri), Limit { what, most: most * MIB, lines }, "{uri}");
        }
    }

    #[test]
    fn counts_all_or_each_line() {
        let mut whole = Limited::new((), Limit { what: "a response", most: 10, lines: false });
        assert_eq!(whole.count(b"12345\n7890"), Ok(()));
        assert!(whole.count(b"1").is_err());
        let mut lines = Limited::new((), Limit { lines: true, ..whole.limit });
        for _ in 0..3 {
            assert_eq!(lines.count(b"12345\n7890"), Ok(()));
            assert_eq!(lines.count(b"12345\n"), Ok(()));
        }
        assert!(lines.count(b"12345678901\n").is_err());
        assert!(Limited::new((), lines.limit).count(b"1\n12345678901").is_err());
    }
}
