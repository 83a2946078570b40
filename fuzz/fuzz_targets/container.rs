//! Whole containers: any octets, and a good one with any octet altered. Nothing but the unaltered one opens.
#![no_main]

use std::io::Cursor;
use std::sync::LazyLock;

use cdoc2::archive::check::Policy;
use cdoc2::{Container, Error, InputFile, Recipient, Selection, Unlock};
use libfuzzer_sys::fuzz_target;
use zeroize::Zeroizing;

const KEY: [u8; 32] = [7; 32];

static GOOD: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let recipients = [
        Recipient::SymmetricKey { key: Zeroizing::new(vec![8; 32]), label: "other".into() },
        Recipient::SymmetricKey { key: Zeroizing::new(KEY.to_vec()), label: "own".into() },
    ];
    let file = InputFile::from_reader("file.txt", &mut Cursor::new(b"content")).unwrap();
    let mut octets = Vec::new();
    cdoc2::encrypt(&recipients, &[file], &mut octets, &mut |_| {}).unwrap();
    octets
});

fn open(octets: &[u8]) -> Result<usize, Error> {
    let container = Container::spool(&mut Cursor::new(octets))?;
    let unlock = Unlock::SymmetricKey(Zeroizing::new(KEY.to_vec()));
    let unlocked = container.unlock(&unlock, &Selection::Any, 1)?;
    let authentic = unlocked.authenticate(&mut |_| {})?;
    Ok(authentic.list(&Policy::default(), &mut |_| {})?.files.len())
}

fuzz_target!(|octets: &[u8]| {
    assert!(open(octets).is_err(), "nobody can make a container for this key by chance");
    // The first two octets choose where the rest goes over the good container.
    let (Some(at), Some(patch)) = (octets.first_chunk(), octets.get(2..)) else { return };
    let mut altered = GOOD.clone();
    let at = usize::from(u16::from_le_bytes(*at)) % altered.len();
    for (octet, value) in altered[at..].iter_mut().zip(patch) {
        *octet ^= value;
    }
    assert_eq!(open(&altered).is_ok(), altered == *GOOD);
});
