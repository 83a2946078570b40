use std::sync::mpsc;
use std::thread;

use super::*;
use crate::reader::usbip::protocol::{Submit, Transfer};

const OUT: u8 = 0x01;

/// Runs `device` whenever it has power, and `host` beside it; a panic of either is the test's.
fn run(mut device: impl FnMut(VirtualBus) + Send, host: impl FnOnce(&VirtualBus)) {
    let bus = VirtualBus::new();
    thread::scope(|scope| {
        let running = scope.spawn(|| bus.run(&mut device));
        host(&bus);
        bus.remove();
        running.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    });
}

/// The device connects with one endpoint.
fn connect(bus: &mut VirtualBus) {
    bus.alloc_ep(UsbDirection::Out, Some(OUT.into()), EndpointType::Bulk, 64, 0).unwrap();
    bus.enable();
}

/// The device sees the reset.
fn see_reset(bus: &VirtualBus) {
    assert!(bus.wait(None));
    assert!(matches!(bus.poll(), PollResult::Reset));
    // The reset hides what came with it, so there is another turn.
    assert!(bus.wait(None));
    assert!(matches!(bus.poll(), PollResult::None));
}

fn submit(session: &Session, seq: u32) {
    let transfer = Transfer::Out { data: b"abc".to_vec().into(), zero_packet: false };
    session.carry_out(Command::Submit(Submit { seq, device_id: 0, endpoint: 1, setup: [0; 8], transfer }));
}

#[test]
fn packet_that_is_left_alone_does_not_keep_the_device_awake() {
    let (ready, is_ready) = mpsc::channel();
    let device = move |mut bus: VirtualBus| {
        connect(&mut bus);
        see_reset(&bus);
        ready.send(()).unwrap();
        assert!(bus.wait(None));
        for _ in 0..2 {
            assert!(matches!(bus.poll(), PollResult::Data { ep_out: 2, ep_in_complete: 0, ep_setup: 0 }));
        }
        let (begun, timeout) = (Instant::now(), Duration::from_millis(20));
        assert!(bus.wait(Some(timeout)));
        assert!(begun.elapsed() >= timeout, "nothing has happened");
        assert_eq!(bus.read(OUT.into(), &mut [0; 64]), Ok(3));
        assert!(bus.wait(None), "a read is news: it may have made room");
        assert_eq!(bus.read(OUT.into(), &mut [0; 64]), Err(UsbError::WouldBlock));
        ready.send(()).unwrap();
        assert!(!bus.wait(None), "one in vain is none; only the end of the power is");
    };
    run(device, |bus| {
        let session = bus.attach().unwrap();
        is_ready.recv_timeout(PATIENCE).unwrap();
        submit(&session, 1);
        let expected = Reply::Submit { seq: 1, status: Status::DONE, actual: 3, data: Octets::default() };
        assert_eq!(session.reply(Some(PATIENCE)), Some(expected));
        // The power stays until the device has looked.
        is_ready.recv_timeout(PATIENCE).unwrap();
    });
}

#[test]
fn attachment_is_one_life_with_a_bus_reset() {
    let (ended, has_ended) = mpsc::channel();
    let device = move |mut bus: VirtualBus| {
        connect(&mut bus);
        while bus.wait(None) {}
        ended.send(()).unwrap();
    };
    run(device, |bus| {
        for seq in 0..3 {
            let session = bus.attach().unwrap();
            assert_eq!(bus.attach().unwrap_err(), OpStatus::BUSY);
            submit(&session, seq);
            session.detach();
            assert_eq!(session.reply(None), None, "nothing is read from a device without power");
            has_ended.recv_timeout(PATIENCE).unwrap();
            let next = bus.attach().unwrap();
            submit(&session, seq);
            assert_eq!(session.reply(None), None, "the device is another's");
            assert_eq!(next.reply(Some(Duration::ZERO)), None, "nor does the other hear of it");
            drop(session);
            submit(&next, seq);
            drop(next);
            has_ended.recv_timeout(PATIENCE).unwrap();
        }
    });
}

#[test]
fn device_that_does_not_connect_is_an_error() {
    run(|_| {}, |bus| assert_eq!(bus.attach().unwrap_err(), OpStatus::DEVICE_ERROR));
}

#[test]
fn device_that_is_gone_is_not_attached() {
    run(
        |_| {},
        |bus| {
            bus.remove();
            assert_eq!(bus.attach().unwrap_err(), OpStatus::NO_DEVICE);
        },
    );
}
