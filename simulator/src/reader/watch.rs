//! Looking on while host and card talk.

use std::fmt;

use heapless::VecView;
use token_fw::{Icc, Instant, Progress};
use token_proto::{Atr, Reader};

use super::mask::{Mask, Masked};

/// Somebody who looks on. What is secret is hidden before it gets here.
pub trait Observer {
    /// The card got power, or was reset.
    fn power_on(&mut self, atr: &Atr);

    /// The card lost its power.
    fn power_off(&mut self);

    /// The host sent a command.
    fn command(&mut self, command: &Masked);

    /// The card answered.
    fn response(&mut self, response: &Masked);

    /// The command got no response, because of `fault`.
    fn no_response(&mut self, fault: &dyn fmt::Debug);
}

impl<O: Observer + ?Sized> Observer for Vec<Box<O>> {
    fn power_on(&mut self, atr: &Atr) {
        self.iter_mut().for_each(|observer| observer.power_on(atr));
    }

    fn power_off(&mut self) {
        self.iter_mut().for_each(|observer| observer.power_off());
    }

    fn command(&mut self, command: &Masked) {
        self.iter_mut().for_each(|observer| observer.command(command));
    }

    fn response(&mut self, response: &Masked) {
        self.iter_mut().for_each(|observer| observer.response(response));
    }

    fn no_response(&mut self, fault: &dyn fmt::Debug) {
        self.iter_mut().for_each(|observer| observer.no_response(fault));
    }
}

/// A reader, or a card, at which an observer looks on; itself a reader, or a card.
#[derive(Debug)]
pub struct Watched<T, O> {
    inner: T,
    observer: O,
    mask: Mask,
}

impl<T, O: Observer> Watched<T, O> {
    /// Lets `observer` look on.
    pub fn new(inner: T, observer: O) -> Self {
        Self { inner, observer, mask: Mask::default() }
    }

    /// What is looked at.
    pub const fn inner(&mut self) -> &mut T {
        &mut self.inner
    }

    /// The observer, who looks on no more.
    pub fn into_observer(self) -> O {
        self.observer
    }

    fn command_seen(&mut self, command: &[u8]) {
        self.observer.command(&self.mask.command(command));
    }

    fn response_seen(&mut self, response: &[u8]) {
        self.observer.response(&self.mask.response(response));
    }
}

impl<R: Reader, O: Observer> Reader for Watched<R, O> {
    type Error = R::Error;

    fn reset(&mut self) -> Result<Atr, R::Error> {
        let answer = self.inner.reset();
        match &answer {
            Ok(atr) => self.observer.power_on(atr),
            Err(error) => self.observer.no_response(error),
        }
        answer
    }

    fn transmit(&mut self, command: &[u8], response: &mut [u8]) -> Result<usize, R::Error> {
        self.command_seen(command);
        let answer = self.inner.transmit(command, response);
        match &answer {
            Ok(len) => self.response_seen(response.get(..*len).unwrap_or_default()),
            Err(error) => self.observer.no_response(error),
        }
        answer
    }
}

impl<I: Icc, O: Observer> Icc for Watched<I, O> {
    fn power_on(&mut self) -> Atr {
        let atr = self.inner.power_on();
        self.observer.power_on(&atr);
        atr
    }

    fn power_off(&mut self) {
        self.inner.power_off();
        self.observer.power_off();
    }

    fn command(&mut self, now: Instant, command: &[u8], response: &mut VecView<u8>) -> Progress {
        self.command_seen(command);
        let progress = self.inner.command(now, command, response);
        if progress == Progress::Done {
            self.response_seen(response);
        }
        progress
    }

    fn resume(&mut self, now: Instant, response: &mut VecView<u8>) -> Progress {
        let progress = self.inner.resume(now, response);
        if progress == Progress::Done {
            self.response_seen(response);
        }
        progress
    }
}
