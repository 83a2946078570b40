//! A card in a reader of vpcd, a driver of pcscd's (vsmartcard, "Virtual Smart Card").
//!
//! vpcd listens, the card connects; that is its insertion, and closing is its removal. Every message, either way, is a length of two octets,
//! big-endian, and so many octets. A message of one octet from the reader is a [`control`]; any longer one is a command APDU, and gets the
//! response APDU back.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use token_fw::Icc;
use token_proto::Atr;
use zeroize::Zeroizing;

use super::{Response, carry_out};
use crate::hw::Clock;

/// Where the first reader of vpcd listens; the second does on the port after.
pub const VPCD_ADDRESS: &str = "127.0.0.1:35963";

/// Messages of one octet from the reader.
mod control {
    /// Power off; not answered.
    pub(super) const OFF: u8 = 0;
    /// Power on; not answered.
    pub(super) const ON: u8 = 1;
    /// Reset; not answered.
    pub(super) const RESET: u8 = 2;
    /// Asks for the answer to reset; also how the reader finds out, twice a second, whether the card is still there.
    pub(super) const ATR: u8 = 4;
}

/// Status word of a card that gave none: internal error.
const NO_STATUS: &[u8] = b"\x6F\x00";

/// A card's place in a reader.
#[derive(Debug)]
pub struct Vpcd {
    slot: Arc<Slot>,
}

/// Pulls the card out, from any thread.
#[derive(Clone, Debug)]
pub struct Remover {
    slot: Arc<Slot>,
}

#[derive(Debug)]
struct Slot {
    stream: TcpStream,
    is_removed: AtomicBool,
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The card was pulled out by a [`Remover`].
    Removed,
    /// The reader closed the connection: pcscd has ended, or another card took the place.
    ReaderGone,
}

impl Remover {
    /// Pulls the card out. Its power is gone when [`Vpcd::run`] comes back, which it does at once.
    pub fn remove(&self) {
        self.slot.is_removed.store(true, Ordering::SeqCst);
        // Fails if the reader has closed it already, and then there is nothing left to do.
        let _ = self.slot.stream.shutdown(Shutdown::Both);
    }
}

impl Vpcd {
    /// Goes to the reader that listens at `address`.
    ///
    /// # Errors
    /// None listens there.
    pub fn connect(address: impl ToSocketAddrs) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        Ok(Self { slot: Arc::new(Slot { stream, is_removed: AtomicBool::new(false) }) })
    }

    /// What pulls the card out.
    #[must_use]
    pub fn remover(&self) -> Remover {
        Remover { slot: Arc::clone(&self.slot) }
    }

    /// Puts `icc` in and serves the reader until either side ends it. `on_ready` is called once, when the reader has given the card power and
    /// has its answer to reset: from then on pcscd's clients see it. Afterwards the card has no power.
    ///
    /// # Errors
    /// The connection broke, or the reader sent what is no message of vpcd's.
    pub fn run<I: Icc, C: Clock>(self, icc: &mut I, clock: &C, on_ready: impl FnOnce()) -> io::Result<End> {
        // The reader asks for the answer to reset of a card without power, too.
        let atr = icc.power_on();
        icc.power_off();
        let mut session = Session { slot: &self.slot, icc, clock, atr, has_power: false, on_ready: Some(on_ready) };
        let end = session.serve();
        session.power_off();
        if self.slot.is_removed.load(Ordering::SeqCst) { Ok(End::Removed) } else { end }
    }
}

/// vpcd sends the length and the message in two writes, and TCP keeps the second back until the first is acknowledged, which takes 40 ms
/// unless the other side hurries. It forgets that it was told to, so that it is told for each message. Where that cannot be done, the card is
/// slow, and that is all.
fn acknowledge_at_once(stream: &TcpStream) {
    #[cfg(target_os = "linux")]
    let _ = rustix::net::sockopt::set_tcp_quickack(stream, true);
    #[cfg(not(target_os = "linux"))]
    let _ = stream;
}

struct Session<'a, I: Icc, C, F> {
    slot: &'a Slot,
    icc: &'a mut I,
    clock: &'a C,
    atr: Atr,
    has_power: bool,
    on_ready: Option<F>,
}

impl<I: Icc, C: Clock, F: FnOnce()> Session<'_, I, C, F> {
    fn serve(&mut self) -> io::Result<End> {
        let mut stream = &self.slot.stream;
        // Commands may hold a PIN.
        let mut message = Zeroizing::new(Vec::new());
        loop {
            let mut len = [0; 2];
            acknowledge_at_once(stream);
            match stream.read(&mut len)? {
                0 => return Ok(End::ReaderGone),
                read => stream.read_exact(&mut len[read..])?,
            }
            acknowledge_at_once(stream);
            message.resize(usize::from(u16::from_be_bytes(len)), 0);
            stream.read_exact(&mut message)?;
            match message[..] {
                [] => return Err(io::Error::new(io::ErrorKind::InvalidData, "the reader sent an empty message")),
                [control] => self.control(control)?,
                _ => {
                    if !self.command(&message)? {
                        return Ok(End::Removed);
                    }
                }
            }
        }
    }

    fn control(&mut self, control: u8) -> io::Result<()> {
        match control {
            control::OFF => self.power_off(),
            control::ON | control::RESET => {
                self.atr = self.icc.power_on();
                self.has_power = true;
            }
            control::ATR => {
                self.send(self.atr.octets())?;
                if self.has_power
                    && let Some(on_ready) = self.on_ready.take()
                {
                    on_ready();
                }
            }
            _ => {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    format!("the reader sent an unknown control octet {control:02X}"),
                ));
            }
        }
        Ok(())
    }

    /// Answers a command; `false` if the card was pulled out meanwhile.
    fn command(&mut self, command: &[u8]) -> io::Result<bool> {
        let mut response = Zeroizing::new(Response::new());
        let is_there = || !self.slot.is_removed.load(Ordering::SeqCst);
        if !carry_out(self.icc, self.clock, command, &mut *response, is_there) {
            return Ok(false);
        }
        // An empty message would be the card's removal.
        self.send(if response.len() < 2 { NO_STATUS } else { &response })?;
        Ok(true)
    }

    fn power_off(&mut self) {
        if self.has_power {
            self.icc.power_off();
            self.has_power = false;
        }
    }

    /// One write a message: two would wait for each other's acknowledgement.
    fn send(&self, octets: &[u8]) -> io::Result<()> {
        let len = u16::try_from(octets.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
        let mut message = Zeroizing::new(Vec::with_capacity(2 + octets.len()));
        message.extend(len.to_be_bytes());
        message.extend(octets);
        (&self.slot.stream).write_all(&message)
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::sync::mpsc::{Receiver, channel};
    use std::thread::{self, JoinHandle};
    use std::time::Duration;

    use super::*;
    use crate::hw::{ManualClock, RealClock};
    use crate::reader::test_card::{self, TestCard};

    /// vpcd's end of a connection.
    struct Driver(TcpStream);

    impl Driver {
        fn send(&mut self, message: &[u8]) {
            let len = u16::try_from(message.len()).unwrap();
            self.0.write_all(&[&len.to_be_bytes(), message].concat()).unwrap();
        }

        fn receive(&mut self) -> Vec<u8> {
            let mut len = [0; 2];
            self.0.read_exact(&mut len).unwrap();
            let mut message = vec![0; usize::from(u16::from_be_bytes(len))];
            self.0.read_exact(&mut message).unwrap();
            message
        }

        fn ask(&mut self, message: &[u8]) -> Vec<u8> {
            self.send(message);
            self.receive()
        }
    }

    struct Inserted {
        driver: Driver,
        remover: Remover,
        ready: Receiver<()>,
        end: JoinHandle<(io::Result<End>, TestCard)>,
    }

    fn insert(clock: impl Clock + Send + 'static) -> Inserted {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let vpcd = Vpcd::connect(listener.local_addr().unwrap()).unwrap();
        let driver = Driver(listener.accept().unwrap().0);
        driver.0.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let remover = vpcd.remover();
        let (is_ready, ready) = channel();
        let end = thread::spawn(move || {
            let mut card = TestCard::default();
            // Not every test waits for it.
            let end = vpcd.run(&mut card, &clock, || {
                let _ = is_ready.send(());
            });
            (end, card)
        });
        Inserted { driver, remover, ready, end }
    }

    #[test]
    fn reader_sees_the_card_before_and_after_it_gives_power() {
        let Inserted { mut driver, ready, end, .. } = insert(ManualClock::default());
        assert_eq!(driver.ask(&[control::ATR]), test_card::ATR);
        ready.try_recv().unwrap_err();
        driver.send(&[control::ON]);
        assert_eq!(driver.ask(&[control::ATR]), test_card::ATR);
        ready.recv().unwrap();
        assert_eq!(driver.ask(b"\x00\xA4\x00\x00"), b"\x00\xA4\x00\x00\x90\x00");
        driver.send(&[control::RESET]);
        driver.send(&[control::OFF]);
        assert_eq!(driver.ask(&[control::ATR]), test_card::ATR);
        drop(driver);
        let (end, card) = end.join().unwrap();
        assert_eq!(end.unwrap(), End::ReaderGone);
        // The first pair is its own look at the answer to reset.
        assert_eq!(card.powered, [true, false, true, true, false]);
    }

    #[test]
    fn messages_may_come_in_pieces_and_together() {
        let Inserted { mut driver, .. } = insert(ManualClock::default());
        for octet in b"\x00\x01\x01\x00\x04abcd" {
            driver.0.write_all(&[*octet]).unwrap();
        }
        assert_eq!(driver.receive(), b"abcd\x90\x00");
        driver.0.write_all(b"\x00\x02ef\x00\x02gh").unwrap();
        assert_eq!(driver.receive(), b"ef\x90\x00");
        assert_eq!(driver.receive(), b"gh\x90\x00");
    }

    #[test]
    fn power_is_gone_after_the_end() {
        let Inserted { mut driver, remover, end, .. } = insert(ManualClock::default());
        driver.send(&[control::ON]);
        driver.ask(&[control::ATR]);
        remover.remove();
        let (end, card) = end.join().unwrap();
        assert_eq!(end.unwrap(), End::Removed);
        assert_eq!(card.powered.last(), Some(&false));
        assert_eq!(driver.0.read(&mut [0]).unwrap(), 0);
        remover.remove();
    }

    #[test]
    fn card_that_waits_for_its_person_can_be_pulled_out() {
        let Inserted { mut driver, remover, end, .. } = insert(RealClock::default());
        driver.send(&[control::ON]);
        driver.send(&test_card::WAIT);
        driver.0.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        driver.0.read(&mut [0]).unwrap_err();
        remover.remove();
        assert_eq!(end.join().unwrap().0.unwrap(), End::Removed);
    }

    #[test]
    fn person_who_does_not_come_is_waited_for_as_long_as_the_card_does() {
        let Inserted { mut driver, .. } = insert(ManualClock::default());
        driver.send(&[control::ON]);
        assert_eq!(driver.ask(&test_card::WAIT), b"\x69\x85");
    }

    #[test]
    fn what_is_no_message_ends_it_with_an_error() {
        for (octets, fault) in [
            (&b"\x00\x00"[..], "the reader sent an empty message"),
            (b"\x00\x01\x07", "the reader sent an unknown control octet 07"),
            (b"\x00", "failed to fill whole buffer"),
            (b"\x00\x05abcd", "failed to fill whole buffer"),
        ] {
            let Inserted { mut driver, end, .. } = insert(ManualClock::default());
            driver.0.write_all(octets).unwrap();
            driver.0.shutdown(Shutdown::Write).unwrap();
            assert_eq!(end.join().unwrap().0.unwrap_err().to_string(), fault);
        }
    }

    #[test]
    fn longest_messages_pass() {
        let Inserted { mut driver, .. } = insert(ManualClock::default());
        driver.send(&[control::ON]);
        let command = vec![0xAB; token_proto::MAX_DATA_LEN];
        assert_eq!(driver.ask(&command).len(), token_proto::MAX_RESPONSE_LEN);
        // An empty answer would be a removal; the test card gives none to a command that it cannot repeat.
        assert_eq!(driver.ask(&[0xAB; 65_535]), NO_STATUS);
    }

    #[test]
    fn several_cards_at_once_and_again() {
        let mut cards: Vec<Inserted> = (0..3).map(|_| insert(ManualClock::default())).collect();
        for (number, card) in cards.iter_mut().enumerate() {
            let command = [number as u8, 0xA4];
            assert_eq!(card.driver.ask(&command), [&command[..], b"\x90\x00"].concat());
        }
        for card in cards {
            card.remover.remove();
            assert_eq!(card.end.join().unwrap().0.unwrap(), End::Removed);
        }
    }
}
