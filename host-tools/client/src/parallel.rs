//! Requests on threads of their own: several run at once, and a person who gives up need not wait for them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use crate::auth::Interaction;

/// How often [`Interaction::is_cancelled`] is asked.
pub(crate) const TICK: Duration = Duration::from_millis(100);

/// Something to be done, that borrows nothing. It is told when nobody waits for it any more.
pub(crate) type Job<T> = Box<dyn FnOnce(&AtomicBool) -> T + Send>;

/// Why there is no outcome.
#[derive(Debug)]
pub(crate) enum Stopped {
    /// The person gave up.
    Cancelled,
    /// A thread could not begin, or did not come to its end.
    Failed(String),
}

/// Waits for so long, and not to the end once `is_over`: `false` then.
pub(crate) fn pause(time: Duration, is_over: &AtomicBool) -> bool {
    let begin = Instant::now();
    loop {
        if is_over.load(Ordering::Relaxed) {
            return false;
        }
        let left = time.saturating_sub(begin.elapsed());
        if left.is_zero() {
            return true;
        }
        thread::sleep(left.min(TICK));
    }
}

/// Does all `jobs` at once; their outcomes, in the order of the jobs. If the person gives up meanwhile, the threads are left to their time limits,
/// and begin nothing new.
pub(crate) fn run<T: Send + 'static>(jobs: Vec<Job<T>>, interaction: &mut dyn Interaction) -> Result<Vec<T>, Stopped> {
    let mut outcomes: Vec<Option<T>> = jobs.iter().map(|_| None).collect();
    let (sender, done) = mpsc::channel();
    let is_over = Arc::new(AtomicBool::new(false));
    for (index, job) in jobs.into_iter().enumerate() {
        let (sender, is_over) = (sender.clone(), Arc::clone(&is_over));
        let thread = thread::Builder::new().name("request".to_owned());
        // Nobody listens any more if the person has given up.
        let spawned = thread.spawn(move || drop(sender.send((index, job(&is_over)))));
        spawned.map_err(|error| Stopped::Failed(error.to_string()))?;
    }
    drop(sender);
    while outcomes.iter().any(Option::is_none) {
        if interaction.is_cancelled() {
            is_over.store(true, Ordering::Relaxed);
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
    let mut outcomes = run(vec![Box::new(move |_: &AtomicBool| job()) as Job<T>], interaction)?;
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
            Box::new(move |_| receiver.recv().unwrap()),
            Box::new(|_| 2),
            Box::new(move |_| {
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
    fn who_pauses_hears_that_it_is_over() {
        let (sender, paused) = mpsc::channel();
        let job = move |is_over: &AtomicBool| sender.send(pause(Duration::from_secs(600), is_over)).unwrap();
        assert!(matches!(run(vec![Box::new(job) as Job<_>], &mut Impatient(2)), Err(Stopped::Cancelled)));
        assert!(!paused.recv().unwrap());
        assert!(pause(Duration::ZERO, &AtomicBool::new(false)));
    }

    #[test]
    fn a_thread_that_dies_is_an_error() {
        let outcome = run_one(|| -> u8 { std::panic::resume_unwind(Box::new("it dies")) }, &mut Impatient(1000));
        assert!(matches!(outcome, Err(Stopped::Failed(_))));
    }
}
