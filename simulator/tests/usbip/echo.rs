//! A device with two bulk endpoints that sends every message back: one ends with a packet shorter than 64 octets.

use std::collections::VecDeque;

use simulator::reader::usbip::VirtualBus;
use usb_device::Result;
use usb_device::bus::{InterfaceNumber, UsbBusAllocator};
use usb_device::class::{ControlOut, UsbClass};
use usb_device::control::RequestType;
use usb_device::descriptor::DescriptorWriter;
use usb_device::device::{StringDescriptors, UsbDeviceBuilder, UsbRev, UsbVidPid};
use usb_device::endpoint::{EndpointIn, EndpointOut};

/// SETUP packet of the request to stall the endpoint to the host.
pub(crate) const STALL_IN: [u8; 8] = *b"\x40\x01\0\0\0\0\0\0";

const PACKET: usize = 64;

pub(crate) struct Echo<'a> {
    interface: InterfaceNumber,
    from_host: EndpointOut<'a, VirtualBus>,
    to_host: EndpointIn<'a, VirtualBus>,
    message: Vec<u8>,
    /// Packets to be sent.
    packets: VecDeque<Vec<u8>>,
}

impl Echo<'_> {
    /// The device, to be plugged in.
    pub(crate) fn device() -> impl FnMut(VirtualBus) + Send + 'static {
        |bus| {
            let allocator = UsbBusAllocator::new(bus.clone());
            let mut echo = Echo {
                interface: allocator.interface(),
                from_host: allocator.bulk(64),
                to_host: allocator.bulk(64),
                message: Vec::new(),
                packets: VecDeque::new(),
            };
            let mut device = UsbDeviceBuilder::new(&allocator, UsbVidPid(0x1209, 0x0002))
                .device_release(0x0100)
                .usb_rev(UsbRev::Usb200)
                .strings(&[StringDescriptors::default().manufacturer("CDOC2").product("Echo").serial_number("1")])
                .unwrap()
                .max_packet_size_0(64)
                .unwrap()
                .build();
            while bus.wait(None) {
                device.poll(&mut [&mut echo]);
                echo.run();
            }
        }
    }

    fn run(&mut self) {
        let mut packet = [0; PACKET];
        while self.packets.is_empty()
            && let Ok(len) = self.from_host.read(&mut packet)
        {
            self.message.extend(&packet[..len]);
            if len < PACKET {
                self.packets.extend(self.message.chunks(PACKET).map(<[u8]>::to_vec));
                if self.message.len().is_multiple_of(PACKET) {
                    self.packets.push_back(Vec::new());
                }
                self.message.clear();
            }
        }
        while let Some(packet) = self.packets.front()
            && self.to_host.write(packet).is_ok()
        {
            self.packets.pop_front();
        }
    }
}

impl UsbClass<VirtualBus> for Echo<'_> {
    fn get_configuration_descriptors(&self, writer: &mut DescriptorWriter<'_>) -> Result<()> {
        writer.interface(self.interface, 0xFF, 1, 2)?;
        writer.endpoint(&self.from_host)?;
        writer.endpoint(&self.to_host)
    }

    fn control_out(&mut self, transfer: ControlOut<'_, '_, '_, VirtualBus>) {
        let request = transfer.request();
        if request.request_type == RequestType::Vendor && request.request == STALL_IN[1] {
            self.to_host.stall();
            transfer.accept().unwrap();
        }
    }
}
