//! Whole containers through the API: written, opened by every kind of holder, and attacked.

mod common;

use std::sync::LazyLock;

use cdoc2_nostd::decrypt::{self, Unverified};
use cdoc2_nostd::ecdh::{self, SoftKey};
use cdoc2_nostd::holder::{Fit, KeyHolder, Released};
use cdoc2_nostd::key::{self, Kek};
use cdoc2_nostd::symmetric::{Password, SymmetricKey};
use cdoc2_nostd::wire::capsule::{Capsule, EllipticCurve, Pbkdf2Capsule};
use cdoc2_nostd::wire::emit;
use cdoc2_nostd::wire::envelope::{Envelope, HEADER_MAC_LEN, PRELUDE_LEN};
use cdoc2_nostd::wire::header::{Header, RecipientRecord};
use cdoc2_nostd::{Curve, Error, Feature, Field, Limit, encrypt};
use common::{PASSWORD, Parties, Rng, SECRET, TEXT};
use proptest::prelude::*;

/// A key held somewhere else: knows the KEK of one record.
struct Elsewhere<'k>(&'k Kek, &'static [u8]);

impl KeyHolder for Elsewhere<'_> {
    type Error = Error;

    fn fit(&self, record: &RecipientRecord<'_>) -> Fit {
        if record.key_label.octets() == self.1 { Fit::Yes } else { Fit::No }
    }

    fn release(&mut self, _: &Envelope<'_>, _: &RecipientRecord<'_>) -> Result<Released, Error> {
        Kek::decrypted(|octets| {
            octets.copy_from_slice(self.0.expose());
            Ok(())
        })
        .map(Released::Kek)
    }
}

/// Opens `container` with the first record that fits; the whole reading order of the specification.
fn open<H: KeyHolder<Error = Error>>(container: &[u8], holder: &mut H) -> Result<Vec<u8>, Error> {
    let (envelope, payload) = Envelope::parse(container)?;
    let record = envelope.header().records().find(|record| holder.fit(record) != Fit::No);
    let verified = decrypt::unlock(envelope, &record.ok_or(Error::Unsupported(Feature::Capsule))?, holder)?;
    let (nonce, rest) = payload.split_first_chunk().ok_or(Error::Malformed(Field::Payload))?;
    let (ciphertext, tag) = rest.split_last_chunk().ok_or(Error::Malformed(Field::Payload))?;

    let mut authenticator = verified.authenticator(nonce)?;
    authenticator.update(ciphertext)?;
    let authentic = authenticator.finish(tag);

    let mut text = ciphertext.to_vec();
    let mut decryptor = verified.decryptor(nonce)?;
    for chunk in text.chunks_mut(5) {
        decryptor.decrypt(chunk)?;
    }
    assert_eq!(decryptor.finish(tag), authentic, "both passes judge alike");
    authentic.map(|()| text)
}

#[test]
fn every_kind_of_holder_opens() {
    let mut parties = Parties::new(1);
    let container = parties.container(&parties.records());
    assert_eq!(open(&container, &mut SymmetricKey::new(SECRET)).unwrap(), TEXT);
    assert_eq!(open(&container, &mut Password::new(PASSWORD)).unwrap(), TEXT);
    assert_eq!(open(&container, &mut Elsewhere(&parties.kek, b"RSA")).unwrap(), TEXT);
    assert_eq!(open(&container, &mut Elsewhere(&parties.kek, b"shares")).unwrap(), TEXT);
    assert_eq!(open(&container, &mut parties.p384).unwrap(), TEXT);
    assert_eq!(open(&container, &mut parties.p256).unwrap(), TEXT);
    assert_eq!(open(&container, &mut parties.p521).unwrap(), TEXT);
}

#[test]
fn strangers_do_not_open() {
    let parties = Parties::new(1);
    let mut stranger = Parties::new(2);
    let container = parties.container(&parties.records());
    assert_eq!(open(&container, &mut SymmetricKey::new(b"another")), Err(Error::Rejected));
    assert_eq!(open(&container, &mut Password::new(b"another")), Err(Error::Rejected));
    assert_eq!(open(&container, &mut Elsewhere(&stranger.kek, b"RSA")), Err(Error::Rejected));
    assert_eq!(open(&container, &mut stranger.p384), Err(Error::Unsupported(Feature::Capsule)));
}

#[test]
fn a_holder_refuses_a_record_of_another_kind() {
    let parties = Parties::new(1);
    let container = parties.container(&parties.records());
    let (envelope, _) = Envelope::parse(&container).unwrap();
    for record in envelope.header().records() {
        for fit in [
            (parties.p384.fit(&record), parties.p384.kek(&record)),
            (SymmetricKey::new(SECRET).fit(&record), SymmetricKey::new(SECRET).kek(&record)),
            (Password::new(PASSWORD).fit(&record), Password::new(PASSWORD).kek(&record)),
        ] {
            assert_eq!(fit.0 == Fit::No, matches!(fit.1, Err(Error::Unsupported(_))), "{record:?}");
        }
    }
    assert!(parties.p256.kek(&envelope.header().records().next().unwrap()).is_err());
}

#[test]
fn shares_of_the_kek_open() {
    let parties = Parties::new(3);
    let container = parties.container(&parties.records());
    let mut shares = [None, None, None];
    key::split(&parties.kek, &mut shares, &mut Rng(9)).unwrap();
    let combined = key::combine(shares.iter().flatten()).unwrap();
    assert_eq!(open(&container, &mut Elsewhere(&combined, b"shares")).unwrap(), TEXT);
    let one_missing = key::combine(shares[1..].iter().flatten()).unwrap();
    assert_eq!(open(&container, &mut Elsewhere(&one_missing, b"shares")), Err(Error::Rejected));
}

#[test]
fn parsing_gives_back_what_was_written() {
    let parties = Parties::new(1);
    let records = parties.records();
    let container = parties.container(&records);
    let (envelope, payload) = Envelope::parse(&container).unwrap();
    assert_eq!(envelope.header().records().collect::<Vec<_>>(), records);
    assert_eq!(envelope.encoded_len() + payload.len(), container.len());
    assert_eq!(container, parties.container(&records), "the same records give the same octets");
}

#[test]
fn every_truncation_of_the_envelope_is_incomplete() {
    let parties = Parties::new(1);
    let container = parties.container(&parties.records());
    let (envelope, _) = Envelope::parse(&container).unwrap();
    let whole = envelope.encoded_len();
    for len in 0..whole {
        let expected = if len < PRELUDE_LEN { PRELUDE_LEN } else { whole };
        assert_eq!(Envelope::parse(&container[..len]).map(|_| ()), Err(Error::Incomplete { needed: expected }), "{len}");
    }
}

#[test]
fn every_altered_bit_is_noticed() {
    let parties = Parties::new(1);
    let records = parties.records();
    let container = parties.container(&records[5..6]);
    for bit in 0..container.len() * 8 {
        let mut altered = container.clone();
        altered[bit / 8] ^= 1 << (bit % 8);
        assert!(open(&altered, &mut SymmetricKey::new(SECRET)).is_err(), "bit {bit}");
    }
    for len in 0..container.len() {
        assert!(open(&container[..len], &mut SymmetricKey::new(SECRET)).is_err(), "length {len}");
    }
    assert!(open(&[&container[..], b"x"].concat(), &mut SymmetricKey::new(SECRET)).is_err());
}

#[test]
fn a_wrong_point_is_refused() {
    let parties = Parties::new(1);
    let good = parties.p384.public_key().octets().to_vec();
    let agree = |point: &[u8]| parties.p384.agree(point, Field::SenderPublicKey).map(|_| ());
    assert_eq!(agree(&good), Ok(()));

    let off_curve = {
        let mut point = good.clone();
        point[96] ^= 1;
        point
    };
    let compressed = [&[2 + (good[96] & 1)], &good[1..49]].concat();
    let hybrid = [&[6 + (good[96] & 1)], &good[1..]].concat();
    let x_not_below_p = [&[4][..], &[0xFF; 48], &good[49..]].concat();
    let zero = [&[4][..], &[0; 96]].concat();
    let other_curve = parties.p256.public_key().octets().to_vec();
    for wrong in [&off_curve[..], &compressed, &hybrid, &x_not_below_p, &zero, &other_curve, &good[..96], &good[1..], &[0], &[]] {
        assert_eq!(agree(wrong), Err(Error::Malformed(Field::SenderPublicKey)), "{wrong:02x?}");
    }
    assert_eq!(agree(&[&good[..], &[0]].concat()), Err(Error::Malformed(Field::SenderPublicKey)));
}

#[test]
fn a_scalar_out_of_range_is_no_key() {
    use cdoc2_nostd::ecdh::SoftKey;
    for wrong in [&[0; 48][..], &[0xFF; 48], &[1; 47], &[1; 49], &[]] {
        assert!(matches!(SoftKey::<p384::NistP384>::from_scalar(wrong), Err(Error::InvalidInput(Field::PrivateKey))));
    }
    assert!(SoftKey::<p384::NistP384>::from_scalar(&[1; 48]).is_ok());
}

/// A container whose only record is of PBKDF2 with other parameters, written past the checks of `emit`.
fn with_iterations(parties: &Parties, iterations: i32) -> Vec<u8> {
    let records = parties.records();
    let mut container = parties.container(&records[6..7]);
    let at = container.windows(4).position(|word| word == 600_000_i32.to_le_bytes()).unwrap();
    container[at..at + 4].copy_from_slice(&iterations.to_le_bytes());
    container
}

#[test]
fn password_hashing_is_bounded_and_never_skipped() {
    let parties = Parties::new(1);
    let password = || Password::new(PASSWORD);
    for iterations in [0, -1, i32::MIN] {
        let container = with_iterations(&parties, iterations);
        assert_eq!(open(&container, &mut password()), Err(Error::Malformed(Field::KdfIterations)));
    }
    let greedy = with_iterations(&parties, i32::MAX);
    let limit = Limit::KdfIterations { asked: 0x7FFF_FFFF, limit: 10_000_000 };
    assert_eq!(open(&greedy, &mut password()), Err(Error::LimitExceeded(limit)));
    let container = with_iterations(&parties, 600_000);
    let limit = Limit::KdfIterations { asked: 600_000, limit: 599_999 };
    assert_eq!(open(&container, &mut password().with_max_iterations(599_999)), Err(Error::LimitExceeded(limit)));
    assert_eq!(open(&container, &mut password().with_max_iterations(600_000)).unwrap(), TEXT);
}

#[test]
fn unknown_methods_are_unsupported() {
    let parties = Parties::new(1);
    let records = parties.records();
    let mut record = records[5];
    record.fmk_encryption_method = cdoc2_nostd::wire::capsule::FmkEncryptionMethod::Unknown(9);
    let container = parties.container(&records);
    let (envelope, _) = Envelope::parse(&container).unwrap();
    let refused = decrypt::unlock(envelope, &record, &mut SymmetricKey::new(SECRET)).map(|_| ());
    assert_eq!(refused, Err(Error::Unsupported(Feature::FmkEncryptionMethod)));
    record = records[5];
    record.encrypted_fmk = &[0; 31];
    let refused = Unverified::new(envelope, &record, &parties.kek).map(|_| ());
    assert_eq!(refused, Err(Error::Malformed(Field::EncryptedFmk)));
}

#[test]
fn what_no_reader_should_meet_is_not_written() {
    let parties = Parties::new(1);
    let records = parties.records();
    let refuses = |record: RecipientRecord<'_>| match emit::encoded_len(&[record]) {
        Err(Error::InvalidInput(field)) => field,
        other => panic!("{other:?}"),
    };
    assert_eq!(emit::encoded_len(&[]), Err(Error::InvalidInput(Field::Recipients)));
    assert_eq!(refuses(RecipientRecord { encrypted_fmk: &[0; 31], ..records[0] }), Field::EncryptedFmk);
    assert_eq!(refuses(RecipientRecord { capsule: Capsule::Unknown(7), ..records[0] }), Field::Capsule);
    let Capsule::Pbkdf2(capsule) = records[6].capsule else { panic!() };
    let pbkdf2 = |capsule| RecipientRecord { capsule: Capsule::Pbkdf2(capsule), ..records[6] };
    assert_eq!(refuses(pbkdf2(Pbkdf2Capsule { kdf_iterations: 599_999, ..capsule })), Field::KdfIterations);
    assert_eq!(refuses(pbkdf2(Pbkdf2Capsule { kdf_iterations: -1, ..capsule })), Field::KdfIterations);
    assert_eq!(refuses(pbkdf2(Pbkdf2Capsule { salt: &[], ..capsule })), Field::Salt);
    assert_eq!(refuses(pbkdf2(Pbkdf2Capsule { password_salt: &[1; 8], ..capsule })), Field::PasswordSalt);
    let Capsule::EccPublicKey(capsule) = records[0].capsule else { panic!() };
    let ecc = |capsule| RecipientRecord { capsule: Capsule::EccPublicKey(capsule), ..records[0] };
    let mut wrong = capsule;
    wrong.curve = EllipticCurve::Known(Curve::Secp256r1);
    assert_eq!(refuses(ecc(wrong)), Field::RecipientPublicKey);
    wrong.curve = EllipticCurve::Unknown(9);
    assert_eq!(refuses(ecc(wrong)), Field::Curve);
    wrong = capsule;
    wrong.sender_public_key = &capsule.sender_public_key[1..];
    assert_eq!(refuses(ecc(wrong)), Field::SenderPublicKey);
}

#[test]
fn buffers_and_limits_are_told_exactly() {
    let parties = Parties::new(1);
    let records = parties.records();
    let needed = encrypt::encoded_len(&records).unwrap();
    for len in [0, 9, 40, needed - 1] {
        let mut short = vec![0; len];
        assert_eq!(encrypt::seal(&parties.fmk, &records, &mut short).map(|_| ()), Err(Error::BufferTooSmall { needed }));
    }
    let mut long = vec![0xAA; needed + 5];
    assert_eq!(encrypt::seal(&parties.fmk, &records, &mut long).unwrap().octets().len(), needed);
    assert_eq!(&long[needed..], [0xAA; 5]);

    let many: Vec<_> = core::iter::repeat_n(records[2], 4000).collect();
    assert_eq!(emit::encoded_len(&many), Err(Error::LimitExceeded(Limit::HeaderLen)));
}

#[test]
fn a_header_goes_into_a_heapless_vec() {
    let parties = Parties::new(1);
    let records = parties.records();
    let mut header: heapless::Vec<u8, 4096> = heapless::Vec::from_slice(b"front").unwrap();
    emit::emit_to_vec(&records, &mut header).unwrap();
    assert_eq!(Header::parse(&header[5..]).unwrap().records().collect::<Vec<_>>(), records);
    let mut small: heapless::Vec<u8, 64> = heapless::Vec::from_slice(b"front").unwrap();
    assert!(matches!(emit::emit_to_vec(&records, &mut small), Err(Error::BufferTooSmall { .. })));
    assert_eq!(small.as_slice(), b"front");
}

proptest! {
    /// Whatever happens to the header, parsing ends, and every accessor of what it accepts answers.
    #[test]
    fn a_mutated_header_never_panics(
        at in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
        cut in any::<prop::sample::Index>(),
        truncate: bool,
    ) {
        // Made once: hashing the password for every case would take minutes.
        static HEADER: LazyLock<Vec<u8>> = LazyLock::new(|| {
            let parties = Parties::new(1);
            let container = parties.container(&parties.records());
            Envelope::parse(&container).unwrap().0.header().octets().to_vec()
        });
        let mut header = HEADER.clone();
        for (at, value) in at {
            let at = at.index(header.len());
            header[at] = value;
        }
        if truncate {
            header.truncate(cut.index(header.len()));
        }
        if let Ok(header) = Header::parse(&header) {
            for record in header.records() {
                let _ = format!("{record:?}");
                if let Capsule::KeyShares(capsule) = record.capsule {
                    prop_assert!(capsule.shares.iter().all(|share| share.share_id.0.len() <= header.octets().len()));
                }
            }
        }
    }

    #[test]
    fn arbitrary_octets_never_panic(octets in proptest::collection::vec(any::<u8>(), 0..600)) {
        let _ = Header::parse(&octets);
        let mut container = b"CDOC\x02".to_vec();
        let header_len = octets.len().saturating_sub(HEADER_MAC_LEN) as u32;
        container.extend(header_len.to_be_bytes());
        container.extend(&octets);
        let _ = Envelope::parse(&container);
    }
}

/// A card that checks the header itself, fed in chunks of `chunk_len`.
struct Card<'k>(&'k SoftKey<p384::NistP384>, usize);

impl KeyHolder for Card<'_> {
    type Error = Error;

    fn fit(&self, record: &RecipientRecord<'_>) -> Fit {
        self.0.fit(record)
    }

    fn release(&mut self, envelope: &Envelope<'_>, record: &RecipientRecord<'_>) -> Result<Released, Error> {
        let kek = self.0.kek(record)?;
        let mut stream = decrypt::UnverifiedStream::new(&kek, record.xored_fmk()?, *envelope.header_mac())?;
        for chunk in envelope.header().octets().chunks(self.1) {
            stream.update(chunk);
        }
        stream.verify().map(Released::Cek)
    }
}

#[test]
fn header_streamed_in_any_chunks_gives_the_key_of_the_payload() {
    let parties = Parties::new(1);
    let container = parties.container(&parties.records());
    for chunk_len in [1, 31, 64, 255, 4096] {
        assert_eq!(open(&container, &mut Card(&parties.p384, chunk_len)).unwrap(), TEXT);
    }
}

#[test]
fn streamed_header_that_was_altered_is_rejected() {
    let parties = Parties::new(1);
    let mut container = parties.container(&parties.records());
    let mac_at = {
        let (envelope, payload) = Envelope::parse(&container).unwrap();
        assert_eq!(envelope.header_mac().len(), 32);
        container.len() - payload.len() - 32
    };
    container[mac_at] ^= 1;
    assert_eq!(open(&container, &mut Card(&parties.p384, 64)), Err(Error::Rejected));
}

#[test]
fn the_scalar_alone_agrees_as_its_key_does() {
    fn check<C>(scalar: &[u8])
    where
        C: ecdh::SoftCurve + elliptic_curve::point::PointCompression,
        elliptic_curve::FieldBytesSize<C>: elliptic_curve::sec1::ModulusSize,
        elliptic_curve::AffinePoint<C>: elliptic_curve::sec1::FromSec1Point<C> + elliptic_curve::sec1::ToSec1Point<C>,
    {
        let (key, peer) = (SoftKey::<C>::from_scalar(scalar).unwrap(), SoftKey::<C>::generate(&mut Rng(5)).unwrap());
        let peer = peer.public_key().octets();
        let with_key = key.agree(peer, Field::SenderPublicKey).unwrap();
        assert_eq!(ecdh::agree::<C>(scalar, peer, Field::SenderPublicKey).unwrap().expose(), with_key.expose());
        let short = ecdh::agree::<C>(&scalar[1..], peer, Field::SenderPublicKey);
        assert_eq!(short.unwrap_err(), Error::InvalidInput(Field::PrivateKey));
        let cut = ecdh::agree::<C>(scalar, &peer[1..], Field::SenderPublicKey);
        assert_eq!(cut.unwrap_err(), Error::Malformed(Field::SenderPublicKey));
    }
    check::<p384::NistP384>(&[0x42; 48]);
    check::<p256::NistP256>(&[0x42; 32]);
    check::<p521::NistP521>(&[[0].as_slice(), &[0x42; 65]].concat());
}
