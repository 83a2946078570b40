//! Containers through the API: every recipient opens, nothing is released that is not authentic, nothing is left behind.

use std::fs;
use std::io::{Cursor, Read, Write as _};
use std::path::Path;

use cdoc2::archive::check::Policy;
use cdoc2::keys::{EcPrivateKey, PrivateKey, RsaPrivateKey};
use cdoc2::pending::Existing;
use cdoc2::{Container, Error, InputFile, Kind, NoRecord, Recipient, Selection, Unlock, UnlockError};
use cdoc2_nostd::Curve;
use cdoc2_nostd::holder::{Fit, KeyHolder, Released};
use cdoc2_nostd::symmetric::SymmetricKey;
use cdoc2_nostd::wire::envelope::Envelope;
use cdoc2_nostd::wire::header::RecipientRecord;
use zeroize::Zeroizing;

const MAX_KDF_ITERATIONS: u32 = 10_000_000;
const PASSWORD: &str = "Väga salajane parool 1";

fn secret(octets: &[u8]) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(octets.to_vec())
}

fn password(label: &str) -> Recipient {
    Recipient::Password { password: secret(PASSWORD.as_bytes()), label: label.into() }
}

fn symmetric(key: u8, label: &str) -> Recipient {
    Recipient::SymmetricKey { key: secret(&[key; 32]), label: label.into() }
}

fn public(key: &PrivateKey) -> Recipient {
    Recipient::PublicKey { key: key.public_key(), label: "key.pem".into() }
}

fn input(name: &str, content: &[u8]) -> InputFile {
    InputFile::from_reader(name, &mut Cursor::new(content)).unwrap()
}

fn write(recipients: &[Recipient], files: &[InputFile]) -> Vec<u8> {
    let mut octets = Vec::new();
    cdoc2::encrypt(recipients, files, &mut octets, &mut |_| {}).unwrap();
    octets
}

fn container(octets: &[u8]) -> Result<Container, Error> {
    Container::spool(&mut Cursor::new(octets))
}

fn unpack(octets: &[u8], unlock: &Unlock, selection: &Selection, target: &Path) -> Result<usize, Error> {
    let container = container(octets)?;
    let unlocked = container.unlock(unlock, selection, MAX_KDF_ITERATIONS)?;
    let index = unlocked.index();
    unlocked.authenticate(&mut |_| {})?.unpack(target, Existing::Refuse, &Policy::default(), &mut |_| {})?;
    Ok(index)
}

#[test]
fn every_kind_of_recipient_opens() {
    let mut keys: Vec<PrivateKey> =
        Curve::ALL.into_iter().map(|curve| PrivateKey::Ec(EcPrivateKey::generate(curve).unwrap())).collect();
    keys.push(PrivateKey::Rsa(RsaPrivateKey::generate(2048).unwrap()));
    let mut recipients: Vec<Recipient> = keys.iter().map(public).collect();
    recipients.extend([password("vihje"), symmetric(7, "võti")]);
    let files = [input("õ.txt", b"first"), input("empty", b""), input("b.bin", &[9; 70_000])];
    let octets = write(&recipients, &files);

    let mut unlocks: Vec<Unlock> = keys.into_iter().map(Unlock::PrivateKey).collect();
    unlocks.push(Unlock::Password(secret(PASSWORD.as_bytes())));
    unlocks.push(Unlock::SymmetricKey(secret(&[7; 32])));
    for (index, unlock) in (1..).zip(&unlocks) {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(unpack(&octets, unlock, &Selection::Any, folder.path()).unwrap(), index, "{unlock:?}");
        assert_eq!(fs::read(folder.path().join("õ.txt")).unwrap(), b"first");
        assert_eq!(fs::read(folder.path().join("empty")).unwrap(), b"");
        assert_eq!(fs::read(folder.path().join("b.bin")).unwrap(), [9; 70_000]);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
    }
}

#[test]
fn records_are_selected_by_label_and_by_number() {
    let octets = write(&[symmetric(1, "one"), symmetric(2, "two"), password("hint")], &[input("a", b"a")]);
    let folder = tempfile::tempdir().unwrap();
    let two = Unlock::SymmetricKey(secret(&[2; 32]));
    let select = |selection: Selection| {
        unpack(&octets, &two, &selection, &folder.path().join(format!("{selection:?}").replace(['"', '(', ')'], "_")))
    };
    assert_eq!(select(Selection::Any).unwrap(), 2);
    assert_eq!(select(Selection::Label("two".into())).unwrap(), 2);
    assert_eq!(select(Selection::Label("data:,v=1&type=secret&label=two".into())).unwrap(), 2);
    assert_eq!(select(Selection::Index(2)).unwrap(), 2);
    assert!(matches!(select(Selection::Index(1)), Err(Error::Rejected)));
    assert!(matches!(select(Selection::Index(3)), Err(Error::NoRecord(NoRecord::Mismatch { index: 3, .. }))));
    assert!(matches!(select(Selection::Index(4)), Err(Error::NoRecord(NoRecord::Index { index: 4, count: 3 }))));
    assert!(matches!(select(Selection::Index(0)), Err(Error::NoRecord(NoRecord::Index { index: 0, count: 3 }))));
    assert!(matches!(select(Selection::Label("TWO".into())), Err(Error::NoRecord(NoRecord::Label { .. }))));
    assert!(matches!(select(Selection::Label("one".into())), Err(Error::Rejected)));
}

#[test]
fn strangers_are_told_why() {
    let octets = write(&[symmetric(1, "one")], &[input("a", b"a")]);
    let folder = tempfile::tempdir().unwrap();
    let refused = |unlock: Unlock| unpack(&octets, &unlock, &Selection::Any, folder.path()).unwrap_err().kind();
    assert_eq!(refused(Unlock::SymmetricKey(secret(&[2; 32]))), Kind::Rejected);
    assert_eq!(refused(Unlock::Password(secret(b"password"))), Kind::NoRecord);
    assert_eq!(refused(Unlock::PrivateKey(PrivateKey::Ec(EcPrivateKey::generate(Curve::Secp384r1).unwrap()))), Kind::NoRecord);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

/// A key somewhere else: each record is released by what `outcomes` says next.
struct Elsewhere {
    outcomes: Vec<Result<[u8; 32], ElsewhereError>>,
    releases: usize,
}

#[derive(Debug)]
enum ElsewhereError {
    Container(Error),
    PulledOut,
}

impl From<Error> for ElsewhereError {
    fn from(error: Error) -> Self {
        Self::Container(error)
    }
}

impl From<cdoc2_nostd::Error> for ElsewhereError {
    fn from(error: cdoc2_nostd::Error) -> Self {
        Self::Container(error.into())
    }
}

impl UnlockError for ElsewhereError {
    fn about_record(&self) -> Option<&Error> {
        match self {
            Self::Container(error) => Some(error),
            Self::PulledOut => None,
        }
    }
}

impl KeyHolder for Elsewhere {
    type Error = ElsewhereError;

    fn fit(&self, record: &RecipientRecord<'_>) -> Fit {
        SymmetricKey::new(&[]).fit(record)
    }

    fn release(&mut self, _: &Envelope<'_>, record: &RecipientRecord<'_>) -> Result<Released, ElsewhereError> {
        self.releases += 1;
        let key = self.outcomes.remove(0)?;
        Ok(Released::Kek(SymmetricKey::new(&key).kek(record)?))
    }
}

#[test]
fn key_that_is_held_elsewhere_opens() {
    let container = container(&write(&[symmetric(1, "one"), password("hint"), symmetric(2, "two")], &[input("a", b"a")])).unwrap();
    let malformed = || ElsewhereError::Container(Error::Malformed(cdoc2_nostd::Field::Salt));
    let mut holder = Elsewhere { outcomes: vec![Err(malformed()), Ok([2; 32])], releases: 0 };
    assert_eq!(container.unlock_with(&mut holder, &Selection::Any).unwrap().index(), 3);

    // What ails the holder ends it: no other record is tried.
    let mut holder = Elsewhere { outcomes: vec![Err(ElsewhereError::PulledOut)], releases: 0 };
    assert!(matches!(container.unlock_with(&mut holder, &Selection::Any), Err(ElsewhereError::PulledOut)));
    assert_eq!(holder.releases, 1);

    // A wrong key says more than a record that is not sound.
    let mut holder = Elsewhere { outcomes: vec![Err(malformed()), Ok([9; 32])], releases: 0 };
    let error = container.unlock_with(&mut holder, &Selection::Any).unwrap_err();
    assert!(matches!(error, ElsewhereError::Container(Error::Rejected)), "{error:?}");

    let error = container.unlock_with(&mut holder, &Selection::Index(2)).unwrap_err();
    assert!(matches!(error, ElsewhereError::Container(Error::NoRecord(NoRecord::Mismatch { index: 2, what: "key" }))), "{error:?}");
}

#[test]
fn password_hashing_is_bounded_over_all_records() {
    let octets = write(&[password("1"), password("2"), password("3")], &[input("a", b"a")]);
    let container = container(&octets).unwrap();
    let wrong = Unlock::Password(secret(b"wrong"));
    let error = container.unlock(&wrong, &Selection::Any, 1_500_000).unwrap_err();
    assert!(matches!(error, Error::KdfIterations { asked: 1_800_000, limit: 1_500_000 }), "{error}");
    assert!(matches!(container.unlock(&wrong, &Selection::Any, 1_800_000).unwrap_err(), Error::Rejected));
}

#[test]
fn an_altered_or_cut_container_leaves_nothing() {
    let octets = write(&[symmetric(1, "one")], &[input("a", &[5; 3000])]);
    let unlock = Unlock::SymmetricKey(secret(&[1; 32]));
    let payload = octets.len() - container(&octets).unwrap().payload_len() as usize;
    let parent = tempfile::tempdir().unwrap();
    let target = parent.path().join("made/for/this");
    let kind = |octets: &[u8]| {
        let kind = unpack(octets, &unlock, &Selection::Any, &target).unwrap_err().kind();
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 0);
        kind
    };
    for at in (0..octets.len()).step_by(7) {
        let mut altered = octets.clone();
        altered[at] ^= 0x10;
        let expected: &[Kind] = match at {
            0..9 => &[Kind::Format],
            _ if at < payload => &[Kind::Format, Kind::NoRecord, Kind::Rejected],
            _ => &[Kind::Payload],
        };
        let kind = kind(&altered);
        assert!(expected.contains(&kind), "octet {at}: {kind:?}");
    }
    for len in (0..octets.len()).step_by(11) {
        assert_eq!(kind(&octets[..len]), if len < payload { Kind::Format } else { Kind::Payload }, "length {len}");
    }
    assert_eq!(kind(&[&octets[..], b"x"].concat()), Kind::Payload);
}

#[test]
fn a_file_that_is_altered_between_the_passes_is_noticed() {
    let octets = write(&[symmetric(1, "one")], &[input("a", &[5; 3000])]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("in.cdoc2");
    fs::write(&path, &octets).unwrap();
    let container = Container::open(&path).unwrap();
    let unlock = Unlock::SymmetricKey(secret(&[1; 32]));
    let authentic = container.unlock(&unlock, &Selection::Any, 1).unwrap().authenticate(&mut |_| {}).unwrap();
    let mut altered = octets.clone();
    *altered.last_mut().unwrap() ^= 1;
    fs::write(&path, &altered).unwrap();
    let target = folder.path().join("out");
    let error = authentic.unpack(&target, Existing::Refuse, &Policy::default(), &mut |_| {}).unwrap_err();
    assert_eq!(error.kind(), Kind::Payload, "{error}");
    assert!(!target.exists());
    fs::write(&path, &octets[..octets.len() - 5]).unwrap();
    assert_eq!(authentic.list(&Policy::default(), &mut |_| {}).unwrap_err().kind(), Kind::Payload);
}

#[test]
fn reencryption_takes_the_content_to_other_recipients() {
    let first = write(&[symmetric(1, "one")], &[input("a.txt", b"content"), input("b.txt", &[1; 100_000])]);
    let before = container(&first).unwrap();
    let unlock = Unlock::SymmetricKey(secret(&[1; 32]));
    let authentic = before.unlock(&unlock, &Selection::Any, 1).unwrap().authenticate(&mut |_| {}).unwrap();
    let mut second = Vec::new();
    let summary = authentic.reencrypt(&[password("archive")], &mut second, &Policy::default(), &mut |_| {}).unwrap();
    assert_eq!(summary.files.len(), 2);
    assert!(matches!(authentic.reencrypt(&[], &mut Vec::new(), &Policy::default(), &mut |_| {}), Err(Error::NoRecipients)));

    let folder = tempfile::tempdir().unwrap();
    assert_eq!(unpack(&second, &unlock, &Selection::Any, folder.path()).unwrap_err().kind(), Kind::NoRecord);
    unpack(&second, &Unlock::Password(secret(PASSWORD.as_bytes())), &Selection::Any, folder.path()).unwrap();
    assert_eq!(fs::read(folder.path().join("a.txt")).unwrap(), b"content");
    assert_eq!(fs::read(folder.path().join("b.txt")).unwrap(), [1; 100_000]);
}

#[test]
fn a_single_file_goes_to_one_output() {
    let unlock = Unlock::SymmetricKey(secret(&[1; 32]));
    let extract = |octets: &[u8], out: &mut Vec<u8>| {
        let container = container(octets).unwrap();
        let authentic = container.unlock(&unlock, &Selection::Any, 1).unwrap().authenticate(&mut |_| {}).unwrap();
        authentic.extract_single(out, &Policy::default(), &mut |_| {}).map(|_| ())
    };
    let mut out = Vec::new();
    extract(&write(&[symmetric(1, "1")], &[input("a", b"content")]), &mut out).unwrap();
    assert_eq!(out, b"content");
    let mut out = Vec::new();
    let two = write(&[symmetric(1, "1")], &[input("a", b"a"), input("b", b"b")]);
    assert!(matches!(extract(&two, &mut out), Err(Error::NotSingle { count: 2 })));
    assert!(out.is_empty());
}

#[test]
fn what_cannot_be_written_is_refused_before_anything_is() {
    let file = || input("a", b"a");
    let refused = |recipients: &[Recipient], files: &[InputFile]| {
        let mut out = Vec::new();
        let error = cdoc2::encrypt(recipients, files, &mut out, &mut |_| {}).unwrap_err();
        assert!(out.is_empty());
        error
    };
    assert!(matches!(refused(&[], &[file()]), Error::NoRecipients));
    assert!(matches!(refused(&[symmetric(1, "1")], &[file(), file()]), Error::UnfitInput { .. }));
    let short = Recipient::SymmetricKey { key: secret(&[1; 31]), label: "short".into() };
    assert!(matches!(refused(&[symmetric(1, "1"), short], &[file()]), Error::Recipient { index: 2, .. }));
    let many: Vec<Recipient> = (0..9000).map(|_| symmetric(1, "label")).collect();
    assert!(matches!(refused(&many, &[file()]), Error::HeaderTooLong));
}

#[test]
fn a_file_that_changes_while_it_is_read_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("growing");
    fs::write(&path, [1; 1000]).unwrap();
    let file = InputFile::from_path(&path).unwrap();
    fs::File::options().append(true).open(&path).unwrap().write_all(b"more").unwrap();
    let error = cdoc2::encrypt(&[symmetric(1, "1")], &[file], &mut Vec::new(), &mut |_| {}).unwrap_err();
    assert!(error.to_string().contains("changed while it was being read"), "{error}");
}

#[test]
fn no_secret_is_shown_by_debug() {
    let shown = format!("{:?} {:?}", password("hint"), Unlock::Password(secret(PASSWORD.as_bytes())));
    assert!(shown.contains("hint") && !shown.contains("salajane"), "{shown}");
}

#[test]
fn a_source_without_end_is_not_read_when_it_is_no_container() {
    let mut endless = std::io::repeat(b'x');
    assert_eq!(Container::spool(&mut endless).unwrap_err().kind(), Kind::Format);
    let mut read = [0; 1];
    endless.read_exact(&mut read).unwrap();
}
