//! Containers' logs, whole or followed.

use std::{convert::Infallible, fmt::Write as _, sync::Arc};

use bytes::Bytes;
use futures::stream;
use http::{HeaderValue, Response, header};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::{
    Kube,
    api::Call,
    failure::{Failure, typed_answer},
    json::text,
    kubelet::{self, Line},
};
use crate::{http::Body, state::World};

/// What is asked of a log.
struct Asked {
    container: String,
    previous: bool,
    stamped: bool,
    since: Option<Timestamp>,
}

impl Asked {
    fn read(call: &Call, now: Timestamp) -> Result<Self, Failure> {
        let seconds = call.param("sinceSeconds").parse().ok().map(|s| now - SignedDuration::from_secs(s));
        let since = match call.param("sinceTime") {
            "" => seconds,
            time => Some(time.parse().map_err(|e| Failure::bad_request(format!("parsing time {time:?}: {e}")))?),
        };
        Ok(Self {
            container: call.param("container").to_owned(),
            previous: call.param("previous") == "true",
            stamped: call.param("timestamps") == "true",
            since,
        })
    }

    fn lines(&self, kube: &Kube, pod: &Value) -> Result<Vec<Line>, Failure> {
        kubelet::log(kube, pod, &self.container, self.previous)
    }

    /// The text of those lines that are asked for.
    fn text(&self, lines: &[Line]) -> String {
        let mut out = String::new();
        for (time, line) in lines.iter().filter(|(time, _)| self.since.is_none_or(|since| *time >= since)) {
            if self.stamped {
                let _ = write!(out, "{} ", time.strftime("%Y-%m-%dT%H:%M:%S.%9fZ"));
            }
            out.push_str(line);
            out.push('\n');
        }
        out
    }
}

/// Answers `GET pods/NAME/log`.
pub(crate) fn answer(
    world: &Arc<World>,
    call: &Call,
    pod: &Arc<Value>,
    now: Timestamp,
) -> Result<Response<Body>, Failure> {
    let asked = Asked::read(call, now)?;
    let lines = asked.lines(&world.state().kube, pod)?;
    let tail: usize = call.param("tailLines").parse().unwrap_or(usize::MAX);
    let mut out = asked.text(&lines[lines.len().saturating_sub(tail)..]);
    if call.param("follow") == "true" && !asked.previous {
        return Ok(follow(world, pod, asked, lines.len(), out));
    }
    if let Ok(limit) = call.param("limitBytes").parse::<usize>() {
        let end = (0..=limit.min(out.len())).rev().find(|at| out.is_char_boundary(*at)).unwrap_or(0);
        out.truncate(end);
    }
    Ok(typed_answer(200, "text/plain", out))
}

/// A log under way.
struct Follower {
    world: Arc<World>,
    pod: Arc<Value>,
    asked: Asked,
    /// Which start of the container it is.
    start: Option<i64>,
    /// Lines that were sent.
    sent: usize,
    ready: String,
    changed: tokio::sync::watch::Receiver<u64>,
}

fn follow(world: &Arc<World>, pod: &Arc<Value>, asked: Asked, sent: usize, ready: String) -> Response<Body> {
    let (changed, start) = {
        let state = world.state();
        (state.kube.store.subscribe(), kubelet::runs(&state.kube, text(pod, "/metadata/uid")))
    };
    let follower = Follower { world: world.clone(), pod: pod.clone(), asked, start, sent, ready, changed };
    let parts = stream::unfold(follower, |mut follower| async move {
        let bytes = follower.next().await?;
        Some((Ok::<_, Infallible>(Frame::data(bytes)), follower))
    });
    let mut response = Response::new(BodyExt::boxed(StreamBody::new(Box::pin(parts))));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    response
}

impl Follower {
    /// The next lines; none once the container has ended.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            self.world.faults.hold().await;
            if !self.ready.is_empty() {
                return Some(Bytes::from(std::mem::take(&mut self.ready)));
            }
            self.changed.borrow_and_update();
            {
                let state = self.world.state();
                let now = kubelet::runs(&state.kube, text(&self.pod, "/metadata/uid"));
                // A container that started again has a log of its own; what was left of the one before is there yet.
                self.asked.previous = now.is_some() && now != self.start;
                let lines = self.asked.lines(&state.kube, &self.pod).unwrap_or_default();
                let new = lines.get(self.sent..).unwrap_or_default();
                self.ready = self.asked.text(new);
                self.sent += new.len();
                if new.is_empty() && (now.is_none() || now != self.start) {
                    return None;
                }
            }
            if self.ready.is_empty() {
                self.changed.changed().await.ok()?;
            }
        }
    }
}
