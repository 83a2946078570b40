//! The threads that everything asynchronous runs on.

use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

use crate::Error;

/// How long tasks may take to notice that it is over.
const GRACE: Duration = Duration::from_secs(5);

/// A runtime on threads of its own, so that it can be used, and dropped, inside another one.
#[derive(Debug)]
pub(crate) struct Background {
    handle: Handle,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Background {
    pub(crate) fn new() -> Result<Self, Error> {
        let failed = |cause| Error::System { what: "no thread for the test bed", cause };
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().thread_name("testbed").build().map_err(failed)?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel();
        let wait = move || {
            // The sender is dropped at the latest when all is over.
            let _ = runtime.block_on(stopped);
            runtime.shutdown_timeout(GRACE);
        };
        let thread = thread::Builder::new().name("testbed".into()).spawn(wait).map_err(failed)?;
        Ok(Self { handle, stop: Some(stop), thread: Some(thread) })
    }

    pub(crate) fn handle(&self) -> Spawner {
        Spawner(self.handle.clone())
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What starts tasks on a [`Background`].
#[derive(Clone, Debug)]
pub(crate) struct Spawner(Handle);

impl Spawner {
    /// Runs `task` until it ends, or all does.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.0.spawn(task);
    }

    /// Runs `task`, and waits for what it has to say; `None` if the background is gone. The caller may be within another runtime.
    pub(crate) fn run<T: Send + 'static>(&self, task: impl Future<Output = T> + Send + 'static) -> Option<T> {
        let (sender, receiver) = mpsc::channel();
        self.0.spawn(async move {
            let _ = sender.send(task.await);
        });
        receiver.recv().ok()
    }

    /// To register a socket.
    pub(crate) fn enter(&self) -> tokio::runtime::EnterGuard<'_> {
        self.0.enter()
    }
}
