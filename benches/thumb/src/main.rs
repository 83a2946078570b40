//! Opens a container with the CDOC2 core on a Cortex-M4, and tells over semihosting what each step took.
//!
//! Each line is `step,instructions,stack`: what QEMU executed, and how many octets of stack were in use at most, callers included.
#![no_std]
#![no_main]

mod meter;
mod runtime;
mod stack;

use cdoc2_nostd::Error;
use cdoc2_nostd::decrypt::{Unverified, Verified};
use cdoc2_nostd::ecdh::SoftKey;
use cdoc2_nostd::holder::{Fit, KeyHolder};
use cdoc2_nostd::payload::{NONCE_LEN, TAG_LEN};
use cdoc2_nostd::wire::envelope::Envelope;
use cdoc2_nostd::wire::header::RecipientRecord;
use cortex_m_semihosting::debug;
use meter::Meter;
use p384::NistP384;

/// Written by libcdoc 0.5.1 for five recipients, the last of them with a P-384 key.
static CONTAINER: &[u8] = include_bytes!("../container.cdoc2");

/// The private scalar of that recipient; it exists for testing only.
static SCALAR: &[u8] = include_bytes!("../key.scalar");

/// Octets of plaintext at a time, as a token that streams would have.
const CHUNK_LEN: usize = 64;

/// Why the container was not opened.
enum Failure {
    /// The core refused.
    Core,
    /// No record is for the key.
    NoRecord,
    /// The payload is shorter than its nonce and tag.
    Payload,
}

impl From<Error> for Failure {
    fn from(_: Error) -> Self {
        Self::Core
    }
}

#[cortex_m_rt::entry]
fn main() -> ! {
    let opened = Meter::new().map(|meter| open(&meter));
    debug::exit(match opened {
        Some(Ok(())) => debug::EXIT_SUCCESS,
        Some(Err(Failure::Core | Failure::NoRecord | Failure::Payload)) | None => debug::EXIT_FAILURE,
    });
    unreachable!("semihosting has ended the program")
}

fn open(meter: &Meter) -> Result<(), Failure> {
    let key = meter.step("load the private key", || SoftKey::<NistP384>::from_scalar(SCALAR))?;
    let (envelope, payload, record) = meter.step("parse the envelope and find the record", || find(&key))?;
    let kek = meter.step("ECDH and KEK", || key.kek(&record))?;
    let verified = meter.step("verify the header and derive the CEK", || Unverified::new(envelope, &record, &kek)?.verify())?;
    meter.step("authenticate the payload", || authenticate(&verified, payload))?;
    meter.step("decrypt the payload", || decrypt(&verified, payload))
}

/// The envelope, the payload after it, and the record for `key`.
fn find(key: &SoftKey<NistP384>) -> Result<(Envelope<'static>, &'static [u8], RecipientRecord<'static>), Failure> {
    let (envelope, payload) = Envelope::parse(CONTAINER)?;
    let record = envelope.header().records().find(|record| key.fit(record) == Fit::Yes).ok_or(Failure::NoRecord)?;
    Ok((envelope, payload, record))
}

/// Nonce, ciphertext and tag.
type Parts<'p> = (&'p [u8; NONCE_LEN], &'p [u8], &'p [u8; TAG_LEN]);

fn split(payload: &[u8]) -> Result<Parts<'_>, Failure> {
    let (nonce, rest) = payload.split_first_chunk().ok_or(Failure::Payload)?;
    let (ciphertext, tag) = rest.split_last_chunk().ok_or(Failure::Payload)?;
    Ok((nonce, ciphertext, tag))
}

fn authenticate(verified: &Verified<'_>, payload: &[u8]) -> Result<(), Failure> {
    let (nonce, ciphertext, tag) = split(payload)?;
    let mut authenticator = verified.authenticator(nonce)?;
    authenticator.update(ciphertext)?;
    Ok(authenticator.finish(tag)?)
}

fn decrypt(verified: &Verified<'_>, payload: &[u8]) -> Result<(), Failure> {
    let (nonce, ciphertext, tag) = split(payload)?;
    let mut decryptor = verified.decryptor(nonce)?;
    let mut buffer = [0; CHUNK_LEN];
    for chunk in ciphertext.chunks(CHUNK_LEN) {
        if let Some(plaintext) = buffer.get_mut(..chunk.len()) {
            plaintext.copy_from_slice(chunk);
            decryptor.decrypt(plaintext)?;
        }
    }
    Ok(decryptor.finish(tag)?)
}
