//! Any octets as a container: every answer of the envelope is consistent with what more octets would give.
#![no_main]

use cdoc2_nostd::Error;
use cdoc2_nostd::wire::envelope::{Envelope, header_len};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|octets: &[u8]| {
    match Envelope::parse(octets) {
        Ok((envelope, payload)) => {
            assert_eq!(envelope.encoded_len() + payload.len(), octets.len());
            assert_eq!(header_len(octets).unwrap(), envelope.header().octets().len());
            assert!(envelope.header().records().count() > 0);
            // One octet less than the envelope is incomplete, and says how many are wanted.
            let cut = &octets[..envelope.encoded_len() - 1];
            assert!(matches!(Envelope::parse(cut), Err(Error::Incomplete { needed }) if needed == envelope.encoded_len()));
        }
        Err(Error::Incomplete { needed }) => assert!(needed > octets.len()),
        Err(Error::Malformed(_) | Error::Unsupported(_)) => {}
        Err(other) => panic!("{other:?}"),
    }
});
