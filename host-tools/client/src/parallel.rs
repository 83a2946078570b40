//! Requests on threads of their own: several run at once, and a person who gives up need not wait for them.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use crate::auth::Interaction;

/// How often [`Interaction::is_cancelled`] is asked.
pub(crate) const TICK: Duration = Duration::from_millis(100);

/// Something to be done, that borrows nothing.
pub(crate) type Job<T> = Box<dyn FnOnce() -> T + Send>;

/// Why there is no outcome.
#[derive(Debug)]
pub(crate) enum Stopped {
    /// The person gave up.
    Cancelled,
    /// A thread could not begin, or did not come to its end.
    Failed(String),
}

/// Does all `jobs` at once; their outcomes, in the order of the jobs. If the person gives up meanwhile, the threads are left to their time limits.
pub(crate) fn run<T: Send + 'static>(jobs: Vec<Job<T>>, interaction: &mut dyn Interaction) -> Result<Vec<T>, Stopped> {
    let mut outcomes: Vec<Option<T>> = jobs.iter().map(|_| None).collect();
    let (sender, done) = mpsc::channel();
    for (index, job) in jobs.into_iter().enumerate() {
        let sender = sender.clone();
        let thread = thread::Builder::new().name("request".to_owned());
        // Nobody listens any more if the person has given up.
        let spawned = thread.spawn(move || drop(sender.send((index, job()))));
        spawned.map_err(|error| Stopped::Failed(error.to_string()))?;
    }
    drop(sender);
    while outcomes.iter().any(Option::is_none) {
        if interaction.is_cancelled() {
            return Err(Stopped::Cancelled);
        }
        match done.recv_timeout(TICK) {
            Ok((index, outcome)) => outcomes[index] = Some(outcome),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Err(Stopped::Failed("a request ended without an answer".to_owned())),
        }
    }
    Ok(outcomes.into_iter().flatten().collect())
}

/// [`run`] for one job.
pub(crate) fn run_one<T: Send + 'static>(
    job: impl FnOnce() -> T + Send + 'static,
    interaction: &mut dyn Interaction,
) -> Result<T, Stopped> {
    let mut outcomes = run(vec![Box::new(job) as Job<T>], interaction)?;
    outcomes.pop().ok_or_else(|| Stopped::Failed("a request ended without an answer".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::{Service, VerificationCode};

    /// Gives up when it is asked for the last of so many times.
    struct Impatient(usize);

    impl Interaction for Impatient {
        fn verification_code(&mut self, _: Service, _: VerificationCode) {}

        fn is_cancelled(&mut self) -> bool {
            self.0 -= 1;
            self.0 == 0
        }
    }

    #[test]
    fn outcomes_keep_the_order_of_the_jobs() {
        // The first waits for the last.
        let (sender, receiver) = mpsc::channel();
        let jobs: Vec<Job<u8>> = vec![
            Box::new(move || receiver.recv().unwrap()),
            Box::new(|| 2),
            Box::new(move || {
                sender.send(1).unwrap();
                3
            }),
        ];
        assert_eq!(run(jobs, &mut Impatient(1000)).unwrap(), [1, 2, 3]);
    }

    #[test]
    fn whoever_gives_up_does_not_wait() {
        let (end, ended) = mpsc::channel::<()>();
        let (begin, begun) = mpsc::channel();
        let job = move || {
            begin.send(()).unwrap();
            let _ = ended.recv();
        };
        assert!(matches!(run_one(job, &mut Impatient(2)), Err(Stopped::Cancelled)));
        begun.recv().unwrap();
        drop(end);
    }

    #[test]
    fn a_thread_that_dies_is_an_error() {
        let outcome = run_one(|| -> u8 { std::panic::resume_unwind(Box::new("it dies")) }, &mut Impatient(1000));
        assert!(matches!(outcome, Err(Stopped::Failed(_))));
    }
}
