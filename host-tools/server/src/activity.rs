//! Whether anything is going on at a connection. hyper does not tell; so it is seen from both sides of it: what it was given to answer with, and what
//! became of that in the stream.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use hyper::body::{Body as _, Frame, Incoming, SizeHint};

/// What goes on. One task does all of it, so the order in which others would see it does not matter.
#[derive(Debug, Default)]
pub(crate) struct Activity {
    /// Requests that were not answered to the end.
    open: AtomicUsize,
    /// Requests that were.
    answered: AtomicUsize,
    /// Whether octets wait for the client to take them.
    is_stuck: AtomicBool,
    /// Whether the stream is being ended, or has to be.
    is_ending: AtomicBool,
}

impl Activity {
    /// Something was written, or could not be.
    pub(crate) fn wrote<T>(&self, result: Poll<T>) -> Poll<T> {
        self.is_stuck.store(result.is_pending(), Ordering::Relaxed);
        result
    }

    /// No further request can come.
    pub(crate) fn end(&self) {
        self.is_ending.store(true, Ordering::Relaxed);
    }

    /// How many requests were answered so far, if these are all that came, and the client has the answers. What was read since belongs to the next. `None`
    /// also if the stream has to end.
    pub(crate) fn rests_after(&self) -> Option<usize> {
        let answered = self.answered.load(Ordering::Relaxed);
        let is_busy = answered == 0 || self.open.load(Ordering::Relaxed) > 0;
        (!is_busy && !self.is_stuck.load(Ordering::Relaxed) && !self.is_ending.load(Ordering::Relaxed)).then_some(answered)
    }
}

/// A request until the end of its answer.
#[derive(Debug)]
pub(crate) struct Open(Arc<Activity>);

impl Open {
    /// A request came.
    pub(crate) fn new(activity: &Arc<Activity>) -> Self {
        activity.open.fetch_add(1, Ordering::Relaxed);
        Self(activity.clone())
    }

    /// Its body.
    pub(crate) fn request(&self, body: Incoming) -> Asked {
        Asked { body, is_read: false, activity: self.0.clone() }
    }

    /// The body of its answer, which hyper drops when it has all of it.
    pub(crate) fn answer(self, body: Body) -> Answer {
        Answer { body, _open: self }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
        self.0.answered.fetch_add(1, Ordering::Relaxed);
    }
}

/// The body of a request. If it is dropped before its end, what comes next in the stream is its rest and no request; hyper sees to that.
#[derive(Debug)]
pub(crate) struct Asked {
    body: Incoming,
    is_read: bool,
    activity: Arc<Activity>,
}

impl Drop for Asked {
    fn drop(&mut self) {
        if !self.is_read && !self.body.is_end_stream() {
            self.activity.end();
        }
    }
}

impl hyper::body::Body for Asked {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        self.is_read |= matches!(frame, Poll::Ready(None));
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The body of an answer.
#[derive(Debug)]
pub(crate) struct Answer {
    body: Body,
    _open: Open,
}

impl hyper::body::Body for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
