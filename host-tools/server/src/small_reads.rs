//! A stream for hyper that is read in small pieces.
//!
//! hyper offers 8 KiB whenever it waits for a request, and tokio-rustls fills what it is offered with zeros before it looks whether anything came. So each
//! idle connection would hold 8 KiB that nothing was ever written to; ten thousand of them, 80 MiB. A piece on the stack costs a copy of a
//! request, which is small.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Octets of a piece: most requests are one.
const PIECE_LEN: usize = 2048;

/// The stream.
pub(crate) struct SmallReads<S> {
    stream: TokioIo<S>,
    /// What was read and not taken yet.
    ahead: Vec<u8>,
}

impl<S: AsyncRead + Unpin> SmallReads<S> {
    /// Waits until something comes, so that hyper and its buffers of 16 KiB begin only then. `None`: the client went away.
    pub(crate) async fn begin(mut stream: S) -> Option<Self> {
        let first = poll_fn(|context| {
            let mut piece = [0; PIECE_LEN];
            let mut piece = ReadBuf::new(&mut piece);
            let read = ready!(Pin::new(&mut stream).poll_read(context, &mut piece));
            Poll::Ready(read.map(|()| piece.filled().to_vec()))
        });
        let ahead = first.await.ok().filter(|ahead| !ahead.is_empty())?;
        Some(Self { stream: TokioIo::new(stream), ahead })
    }
}

impl<S: AsyncRead + Unpin> Read for SmallReads<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, mut buffer: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        let len = buffer.remaining().min(PIECE_LEN);
        if !self.ahead.is_empty() {
            let len = len.min(self.ahead.len());
            let rest = self.ahead.split_off(len);
            buffer.put_slice(&mem::replace(&mut self.ahead, rest));
            return Poll::Ready(Ok(()));
        }
        let mut piece = [0; PIECE_LEN];
        let mut piece = ReadBuf::new(&mut piece[..len]);
        ready!(Pin::new(self.stream.inner_mut()).poll_read(context, &mut piece))?;
        buffer.put_slice(piece.filled());
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> Write for SmallReads<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, octets)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, context: &mut Context<'_>, pieces: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, pieces)
    }
}
