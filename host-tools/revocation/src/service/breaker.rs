//! Leaves a responder alone that does not answer.

use std::time::Duration;

use rustls_pki_types::UnixTime;

use crate::ocsp::plus;

/// When a responder is left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerSettings {
    /// After how many failures in a row.
    pub failures: u32,
    /// For how long, until one question tries it again.
    pub pause: Duration,
}

impl Default for BreakerSettings {
    /// Five failures, 15 seconds.
    fn default() -> Self {
        Self { failures: 5, pause: Duration::from_secs(15) }
    }
}

/// One responder's.
#[derive(Debug)]
pub(super) enum Breaker {
    /// It is asked; so often it failed in a row.
    Closed(u32),
    /// It is left alone, or tried with one question, since then.
    Open(UnixTime),
}

impl Breaker {
    pub(super) const fn new() -> Self {
        Self::Closed(0)
    }

    /// Whether a question may be put now. An open breaker lets one through for each pause.
    pub(super) fn admit(&mut self, settings: BreakerSettings, now: UnixTime) -> bool {
        match self {
            Self::Closed(_) => true,
            // A clock that was set back must not keep it open.
            Self::Open(since) if now < *since || now >= plus(*since, settings.pause) => {
                *since = now;
                true
            }
            Self::Open(_) => false,
        }
    }

    /// The responder answered.
    pub(super) fn answered(&mut self) {
        *self = Self::Closed(0);
    }

    /// It did not.
    pub(super) fn failed(&mut self, settings: BreakerSettings, now: UnixTime) {
        *self = match self {
            Self::Closed(failures) if *failures + 1 < settings.failures => Self::Closed(*failures + 1),
            Self::Closed(_) | Self::Open(_) => Self::Open(now),
        };
    }

    pub(super) const fn is_open(&self) -> bool {
        matches!(self, Self::Open(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: BreakerSettings = BreakerSettings { failures: 3, pause: Duration::from_secs(10) };

    fn at(seconds: u64) -> UnixTime {
        UnixTime::since_unix_epoch(Duration::from_secs(seconds))
    }

    fn opened(seconds: u64) -> Breaker {
        let mut breaker = Breaker::new();
        for _ in 0..3 {
            assert!(breaker.admit(SETTINGS, at(seconds)));
            breaker.failed(SETTINGS, at(seconds));
        }
        breaker
    }

    #[test]
    fn opens_after_failures_in_a_row() {
        let mut breaker = Breaker::new();
        for _ in 0..10 {
            breaker.failed(SETTINGS, at(100));
            breaker.failed(SETTINGS, at(100));
            assert!(!breaker.is_open() && breaker.admit(SETTINGS, at(100)));
            breaker.answered();
        }
        assert!(!opened(100).admit(SETTINGS, at(100)));
    }

    #[test]
    fn lets_one_question_through_after_each_pause() {
        let mut breaker = opened(100);
        assert!(!breaker.admit(SETTINGS, at(109)));
        assert!(breaker.admit(SETTINGS, at(110)));
        assert!(!breaker.admit(SETTINGS, at(110)), "a second one beside it");
        breaker.failed(SETTINGS, at(112));
        assert!(!breaker.admit(SETTINGS, at(121)));
        assert!(breaker.admit(SETTINGS, at(122)));
        breaker.answered();
        assert!(breaker.admit(SETTINGS, at(122)) && breaker.admit(SETTINGS, at(122)));
    }

    #[test]
    fn clock_that_was_set_back_does_not_keep_it_open() {
        assert!(opened(1_000_000).admit(SETTINGS, at(500)));
    }
}
