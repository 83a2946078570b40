//! The functions of `libusb.h` that libccid calls. Only here are pointers followed.
//!
//! Source of what they do: the libusb 1.0 API documentation.
#![allow(unsafe_code, reason = "a C interface takes and gives pointers, and exports names without mangling")]

use std::ffi::{CStr, c_char, c_int, c_uchar, c_uint, c_void};
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;
use std::{ptr, slice};

use simulator::reader::usbip::descriptor;
use simulator::reader::usbip::protocol;

use crate::device::{self, Device, Error, check};
use crate::layout::{Config, ConfigDescriptor, DeviceDescriptor, Transfer};
use crate::transfers::{self, Finished};

/// `LIBUSB_ENDPOINT_IN`.
const ENDPOINT_IN: u8 = 0x80;

/// `LIBUSB_TRANSFER_TYPE_BULK` and `LIBUSB_TRANSFER_TYPE_INTERRUPT`.
const BULK_OR_INTERRUPT: [u8; 2] = [2, 3];

/// How long libusb waits for an event at most.
const EVENT_TIMEOUT: Duration = Duration::from_secs(60);

/// An open device: `libusb_device_handle`.
struct Handle {
    device: Arc<Device>,
}

fn code(answer: Result<(), Error>) -> c_int {
    answer.map_or_else(|error| error as c_int, |()| 0)
}

/// 0 is no timeout.
fn timeout(ms: c_uint) -> Option<Duration> {
    (ms != 0).then(|| Duration::from_millis(ms.into()))
}

fn length(len: usize) -> c_int {
    c_int::try_from(len).unwrap_or(c_int::MAX)
}

/// # Safety
/// `context` is null or can be written to.
#[unsafe(no_mangle)]
unsafe extern "C" fn libusb_init(context: *mut *mut c_void) -> c_int {
    // There is one context for all; it only has to be something other than null.
    // SAFETY: the caller's promise.
    if let Some(context) = unsafe { context.as_mut() } {
        *context = ptr::dangling_mut::<u8>().cast();
    }
    0
}

#[unsafe(no_mangle)]
extern "C" fn libusb_exit(_context: *mut c_void) {}

/// # Safety
/// `list` can be written to.
#[unsafe(no_mangle)]
unsafe extern "C" fn libusb_get_device_list(_context: *mut c_void, list: *mut *mut *const Device) -> isize {
    let devices: Vec<*const Device> = device::devices().into_iter().map(Arc::into_raw).collect();
    let count = devices.len();
    let terminated: Box<[*const Device]> = devices.into_iter().chain([ptr::null()]).collect();
    // SAFETY: the caller's promise.
    unsafe { list.write(Box::into_raw(terminated).cast()) };
    // A list in memory is shorter than that.
    count.cast_signed()
}

/// # Safety
/// `list` is null or from [`libusb_get_device_list`], and used no more.
#[unsafe(no_mangle)]
unsafe extern "C" fn libusb_free_device_list(list: *mut *const Device, unref_devices: c_int) {
    if list.is_null() {
        return;
    }
    let mut len = 0;
    // SAFETY: a list ends with a null pointer, and the loop with the list.
    while let Some(device) = unsafe { list.add(len).read().as_ref() } {
        if unref_devices != 0 {
            // SAFETY: the pointer is from `Arc::into_raw`, and the list's reference is given back once.
            drop(unsafe { Arc::from_raw(ptr::from_ref(device)) });
        }
        len += 1;
    }
    // SAFETY: the list is a boxed slice of so many pointers and the null pointer.
    drop(unsafe { Box::from_raw(ptr::slice_from_raw_parts_mut(list, len + 1)) });
}

/// # Safety
/// `device` is from a list, and still referred to.
#[unsafe(no_mangle)]
unsafe extern "C" fn libusb_get_bus_number(device: *const Device) -> u8 {
    // SAFETY: the caller's promise.
    unsafe { &*device }.bus()
}

/// # Safety
/// As [`libusb_get_bus_number`].
#[unsafe(no_mangle)]
unsafe extern "C" fn libusb_get_device_address(device: *const Device) -> u8 {
    // SAFETY: the caller's promise.
    unsafe { &*device }.address()
}

/// # Safety
/// As [`libusb_get_bus_number`]; `descriptor` can be written to.
#[unsafe(no_mangle)]
unsafe extern "C" fn libusb_get_device_descriptor(device: *const Device, descriptor: *mut DeviceDescriptor) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { descriptor.write(DeviceDescriptor::new((*device).description())) };
    0
}

/// # Safety
/// As [`libusb_get_bus_number`]; `config` can be written to.
#[unsafe(no_mangle)]
unsafe extern "C" fn libusb_get_active_config_descriptor(device: *const Device, config: *mut *mut ConfigDescriptor) -> c_int {
    // SAFETY: the caller's promise. The descriptor is the first field.
    unsafe { config.write(Box::into_raw(Box::new(Config::new((*device).description()))).cast()) };
    0
}

/// # Safety
/// `config` is null or from [`libusb_get_active_config_descriptor`], and used no more.
#[unsafe(no_mangle)]
unsafe extern "C" fn libusb_free_config_descriptor(config: *mut ConfigDescriptor) {
    if !config.is_null() {
        // SAFETY: it was made as the first field of a boxed `Config`.
        drop(unsafe { Box::from_raw(config.cast::<Config>()) });
    }
}

/// # Safety
/// As [`libusb_get_bus_number`]; `handle` can be written to.
#[unsafe(no_mangle)]
unsafe extern "C" fn libusb_open(device: *const Device, handle: *mut *mut Handle) -> c_int {
    // SAFETY: the pointer is from `Arc::into_raw`; the handle gets a reference of its own.
    let device = unsafe {
        Arc::increment_strong_count(device);
        Arc::from_raw(device)
    };
    // SAFETY: the caller's promise.
    unsafe { handle.write(Box::into_raw(Box::new(Handle { device }))) };
    0
}

/// # Safety
/// `handle` is null or from [`libusb_open`], and used no more.
#[unsafe(no_mangle)]
unsafe extern "C" fn libusb_close(handle: *mut Handle) {
    if !handle.is_null() {
        // SAFETY: the caller's promise.
        drop(unsafe { Box::from_raw(handle) });
    }
}

#[unsafe(no_mangle)]
extern "C" fn libusb_claim_interface(_handle: *mut Handle, _number: c_int) -> c_int {
    // Nobody else has the device: it is attached to this process.
    0
}

#[unsafe(no_mangle)]
extern "C" fn libusb_release_interface(_handle: *mut Handle, _number: c_int) -> c_int {
    0
}

/// The transfer to or from the caller's buffer.
///
/// # Safety
/// `data` has `len` octets to read, or room for them, unless `len` is 0.
unsafe fn direction(is_in: bool, data: *const c_uchar, len: usize) -> protocol::Transfer {
    if is_in {
        protocol::Transfer::In { len }
    } else if len == 0 {
        protocol::Transfer::Out { data: Vec::new().into(), zero_packet: false }
    } else {
        // SAFETY: the caller's promise.
        let data = unsafe { slice::from_raw_parts(data, len) }.to_vec();
        protocol::Transfer::Out { data: data.into(), zero_packet: false }
    }
}

/// Copies what came to the caller's buffer.
///
/// # Safety
/// `to` has room for `len` octets.
unsafe fn deliver(data: &[u8], to: *mut c_uchar, len: usize) {
    let fitting = &data[..data.len().min(len)];
    if !fitting.is_empty() {
        // SAFETY: the caller's promise; a buffer of ours is none of the caller's.
        unsafe { ptr::copy_nonoverlapping(fitting.as_ptr(), to, fitting.len()) };
    }
}

/// # Safety
/// `handle` is from [`libusb_open`]; `data` has `len` octets to read, or room for them.
#[unsafe(no_mangle)]
unsafe extern "C" fn libusb_control_transfer(
    handle: *mut Handle,
    request_type: u8,
    request: u8,
    value: u16,
    index: u16,
    data: *mut c_uchar,
    len: u16,
    timeout_ms: c_uint,
) -> c_int {
    let mut setup = descriptor::setup(false, request, value, index, len);
    setup[0] = request_type;
    let len = usize::from(len);
    // SAFETY: the caller's promises.
    let (device, transfer) = unsafe { (&(*handle).device, direction(request_type & ENDPOINT_IN != 0 && len != 0, data, len)) };
    let ended =
        device.control(setup, transfer, timeout(timeout_ms)).and_then(|completed| check(completed.status).map(|()| completed));
    match ended {
        Ok(completed) => {
            // SAFETY: the caller's promise.
            unsafe { deliver(&completed.data, data, len) };
            length(completed.actual)
        }
        Err(error) => error as c_int,
    }
}

/// # Safety
/// `handle` is from [`libusb_open`]; `data` has `len` octets to read, or room for them; `transferred` is null or can be written to.
#[unsafe(no_mangle)]
unsafe extern "C" fn libusb_bulk_transfer(
    handle: *mut Handle,
    endpoint: c_uchar,
    data: *mut c_uchar,
    len: c_int,
    transferred: *mut c_int,
    timeout_ms: c_uint,
) -> c_int {
    let Ok(len) = usize::try_from(len) else { return Error::InvalidParam as c_int };
    // SAFETY: the caller's promises.
    let (device, transfer) = unsafe { (&(*handle).device, direction(endpoint & ENDPOINT_IN != 0, data, len)) };
    let ended = device.transfer(endpoint & !ENDPOINT_IN, transfer, timeout(timeout_ms));
    let actual = ended.as_ref().map_or(0, |completed| completed.actual);
    // SAFETY: the caller's promises.
    unsafe {
        if let Ok(completed) = &ended {
            deliver(&completed.data, data, len);
        }
        if let Some(transferred) = transferred.as_mut() {
            *transferred = length(actual);
        }
    }
    code(ended.and_then(|completed| check(completed.status)))
}

/// # Safety
/// `handle` is from [`libusb_open`]; `data` has room for `len` octets.
#[unsafe(no_mangle)]
unsafe extern "C" fn libusb_get_string_descriptor_ascii(handle: *mut Handle, index: u8, data: *mut c_uchar, len: c_int) -> c_int {
    let Some(room) = usize::try_from(len).ok().and_then(|len| len.checked_sub(1)).filter(|_| index != 0) else {
        return Error::InvalidParam as c_int;
    };
    // SAFETY: the caller's promise.
    match unsafe { &(*handle).device }.ascii_string(index) {
        Ok(mut string) => {
            string.truncate(room);
            string.push(0);
            // SAFETY: the caller's promise.
            unsafe { deliver(&string, data, room + 1) };
            length(string.len() - 1)
        }
        Err(error) => error as c_int,
    }
}

#[unsafe(no_mangle)]
extern "C" fn libusb_error_name(code: c_int) -> *const c_char {
    let name: &'static CStr = match code {
        0 => c"LIBUSB_SUCCESS",
        -1 => c"LIBUSB_ERROR_IO",
        -2 => c"LIBUSB_ERROR_INVALID_PARAM",
        -4 => c"LIBUSB_ERROR_NO_DEVICE",
        -5 => c"LIBUSB_ERROR_NOT_FOUND",
        -7 => c"LIBUSB_ERROR_TIMEOUT",
        -8 => c"LIBUSB_ERROR_OVERFLOW",
        -9 => c"LIBUSB_ERROR_PIPE",
        -12 => c"LIBUSB_ERROR_NOT_SUPPORTED",
        _ => c"**UNKNOWN**",
    };
    name.as_ptr()
}

#[unsafe(no_mangle)]
extern "C" fn libusb_alloc_transfer(iso_packets: c_int) -> *mut Transfer {
    if iso_packets == 0 { Box::into_raw(Box::new(Transfer::new())) } else { ptr::null_mut() }
}

/// # Safety
/// `transfer` is null or from [`libusb_alloc_transfer`], has ended, and is used no more.
#[unsafe(no_mangle)]
unsafe extern "C" fn libusb_free_transfer(transfer: *mut Transfer) {
    if !transfer.is_null() {
        // SAFETY: the caller's promise.
        drop(unsafe { Box::from_raw(transfer) });
    }
}

/// # Safety
/// `transfer` is from [`libusb_alloc_transfer`] and filled in; it and its buffer stay until it has ended.
#[unsafe(no_mangle)]
unsafe extern "C" fn libusb_submit_transfer(transfer: *mut Transfer) -> c_int {
    // SAFETY: the caller's promise.
    let fields = unsafe { &*transfer };
    let Ok(len) = usize::try_from(fields.length) else { return Error::InvalidParam as c_int };
    if !BULK_OR_INTERRUPT.contains(&fields.kind) {
        return Error::NotSupported as c_int;
    }
    // SAFETY: the caller's promise.
    let (handle, direction) =
        unsafe { (&*fields.handle.cast::<Handle>(), direction(fields.endpoint & ENDPOINT_IN != 0, fields.buffer, len)) };
    let number = fields.endpoint & !ENDPOINT_IN;
    code(transfers::begin(transfer.expose_provenance(), &handle.device, number, direction, timeout(fields.timeout)))
}

/// # Safety
/// `transfer` is from [`libusb_alloc_transfer`].
#[unsafe(no_mangle)]
unsafe extern "C" fn libusb_cancel_transfer(transfer: *mut Transfer) -> c_int {
    code(transfers::cancel(transfer.addr()))
}

/// # Safety
/// `completed` is null or can be read; callbacks of transfers may be called.
#[unsafe(no_mangle)]
unsafe extern "C" fn libusb_handle_events_completed(_context: *mut c_void, completed: *mut c_int) -> c_int {
    // A callback sets it, maybe one that another thread calls.
    // SAFETY: the caller's promise; an `int` is aligned as an atomic one.
    let enough = || !completed.is_null() && unsafe { AtomicI32::from_ptr(completed) }.load(Ordering::SeqCst) != 0;
    if let Some(Finished { transfer, outcome, actual, data }) = transfers::next(EVENT_TIMEOUT, enough) {
        let transfer = ptr::with_exposed_provenance_mut::<Transfer>(transfer);
        // SAFETY: who submits a transfer keeps it and its buffer until its callback was called, which is here.
        unsafe {
            let fields = &mut *transfer;
            fields.status = outcome as c_int;
            fields.actual_length = length(actual);
            // Submitted transfers have a length that is no less than 0.
            deliver(&data, fields.buffer, usize::try_from(fields.length).unwrap_or(0));
            if let Some(callback) = fields.callback {
                callback(transfer);
            }
        }
        transfers::wake();
    }
    0
}

#[cfg(test)]
mod tests;
