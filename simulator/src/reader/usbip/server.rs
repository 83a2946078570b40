//! A USB/IP server: exports virtual devices over TCP.

use std::io::{self, BufReader, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use thiserror::Error;

use super::bus::{Session, VirtualBus};
use super::descriptor::{self, Description};
use super::octets::Octets;
use super::protocol::{self, BusId, Command, FULL_SPEED, OpStatus, Record, Reply, Request, Status, Submit, Transfer};

/// Connections that may be open at a time; more are closed at once.
const MAX_CONNECTIONS: usize = 32;

/// Number of the bus on which all devices are.
const BUS: u16 = 1;

/// Longest that a device may take to answer when it is first plugged in.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why a device cannot be plugged in.
#[derive(Debug, Error)]
pub enum PlugError {
    /// There is no thread for it, or no more room on the bus.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It does not connect to the bus.
    #[error("the virtual USB device does not connect to the bus")]
    Silent,
    /// It does not answer a request, or refuses it.
    #[error("the virtual USB device does not answer the request {0:02x?}")]
    Refused([u8; 8]),
    /// It describes itself in a way that no host understands.
    #[error(transparent)]
    Malformed(#[from] descriptor::Malformed),
}

/// A USB/IP server. It listens from the moment that it exists, and ends when it is dropped: connections are closed and devices lose power.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    hub: Arc<Hub>,
    accepting: Option<JoinHandle<()>>,
    running: Vec<JoinHandle<()>>,
}

impl Server {
    /// Listens on `address`, with no device yet. Port 0 takes any free one: [`address`](Self::address).
    ///
    /// # Errors
    /// The address cannot be had.
    pub fn bind(address: impl ToSocketAddrs) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        let address = listener.local_addr()?;
        let hub = Arc::new(Hub::default());
        let accepting = thread::Builder::new().name("usbip-server".into()).spawn({
            let hub = Arc::clone(&hub);
            move || accept(&listener, &hub)
        })?;
        Ok(Self { address, hub, accepting: Some(accepting), running: Vec::new() })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Plugs a device in and tells by which name it can be attached. `device` is run, in a thread of its own, every time that the device gets
    /// power; it must return when [`VirtualBus::wait`] says that the power is gone. That happens once before this returns: the server asks
    /// the device what it is.
    ///
    /// # Errors
    /// The device does not answer as a USB device does.
    pub fn plug_in(&mut self, device: impl FnMut(VirtualBus) + Send + 'static) -> Result<BusId, PlugError> {
        let bus = VirtualBus::new();
        self.running.push(thread::Builder::new().name("usb-device".into()).spawn({
            let bus = bus.clone();
            move || bus.run(device)
        })?);
        let number = self.hub.lock().ports.len() + 1;
        let described = describe(&bus).and_then(|description| record(&description, number));
        match described {
            Ok(record) => {
                let bus_id = record.bus_id;
                self.hub.lock().ports.push(Port { record, bus, plugged_in: true });
                Ok(bus_id)
            }
            Err(error) => {
                bus.remove();
                Err(error)
            }
        }
    }

    /// Pulls the device out of its socket: it loses power, its connection is closed, and it is exported no more. Nothing happens if it is out
    /// already, or unknown.
    pub fn unplug(&self, bus_id: BusId) {
        for port in self.hub.lock().ports.iter_mut().filter(|port| port.record.bus_id == bus_id) {
            port.plugged_in = false;
            port.bus.cut_power();
        }
    }

    /// Puts a device back that [`unplug`](Self::unplug) took out.
    pub fn replug(&self, bus_id: BusId) {
        for port in self.hub.lock().ports.iter_mut().filter(|port| port.record.bus_id == bus_id) {
            port.plugged_in = true;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        {
            let mut hub = self.hub.lock();
            hub.closing = true;
            for port in &hub.ports {
                port.bus.remove();
            }
            for (_, connection) in &hub.connections {
                // One that is closed already is what is wanted.
                let _ = connection.shutdown(Shutdown::Both);
            }
        }
        // The thread that accepts looks up when somebody knocks.
        let woken = TcpStream::connect(self.address).is_ok();
        let accepting = self.accepting.take().filter(|_| woken);
        for thread in self.running.drain(..).chain(accepting) {
            // A device that panicked has said so itself.
            let _ = thread.join();
        }
    }
}

#[derive(Debug, Default)]
struct Hub(Mutex<Sockets>);

#[derive(Debug, Default)]
struct Sockets {
    closing: bool,
    ports: Vec<Port>,
    connections: Vec<(u64, TcpStream)>,
    accepted: u64,
}

/// A socket of the hub, with a device that belongs in it.
#[derive(Debug)]
struct Port {
    record: Record,
    bus: VirtualBus,
    plugged_in: bool,
}

impl Hub {
    fn lock(&self) -> MutexGuard<'_, Sockets> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The devices' descriptors, from themselves.
fn describe(bus: &VirtualBus) -> Result<Description, PlugError> {
    let session = bus.attach().map_err(|_| PlugError::Silent)?;
    let mut seq = 0;
    Description::enumerate(|setup| {
        seq += 1;
        let len = usize::from(u16::from_le_bytes([setup[6], setup[7]]));
        let transfer =
            if setup[0] & 0x80 != 0 { Transfer::In { len } } else { Transfer::Out { data: Octets::default(), zero_packet: false } };
        session.carry_out(Command::Submit(Submit { seq, device_id: 0, endpoint: 0, setup, transfer }));
        match session.reply(Some(PATIENCE)) {
            Some(Reply::Submit { status: Status::DONE, data, .. }) => Ok(data.into()),
            _ => Err(PlugError::Refused(setup)),
        }
    })
}

fn record(description: &Description, number: usize) -> Result<Record, PlugError> {
    let Description { device, configuration } = description;
    let full = || io::Error::from(io::ErrorKind::QuotaExceeded);
    // A bus has 127 addresses, and the hub has the first one (USB 2.0, 8.3.2.1).
    let address = u16::try_from(number + 1).ok().filter(|address| *address < 128).ok_or_else(full)?;
    let interfaces = configuration.interfaces.iter().filter(|interface| interface.octets[3] == 0);
    Ok(Record {
        bus_id: BusId::new(&format!("{BUS}-{number}")).map_err(|_| full())?,
        bus: BUS,
        address,
        speed: FULL_SPEED,
        vendor: description.device_field(8),
        product: description.device_field(10),
        release: description.device_field(12),
        class: [device[4], device[5], device[6]],
        configuration: configuration.octets[5],
        configurations: device[17],
        interfaces: interfaces.map(descriptor::Interface::class).collect(),
    })
}

/// Serves every connection in a thread of its own, and ends when all have ended.
fn accept(listener: &TcpListener, hub: &Hub) {
    thread::scope(|scope| {
        for stream in listener.incoming() {
            let mut sockets = hub.lock();
            if sockets.closing {
                return;
            }
            // One that failed before it was accepted is its client's affair.
            let Ok(stream) = stream else { continue };
            let Ok(registered) = stream.try_clone() else { continue };
            if sockets.connections.len() >= MAX_CONNECTIONS {
                continue;
            }
            sockets.accepted += 1;
            let number = sockets.accepted;
            sockets.connections.push((number, registered));
            drop(sockets);
            let serving = thread::Builder::new().name("usbip-connection".into()).spawn_scoped(scope, move || {
                // What a client does wrong ends its connection, and concerns nobody else.
                let _ = serve(&stream, hub);
                let _ = stream.shutdown(Shutdown::Both);
                hub.lock().connections.retain(|(other, _)| *other != number);
            });
            if serving.is_err() {
                hub.lock().connections.retain(|(other, _)| *other != number);
            }
        }
    });
}

/// One connection: a list of devices, or an import and what follows.
fn serve(stream: &TcpStream, hub: &Hub) -> Result<(), protocol::Error> {
    stream.set_nodelay(true)?;
    let mut input = BufReader::new(stream);
    let mut answer = Vec::new();
    match Request::read(&mut input)? {
        Request::Devices => {
            let sockets = hub.lock();
            let records: Vec<Record> =
                sockets.ports.iter().filter(|port| port.plugged_in).map(|port| port.record.clone()).collect();
            drop(sockets);
            protocol::emit_devices(&records, &mut answer);
            let mut output = stream;
            Ok(output.write_all(&answer)?)
        }
        Request::Import(bus_id) => {
            let import = import(hub, bus_id);
            protocol::emit_import(import.as_ref().map(|(record, _)| record).map_err(|status| *status), &mut answer);
            let mut output = stream;
            output.write_all(&answer)?;
            match import {
                Ok((record, session)) => attached(stream, &mut input, record.device_id(), &session),
                Err(_) => Ok(()),
            }
        }
    }
}

fn import(hub: &Hub, bus_id: BusId) -> Result<(Record, Session), OpStatus> {
    let sockets = hub.lock();
    let port = sockets.ports.iter().find(|port| port.plugged_in && port.record.bus_id == bus_id).ok_or(OpStatus::NO_DEVICE)?;
    let (record, bus) = (port.record.clone(), port.bus.clone());
    drop(sockets);
    Ok((record, bus.attach()?))
}

/// The host's commands go to the device, its replies to the host, until either is gone; then the device loses power.
fn attached(
    stream: &TcpStream,
    input: &mut BufReader<&TcpStream>,
    device_id: u32,
    session: &Session,
) -> Result<(), protocol::Error> {
    thread::scope(|scope| {
        thread::Builder::new().name("usbip-replies".into()).spawn_scoped(scope, || {
            let mut output = stream;
            let mut message = Vec::new();
            while let Some(reply) = session.reply(None) {
                message.clear();
                reply.emit(&mut message);
                if output.write_all(&message).is_err() {
                    break;
                }
            }
            // The other thread reads, or waits until replies are fetched, and has to hear that this is over.
            session.detach();
            let _ = stream.shutdown(Shutdown::Both);
        })?;
        let ended = read_commands(input, device_id, session);
        session.detach();
        ended
    })
}

fn read_commands(input: &mut BufReader<&TcpStream>, device_id: u32, session: &Session) -> Result<(), protocol::Error> {
    while let Some(command) = Command::read(input)? {
        match command {
            Command::Submit(submit) if submit.device_id != device_id => session.refuse(submit.seq, Status::NO_DEVICE),
            command => session.carry_out(command),
        }
    }
    Ok(())
}
