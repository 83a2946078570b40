//! Headers against the `flatbuffers` crate: what the core accepts, the verifier that flatc generated accepts too, with the same values; and what
//! can be written again reads back as it was.
#![no_main]

use cdoc2_nostd::wire::emit;
use cdoc2_nostd::wire::header::Header;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|octets: &[u8]| {
    cdoc2_tests::oracle::compare(octets);
    let Ok(header) = Header::parse(octets) else { return };
    let records: Vec<_> = header.records().collect();
    let Ok(len) = emit::encoded_len(&records) else { return };
    let mut written = vec![0; len];
    assert_eq!(emit::emit(&records, &mut written).unwrap().len(), len);
    assert_eq!(Header::parse(&written).unwrap().records().collect::<Vec<_>>(), records);
});
