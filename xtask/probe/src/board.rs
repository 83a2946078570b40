//! A board and a bus of which nothing is known: whatever they answer, the firmware must not panic.

use core::convert::Infallible;

use cdoc2_nostd::Error;
use embedded_hal::digital::{ErrorType as PinErrorType, InputPin, OutputPin};
use embedded_storage::nor_flash::{ErrorType, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash};
use token_fw::Platform;
use token_fw::platform::ROOT_KEY_LEN;
use usb_device::bus::{PollResult, UsbBus};
use usb_device::endpoint::{EndpointAddress, EndpointType};
use usb_device::{Result as UsbResult, UsbDirection};

use super::Rng;

/// Flash with the words and pages of a usual microcontroller.
#[derive(Debug)]
pub struct Flash {
    read: fn(u32, &mut [u8]) -> bool,
    write: fn(u32, &[u8]) -> bool,
    erase: fn(u32, u32) -> bool,
    capacity: usize,
}

/// It failed.
#[derive(Debug)]
pub struct Failed;

impl NorFlashError for Failed {
    fn kind(&self) -> NorFlashErrorKind {
        NorFlashErrorKind::Other
    }
}

fn done(success: bool) -> Result<(), Failed> {
    if success { Ok(()) } else { Err(Failed) }
}

impl ErrorType for Flash {
    type Error = Failed;
}

impl ReadNorFlash for Flash {
    const READ_SIZE: usize = 1;

    fn read(&mut self, offset: u32, octets: &mut [u8]) -> Result<(), Failed> {
        done((self.read)(offset, octets))
    }

    fn capacity(&self) -> usize {
        self.capacity
    }
}

impl NorFlash for Flash {
    const WRITE_SIZE: usize = 4;
    const ERASE_SIZE: usize = 4096;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), Failed> {
        done((self.erase)(from, to))
    }

    fn write(&mut self, offset: u32, octets: &[u8]) -> Result<(), Failed> {
        done((self.write)(offset, octets))
    }
}

/// A pin, in or out.
#[derive(Debug)]
pub struct Pin(fn(Option<bool>) -> bool);

impl PinErrorType for Pin {
    type Error = Infallible;
}

impl InputPin for Pin {
    fn is_high(&mut self) -> Result<bool, Infallible> {
        Ok((self.0)(None))
    }

    fn is_low(&mut self) -> Result<bool, Infallible> {
        Ok(!(self.0)(None))
    }
}

impl OutputPin for Pin {
    fn set_low(&mut self) -> Result<(), Infallible> {
        (self.0)(Some(false));
        Ok(())
    }

    fn set_high(&mut self) -> Result<(), Infallible> {
        (self.0)(Some(true));
        Ok(())
    }
}

/// The board.
#[derive(Debug)]
pub struct Board {
    rng: Rng,
    flash: Flash,
    button: Pin,
    led: Pin,
    root_key: [u8; ROOT_KEY_LEN],
}

impl Platform for Board {
    type Rng = Rng;
    type Flash = Flash;
    type Button = Pin;
    type Led = Pin;

    fn rng(&mut self) -> &mut Rng {
        &mut self.rng
    }

    fn flash(&mut self) -> &mut Flash {
        &mut self.flash
    }

    fn button(&mut self) -> &mut Pin {
        &mut self.button
    }

    fn led(&mut self) -> &mut Pin {
        &mut self.led
    }

    fn root_key(&self) -> &[u8; ROOT_KEY_LEN] {
        &self.root_key
    }
}

/// The bus.
#[derive(Debug)]
pub struct Bus {
    read: fn(&mut [u8]) -> Option<usize>,
    write: fn(&[u8]) -> Option<usize>,
    poll: fn() -> PollResult,
    flag: fn() -> bool,
}

impl UsbBus for Bus {
    fn alloc_ep(
        &mut self,
        _: UsbDirection,
        address: Option<EndpointAddress>,
        _: EndpointType,
        _: u16,
        _: u8,
    ) -> UsbResult<EndpointAddress> {
        address.ok_or(usb_device::UsbError::EndpointOverflow)
    }

    fn enable(&mut self) {}

    fn reset(&self) {}

    fn set_device_address(&self, _: u8) {}

    fn write(&self, _: EndpointAddress, octets: &[u8]) -> UsbResult<usize> {
        (self.write)(octets).ok_or(usb_device::UsbError::WouldBlock)
    }

    fn read(&self, _: EndpointAddress, octets: &mut [u8]) -> UsbResult<usize> {
        (self.read)(octets).ok_or(usb_device::UsbError::WouldBlock)
    }

    fn set_stalled(&self, _: EndpointAddress, _: bool) {}

    fn is_stalled(&self, _: EndpointAddress) -> bool {
        (self.flag)()
    }

    fn suspend(&self) {}

    fn resume(&self) {}

    fn poll(&self) -> PollResult {
        (self.poll)()
    }
}

impl From<Error> for Failed {
    fn from(_: Error) -> Self {
        Self
    }
}
