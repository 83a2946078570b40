//! The token on Nordic's nRF52840 dongle (PCA10059).
#![no_std]
#![no_main]

mod board;
mod clock;

use core::convert::Infallible;

use board::Dongle;
use clock::Clock;
use cortex_m::peripheral::SCB;
use cortex_m::singleton;
use cortex_m_rt::entry;
use nrf52840_hal::clocks::{Clocks, ExternalOscillator, Internal, LfOscStopped};
use nrf52840_hal::pac::{FICR, Peripherals};
use nrf52840_hal::usbd::{UsbPeripheral, Usbd};
use token_fw::Token;
use token_fw::card::Card;
use token_fw::ccid::{Identity, UsbToken};
use usb_device::bus::UsbBusAllocator;

/// The identifiers for tests of pid.codes: whoever sells a token has their own.
const VENDOR_ID: u16 = 0x1209;
const PRODUCT_ID: u16 = 0x0001;

/// The firmware's version in `bcdDevice`: 0.1.
const DEVICE_RELEASE: u16 = 0x0010;

#[entry]
fn main() -> ! {
    Peripherals::take().and_then(run);
    // There is no token.
    halt()
}

/// The clocks as USB wants them.
type ExternalClocks = Clocks<ExternalOscillator, Internal, LfOscStopped>;

/// The bus that the chip's peripheral drives.
type Bus = Usbd<UsbPeripheral<'static>>;

/// Runs the token; returns if there is nothing to run. What lives as long as the token is static, so that the linker counts it.
fn run(peripherals: Peripherals) -> Option<Infallible> {
    let clocks = singleton!(: ExternalClocks = Clocks::new(peripherals.CLOCK).enable_ext_hfosc())?;
    let serial = singleton!(: Serial = Serial::new(&peripherals.FICR))?;
    let mut clock = Clock::new(peripherals.TIMER0);
    let dongle = Dongle::new(peripherals.RNG, peripherals.NVMC, peripherals.P0, peripherals.P1, &peripherals.UICR)?;
    // A card that cannot be opened must not look like a blank one.
    let card = Card::new(dongle).ok()?;
    let token = singleton!(: Token<Dongle> = Token::new(card))?;
    let bus = singleton!(: UsbBusAllocator<Bus> = UsbBusAllocator::new(Usbd::new(UsbPeripheral::new(peripherals.USBD, clocks))))?;
    let identity = Identity {
        vendor_id: VENDOR_ID,
        product_id: PRODUCT_ID,
        device_release: DEVICE_RELEASE,
        manufacturer: "cdoc2",
        product: "CDOC2 token",
        serial: serial.text(),
    };
    let usb = singleton!(: UsbToken<'static, Bus> = UsbToken::new(bus, &identity).ok()?)?;
    loop {
        usb.poll(clock.now(), token);
    }
}

/// The chip's identifier in hexadecimal digits.
struct Serial([u8; 16]);

impl Serial {
    fn new(ficr: &FICR) -> Self {
        let [low, high] = [ficr.deviceid[0].read().bits(), ficr.deviceid[1].read().bits()];
        let id = u64::from(high) << 32 | u64::from(low);
        let mut digits = [b'0'; 16];
        for (place, digit) in digits.iter_mut().rev().enumerate() {
            let nibble = (id >> (4 * place)) as u8 & 0xF;
            *digit = if nibble < 10 { b'0' + nibble } else { b'A' - 10 + nibble };
        }
        Self(digits)
    }

    fn text(&self) -> &str {
        str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// Does nothing more, until the power is taken away.
fn halt() -> ! {
    loop {
        cortex_m::asm::wfe();
    }
}

/// A panic begins anew, with a card that has no PIN verified. The reset leaves RAM as it is; the start-up code (cortex-m-rt, `zero-init-ram`)
/// zeroes all of it before anything of this program runs.
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    SCB::sys_reset()
}
