//! Keys that are split over shares servers: what goes there, what the container says of it, and what is refused before.

use std::convert::Infallible;
use std::io::Cursor;

use cdoc2::core::Curve;
use cdoc2::core::holder::{Fit, KeyHolder, Released};
use cdoc2::core::key::{KeyShare, combine};
use cdoc2::core::wire::capsule::{Capsule, KeySharesCapsule};
use cdoc2::core::wire::envelope::Envelope;
use cdoc2::core::wire::header::RecipientRecord;
use cdoc2::core::wire::label::{LabelField, LabelType};
use cdoc2::keys::{EcPrivateKey, PublicKey};
use cdoc2::{
    CapsuleServer, Container, Error, InputFile, Kind, NotKept, Receipt, Recipient, Selection, ServerCapsule, ServerError, Servers,
    ShareReceipt, SharesServers, SplitKey,
};
use zeroize::Zeroizing;

const MARI: &str = "etsi/PNOEE-60001017727";
const JAAN: &str = "private/JIO/70000349";

/// Keeps shares in memory: for each server, whose they are and what they are.
struct Shelves {
    base_urls: Vec<String>,
    kept: Vec<Vec<(String, [u8; 32])>>,
    /// Does not keep the first share of this recipient.
    fails_for: Option<&'static str>,
}

impl Shelves {
    fn new(count: usize) -> Self {
        let base_urls = (1..=count).map(|number| format!("https://shares-{number}.example:8443/")).collect();
        Self { base_urls, kept: vec![Vec::new(); count], fails_for: None }
    }

    fn is_empty(&self) -> bool {
        self.kept.iter().all(Vec::is_empty)
    }
}

impl SharesServers for Shelves {
    fn base_urls(&self) -> Vec<&str> {
        self.base_urls.iter().map(String::as_str).collect()
    }

    fn check(&self, recipient_id: &str) -> Result<(), ServerError> {
        if recipient_id.contains('/') { Ok(()) } else { Err("nobody is called so".into()) }
    }

    fn put(&mut self, keys: &[SplitKey<'_>]) -> Result<Vec<Vec<ShareReceipt>>, NotKept> {
        let mut receipts = Vec::new();
        for (index, key) in keys.iter().enumerate() {
            if self.fails_for == Some(key.recipient_id) {
                return Err(NotKept { key: index, server: self.base_urls[1].clone(), reason: "no room".into() });
            }
            let mut of_key = Vec::new();
            for (number, (shelf, share)) in self.kept.iter_mut().zip(&key.shares).enumerate() {
                shelf.push((key.recipient_id.to_owned(), *share.expose()));
                of_key.push(ShareReceipt {
                    share_id: format!("{number:016}{:016}", shelf.len()),
                    expiry: (number > 0).then_some(1_900_000_000 - number as u64),
                });
            }
            receipts.push(of_key);
        }
        Ok(receipts)
    }
}

/// Keeps no capsule.
struct Full;

impl CapsuleServer for Full {
    fn id(&self) -> &'static str {
        "full"
    }

    fn check(&self, _: &Recipient) -> Result<(), ServerError> {
        Ok(())
    }

    fn put(&mut self, _: &ServerCapsule<'_>, _: &Recipient) -> Result<Receipt, ServerError> {
        Err("no room".into())
    }
}

/// Combines what lies on the shelves, but for the share of one server.
struct Collector<'s> {
    recipient_id: &'static str,
    shelves: &'s Shelves,
    without: Option<usize>,
}

impl KeyHolder for Collector<'_> {
    type Error = Error;

    fn fit(&self, record: &RecipientRecord<'_>) -> Fit {
        let is_theirs =
            matches!(record.capsule, Capsule::KeyShares(capsule) if capsule.recipient_id.as_str() == Some(self.recipient_id));
        if is_theirs { Fit::Yes } else { Fit::No }
    }

    fn release(&mut self, _: &Envelope<'_>, record: &RecipientRecord<'_>) -> Result<Released, Error> {
        let Capsule::KeyShares(capsule) = record.capsule else { unreachable!("it did not fit") };
        let mut shares = Vec::new();
        for (number, location) in capsule.shares.iter().enumerate() {
            assert_eq!(location.server_base_url.as_str(), Some(&self.shelves.base_urls[number][..]));
            let id = location.share_id.as_str().unwrap();
            assert_eq!(id[..16].parse::<usize>(), Ok(number));
            let (whose, octets) = &self.shelves.kept[number][id[16..].parse::<usize>().unwrap() - 1];
            assert_eq!(whose, self.recipient_id);
            let Ok(share) = KeyShare::received(|out| {
                out.copy_from_slice(octets);
                Ok::<(), Infallible>(())
            });
            shares.extend((self.without != Some(number)).then_some(share));
        }
        Ok(Released::Kek(combine(&shares)?))
    }
}

fn recipient(recipient_id: &str) -> Recipient {
    Recipient::KeyShares { recipient_id: recipient_id.to_owned() }
}

fn secret() -> Recipient {
    Recipient::SymmetricKey { key: Zeroizing::new(vec![1; 32]), label: "archive".into() }
}

fn card() -> Recipient {
    let key = EcPrivateKey::generate(Curve::Secp384r1).unwrap();
    Recipient::PublicKey { key: PublicKey::Ec(key.public_key().clone()), label: "card".into() }
}

fn write(recipients: &[Recipient], servers: Servers<'_>) -> Result<Vec<u8>, Error> {
    let file = InputFile::from_reader("a.txt", &mut &b"content"[..]).unwrap();
    let mut out = Vec::new();
    let written = cdoc2::encrypt_with_servers(recipients, servers, &[file], &mut out, &mut |_| {});
    assert!(written.is_ok() || out.is_empty());
    written.map(|_| out)
}

fn on(shelves: &mut Shelves) -> Servers<'_> {
    Servers { shares: Some(shelves), ..Servers::default() }
}

fn open(container: &Container, holder: &mut Collector<'_>) -> Result<usize, Error> {
    let unlocked = container.unlock_with(holder, &Selection::Any)?;
    let index = unlocked.index();
    unlocked.authenticate(&mut |_| {})?;
    Ok(index)
}

#[test]
fn all_shares_together_open_and_fewer_do_not() {
    for count in [2, 3, 7] {
        let mut shelves = Shelves::new(count);
        let octets = write(&[recipient(MARI), secret(), recipient(JAAN)], on(&mut shelves)).unwrap();
        // What the servers keep is nowhere in the container.
        for (_, share) in shelves.kept.iter().flatten() {
            assert!(!octets.windows(32).any(|part| part == share));
        }
        let container = Container::spool(&mut Cursor::new(&octets)).unwrap();
        let collector = |recipient_id, without| Collector { recipient_id, shelves: &shelves, without };
        assert_eq!(open(&container, &mut collector(MARI, None)).unwrap(), 1);
        assert_eq!(open(&container, &mut collector(JAAN, None)).unwrap(), 3);
        for without in 0..count {
            assert!(open(&container, &mut collector(MARI, Some(without))).is_err(), "{without} of {count}");
        }
        let stranger = open(&container, &mut collector("etsi/PNOEE-38001085718", None)).unwrap_err();
        assert_eq!(stranger.kind(), Kind::NoRecord);
    }
}

#[test]
fn the_record_says_where_and_whose_and_until_when() {
    let mut shelves = Shelves::new(3);
    let octets = write(&[recipient(MARI)], on(&mut shelves)).unwrap();
    let container = Container::spool(&mut Cursor::new(&octets)).unwrap();
    let record = container.envelope().header().records().next().unwrap();
    let Capsule::KeyShares(KeySharesCapsule { salt, recipient_id, .. }) = record.capsule else { panic!("{record:?}") };
    assert_eq!((salt.len(), recipient_id.as_str()), (32, Some(MARI)));
    let fields = record.key_label.fields().unwrap();
    assert_eq!(fields.label_type(), Some(LabelType::Auth));
    let field = |field| fields.get(field).map(|text| String::from_utf8(cdoc2::label::octets(&text)).unwrap());
    assert_eq!(field(LabelField::Sn).as_deref(), Some(MARI));
    // The share that goes first takes the others with it.
    assert_eq!(field(LabelField::ServerExp).as_deref(), Some("1899999998"));
}

#[test]
fn nothing_is_used_twice() {
    let mut shelves = Shelves::new(2);
    write(&[recipient(MARI), recipient(JAAN)], on(&mut shelves)).unwrap();
    write(&[recipient(MARI)], on(&mut shelves)).unwrap();
    let mut shares: Vec<_> = shelves.kept.iter().flatten().map(|(_, share)| *share).collect();
    shares.sort_unstable();
    shares.dedup();
    assert_eq!(shares.len(), 6);
}

#[test]
fn what_can_be_refused_is_refused_before_the_first_share() {
    let error = write(&[secret(), recipient(MARI)], Servers::default()).unwrap_err();
    assert!(matches!(error, Error::Recipient { index: 2, .. }), "{error}");
    let error = write(&[recipient(MARI)], on(&mut Shelves::new(1))).unwrap_err();
    assert_eq!(error.to_string(), "recipient 1: who signs in needs two shares servers at least");

    let mut shelves = Shelves::new(2);
    let error = write(&[recipient(MARI), recipient("Jaan")], on(&mut shelves)).unwrap_err();
    assert_eq!(error.to_string(), "recipient 2: nobody is called so");
    let short = Recipient::SymmetricKey { key: Zeroizing::new(vec![1; 31]), label: "short".into() };
    assert!(matches!(write(&[recipient(MARI), short], on(&mut shelves)), Err(Error::Recipient { index: 2, .. })));
    let long = || Recipient::SymmetricKey { key: Zeroizing::new(vec![1; 32]), label: "k".repeat(60_000) };
    let many: Vec<_> = std::iter::once(recipient(MARI)).chain((0..18).map(|_| long())).collect();
    assert!(matches!(write(&many, on(&mut shelves)), Err(Error::HeaderTooLong)));
    assert!(shelves.is_empty());
}

#[test]
fn a_share_that_is_not_kept_stops_everything() {
    let mut shelves = Shelves { fails_for: Some(JAAN), ..Shelves::new(2) };
    let error = write(&[secret(), recipient(MARI), recipient(JAAN)], on(&mut shelves)).unwrap_err();
    assert_eq!(error.kind(), Kind::Server);
    assert_eq!(error.to_string(), "recipient 3: the shares server https://shares-2.example:8443/: no room");

    let servers = Servers { capsules: Some(&mut Full), shares: Some(&mut Shelves::new(2)) };
    let error = write(&[recipient(MARI), card()], servers).unwrap_err();
    assert!(matches!(error, Error::Server { index: 2, .. }), "{error}");
}

/// Says too little.
struct Silent;

impl SharesServers for Silent {
    fn base_urls(&self) -> Vec<&str> {
        vec!["https://a.example", "https://b.example"]
    }

    fn check(&self, _: &str) -> Result<(), ServerError> {
        Ok(())
    }

    fn put(&mut self, keys: &[SplitKey<'_>]) -> Result<Vec<Vec<ShareReceipt>>, NotKept> {
        Ok(keys.iter().map(|_| vec![ShareReceipt { share_id: "0".repeat(32), expiry: None }]).collect())
    }
}

#[test]
fn a_receipt_too_few_is_no_container() {
    let servers = Servers { shares: Some(&mut Silent), ..Servers::default() };
    assert!(matches!(write(&[recipient(MARI)], servers), Err(Error::Internal(_))));
}

#[test]
fn a_recipient_is_not_in_a_log() {
    assert!(!format!("{:?}", recipient(MARI)).contains("60001017727"));
}
