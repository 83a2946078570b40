//! Capsules on a server: what goes there, what stays, and what is refused before.

use std::io::Cursor;

use cdoc2::core::wire::capsule::{Capsule, KeyDetails};
use cdoc2::core::wire::header::RecipientRecord;
use cdoc2::core::wire::label::LabelField;
use cdoc2::keys::{EcPrivateKey, PrivateKey, PublicKey, RsaPrivateKey};
use cdoc2::{
    CapsuleServer, Container, Error, InputFile, Kind, NoRecord, Receipt, Recipient, Selection, ServerCapsule, ServerError, Servers,
    Unlock,
};
use zeroize::Zeroizing;

const ID: &str = "kept-1";
const EXPIRY: u64 = 1_900_000_000;

/// Keeps capsules in memory.
#[derive(Default)]
struct Shelf {
    kept: Vec<(PublicKey, Vec<u8>)>,
    /// Refuses this label when asked before.
    refuses: Option<&'static str>,
    /// Fails to keep the capsule after so many.
    room: Option<usize>,
    /// Does not say when capsules expire.
    is_silent: bool,
}

impl CapsuleServer for Shelf {
    fn id(&self) -> &str {
        ID
    }

    fn check(&self, recipient: &Recipient) -> Result<(), ServerError> {
        if self.refuses == Some(recipient.label_text()) { Err("takes no such recipient".into()) } else { Ok(()) }
    }

    fn put(&mut self, capsule: &ServerCapsule<'_>, recipient: &Recipient) -> Result<Receipt, ServerError> {
        assert_eq!(recipient.public_key(), Some(capsule.recipient));
        if self.room == Some(self.kept.len()) {
            return Err("no room".into());
        }
        self.kept.push((capsule.recipient.clone(), capsule.ephemeral_key_material.to_vec()));
        Ok(Receipt { transaction_id: format!("KC{:032}", self.kept.len()), expiry: (!self.is_silent).then_some(EXPIRY) })
    }
}

fn file() -> InputFile {
    InputFile::from_reader("a.txt", &mut &b"content"[..]).unwrap()
}

fn public_key(key: &EcPrivateKey, label: &str) -> Recipient {
    Recipient::PublicKey { key: PublicKey::Ec(key.public_key().clone()), label: label.into() }
}

fn symmetric() -> Recipient {
    Recipient::SymmetricKey { key: Zeroizing::new(vec![1; 32]), label: "archive".into() }
}

fn write(recipients: &[Recipient], shelf: &mut Shelf) -> Result<Vec<u8>, Error> {
    let mut out = Vec::new();
    let servers = Servers { capsules: Some(shelf), ..Servers::default() };
    let written = cdoc2::encrypt_with_servers(recipients, servers, &[file()], &mut out, &mut |_| {});
    assert!(written.is_ok() || out.is_empty());
    written.map(|_| out)
}

fn server_exp(record: &RecipientRecord<'_>) -> Option<String> {
    let text = record.key_label.fields()?.get(LabelField::ServerExp)?;
    String::from_utf8(cdoc2::label::octets(&text)).ok()
}

#[test]
fn capsules_of_public_keys_go_to_the_server_and_others_stay() {
    let ec = EcPrivateKey::generate(cdoc2::core::Curve::Secp384r1).unwrap();
    let rsa = RsaPrivateKey::generate(2048).unwrap();
    let rsa_public = PrivateKey::Rsa(rsa).public_key();
    let recipients = [public_key(&ec, "mari"), symmetric(), Recipient::PublicKey { key: rsa_public.clone(), label: "jaan".into() }];
    let mut shelf = Shelf::default();
    let octets = write(&recipients, &mut shelf).unwrap();

    let container = Container::spool(&mut Cursor::new(&octets)).unwrap();
    let records: Vec<_> = container.envelope().header().records().collect();
    let [Capsule::KeyServer(first), Capsule::SymmetricKey(_), Capsule::KeyServer(second)] =
        [0, 1, 2].map(|n: usize| records[n].capsule)
    else {
        panic!("{records:?}")
    };
    assert!(matches!(first.recipient_key_details, KeyDetails::Ecc { recipient_public_key, .. }
        if recipient_public_key == ec.public_key().point()));
    assert!(matches!(second.recipient_key_details, KeyDetails::Rsa { recipient_public_key }
        if recipient_public_key == rsa_public.capsule_octets()));
    for (capsule, transaction_id) in [(first, "KC00000000000000000000000000000001"), (second, "KC00000000000000000000000000000002")]
    {
        assert_eq!((capsule.keyserver_id.as_str(), capsule.transaction_id.as_str()), (Some(ID), Some(transaction_id)));
    }
    assert_eq!(shelf.kept[0].1.len(), 97);
    assert_eq!(shelf.kept[1].1.len(), 256);
    // What the server keeps is nowhere in the container.
    assert!(shelf.kept.iter().all(|(_, kept)| !octets.windows(kept.len()).any(|part| part == kept)));
    for (record, expected) in records.iter().zip([Some("1900000000"), None, Some("1900000000")]) {
        let said = server_exp(record);
        assert_eq!(said.as_deref(), expected);
    }

    let unlock = Unlock::SymmetricKey(Zeroizing::new(vec![1; 32]));
    container.unlock(&unlock, &Selection::Any, 1).unwrap().authenticate(&mut |_| {}).unwrap();
    let error = container.unlock(&Unlock::PrivateKey(PrivateKey::Ec(ec)), &Selection::Any, 1).unwrap_err();
    assert!(matches!(&error, Error::NoRecord(NoRecord::OnServer { server }) if server == ID), "{error}");
}

#[test]
fn a_silent_server_leaves_no_expiry_in_the_label() {
    let key = EcPrivateKey::generate(cdoc2::core::Curve::Secp384r1).unwrap();
    let octets = write(&[public_key(&key, "mari")], &mut Shelf { is_silent: true, ..Shelf::default() }).unwrap();
    let container = Container::spool(&mut Cursor::new(&octets)).unwrap();
    let record = container.envelope().header().records().next().unwrap();
    assert_eq!(server_exp(&record), None);
}

#[test]
fn what_can_be_refused_is_refused_before_the_first_capsule() {
    let key = EcPrivateKey::generate(cdoc2::core::Curve::Secp384r1).unwrap();
    let recipients = || [public_key(&key, "mari"), public_key(&key, "jaan")];

    let mut shelf = Shelf { refuses: Some("jaan"), ..Shelf::default() };
    let error = write(&recipients(), &mut shelf).unwrap_err();
    assert!(matches!(error, Error::Server { index: 2, .. }), "{error}");
    assert!(shelf.kept.is_empty());

    let short = Recipient::SymmetricKey { key: Zeroizing::new(vec![1; 31]), label: "short".into() };
    let [first, _] = recipients();
    assert!(matches!(write(&[first, short], &mut shelf), Err(Error::Recipient { index: 2, .. })));
    assert!(shelf.kept.is_empty());

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gone.txt");
    std::fs::write(&path, b"gone").unwrap();
    let gone = InputFile::from_path(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    let mut shelf = Shelf::default();
    let files = [file(), gone];
    let servers = Servers { capsules: Some(&mut shelf), ..Servers::default() };
    let error = cdoc2::encrypt_with_servers(&recipients(), servers, &files, &mut Vec::new(), &mut |_| {}).unwrap_err();
    assert!(matches!(error, Error::Input { .. }), "{error}");
    assert!(shelf.kept.is_empty());

    // Labels make the header long without the work of many keys.
    let label = "k".repeat(60_000);
    let many: Vec<Recipient> = (0..18).map(|_| public_key(&key, &label)).collect();
    assert!(matches!(write(&many, &mut shelf), Err(Error::HeaderTooLong)));
    assert!(shelf.kept.is_empty());
}

#[test]
fn a_capsule_that_is_not_kept_stops_everything() {
    let key = EcPrivateKey::generate(cdoc2::core::Curve::Secp384r1).unwrap();
    let mut shelf = Shelf { room: Some(1), ..Shelf::default() };
    let error = write(&[public_key(&key, "mari"), public_key(&key, "jaan")], &mut shelf).unwrap_err();
    assert_eq!(error.kind(), Kind::Server);
    assert_eq!(error.to_string(), "recipient 2: the capsule server \"kept-1\": no room");
    assert_eq!(shelf.kept.len(), 1);
}
