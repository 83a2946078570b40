//! A stream for hyper that is read in small pieces, and given back when nothing goes on.
//!
//! hyper holds two buffers of 8 KiB for each connection; and whenever it waits for a request, tokio-rustls fills what it is offered with zeros before it
//! looks whether anything came. Ten thousand idle connections would hold 160 MiB that nobody needs. So hyper begins when something has come, and ends
//! when that was answered and nothing followed; and a piece on the stack costs a copy of a request, which is small.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::body::Bytes;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper::server::conn::http1::Parts;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::activity::Activity;

/// Octets of a piece: most requests are one.
const PIECE_LEN: usize = 2048;

/// The stream.
pub(crate) struct SmallReads<S> {
    stream: TokioIo<S>,
    /// What was read and not taken yet.
    ahead: Bytes,
    activity: Arc<Activity>,
}

impl<S> SmallReads<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self { stream: TokioIo::new(stream), ahead: Bytes::new(), activity: Arc::default() }
    }

    /// What hyper gave back, for it to begin anew. An empty rest would hold a buffer, too.
    pub(crate) fn again<T>(parts: Parts<Self, T>) -> Self {
        let ahead = if parts.read_buf.is_empty() { parts.io.ahead } else { [parts.read_buf, parts.io.ahead].concat().into() };
        Self { stream: parts.io.stream, ahead, activity: Arc::default() }
    }

    /// What goes on from now on, until it is given back.
    pub(crate) fn activity(&self) -> Arc<Activity> {
        self.activity.clone()
    }
}

impl<S: AsyncRead + Unpin> SmallReads<S> {
    /// Waits until something comes; false if the client went away instead.
    pub(crate) async fn wait(&mut self) -> bool {
        if self.ahead.is_empty() {
            let first = poll_fn(|context| self.poll_piece(context, PIECE_LEN, Bytes::copy_from_slice));
            self.ahead = first.await.unwrap_or_default();
        }
        !self.ahead.is_empty()
    }

    /// What `take` makes of the next octets, which are at most `len`.
    fn poll_piece<T>(&mut self, context: &mut Context<'_>, len: usize, take: impl FnOnce(&[u8]) -> T) -> Poll<io::Result<T>> {
        let mut piece = [0; PIECE_LEN];
        let mut piece = ReadBuf::new(&mut piece[..len.min(PIECE_LEN)]);
        ready!(Pin::new(self.stream.inner_mut()).poll_read(context, &mut piece))?;
        Poll::Ready(Ok(take(piece.filled())))
    }
}

impl<S: AsyncWrite + Unpin> SmallReads<S> {
    /// Ends the stream, so that the client knows that nothing was cut off.
    pub(crate) async fn end(mut self) -> io::Result<()> {
        poll_fn(|context| Pin::new(&mut self.stream).poll_shutdown(context)).await
    }
}

impl<S: AsyncRead + Unpin> Read for SmallReads<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, mut buffer: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        let len = buffer.remaining();
        if !self.ahead.is_empty() {
            let len = len.min(self.ahead.len());
            buffer.put_slice(&self.ahead.split_to(len));
            return Poll::Ready(Ok(()));
        }
        self.poll_piece(context, len, |piece| buffer.put_slice(piece))
    }
}

impl<S: AsyncWrite + Unpin> Write for SmallReads<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(context, octets);
        self.activity.wrote(result)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.stream).poll_flush(context);
        self.activity.wrote(result)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.activity.end();
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, context: &mut Context<'_>, pieces: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write_vectored(context, pieces);
        self.activity.wrote(result)
    }
}
