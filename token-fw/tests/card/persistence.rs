//! Cards that earlier versions wrote: each must open.
//!
//! `tests/persistence/<version>/` has one flash image a file, all of the root key [`ROOT_KEY`](crate::board::ROOT_KEY). The images of a
//! version are made once, when it is released, and never again:
//! `cargo test -p token-fw --test card -- --ignored make_images`.

use std::fs;
use std::path::{Path, PathBuf};

use cdoc2_nostd::Curve;
use cdoc2_nostd::Field;
use cdoc2_nostd::ecdh::SoftKey;
use p384::NistP384;
use p384::ecdsa::signature::hazmat::PrehashVerifier as _;
use p384::ecdsa::{Signature, VerifyingKey};
use token_fw::card::{Card, KeySource, MAX_POINT_LEN, Personalisation, PinError};
use token_proto::{KeyRef, PinRef, Profile};

use crate::board::{Board, Flash, PAGE_LEN};
use crate::{ADMINISTRATOR_KEY, DOCUMENT_NUMBER, PERSONAL_DATA, SCALAR, pin};

/// Pages of the flash in the images.
const PAGES: usize = 32;
/// A certificate is not looked into by the card: any octets do.
const CERTIFICATE: &[u8; 600] = &[0x30; 600];

fn images() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/persistence")
}

fn make(profile: Profile) -> Card<Board> {
    let mut card = Card::new(Board::blank(PAGES)).unwrap();
    let import = Some(KeySource::Import { curve: Curve::Secp384r1, scalar: &SCALAR, touch: false });
    card.personalise(&Personalisation {
        profile,
        pin1: &pin("1234"),
        pin2: &pin("12345"),
        puk: &pin("12345678"),
        administrator_key: &ADMINISTRATOR_KEY,
        document_number: DOCUMENT_NUMBER,
        personal_data: PERSONAL_DATA,
        authentication_key: import,
        signature_key: import,
        cdoc2_key: Some(KeySource::Import { curve: Curve::Secp384r1, scalar: &SCALAR, touch: true }),
    })
    .unwrap();
    for key in KeyRef::ALL {
        card.put_certificate(key, CERTIFICATE).unwrap();
    }
    card
}

#[test]
#[ignore = "writes the images of this version, once and for all"]
fn make_images() {
    let folder = images().join(env!("CARGO_PKG_VERSION"));
    fs::create_dir_all(&folder).unwrap();
    let write = |name: &str, card: Card<Board>| {
        let path = folder.join(name);
        assert!(!path.exists(), "{} is there already", path.display());
        fs::write(path, card.into_platform().flash.cells).unwrap();
    };
    write("esteid2018.bin", make(Profile::Esteid2018V1));
    write("esteid2025.bin", make(Profile::Esteid2025));
    // its records have been copied from bank to bank
    let mut much_used = make(Profile::Esteid2018V1);
    let erasings = much_used.platform().flash.erasings;
    while much_used.platform().flash.erasings < erasings + 3 * PAGES / 2 {
        much_used.verify(PinRef::Pin1, &pin("1234")).unwrap();
    }
    write("much_used.bin", much_used);
}

#[test]
fn every_image_opens() {
    let mut count = 0;
    for version in fs::read_dir(images()).unwrap() {
        for image in fs::read_dir(version.unwrap().path()).unwrap() {
            check(&image.unwrap().path());
            count += 1;
        }
    }
    assert!(count >= 3);
}

fn check(path: &Path) {
    let cells = fs::read(path).unwrap();
    assert_eq!(cells.len(), PAGES * PAGE_LEN);
    let mut card = Card::new(Board::<4>::new(Flash::of(cells))).unwrap_or_else(|fault| panic!("{}: {fault:?}", path.display()));
    let profile = if path.ends_with("esteid2025.bin") { Profile::Esteid2025 } else { Profile::Esteid2018V1 };
    assert_eq!(card.profile(), profile);
    assert_eq!(card.document_number(), Ok(DOCUMENT_NUMBER));
    for (field, data) in (1..).zip(PERSONAL_DATA) {
        assert_eq!(card.personal_data(field).unwrap(), *data);
    }
    for (pin_ref, digits) in PinRef::ALL.into_iter().zip(["1234", "12345", "12345678"]) {
        assert_eq!(card.verify(pin_ref, &pin("00000000")), Err(PinError::Wrong { left: 2 }));
        assert!(card.verify(pin_ref, &pin(digits)).is_ok());
    }
    let soft = SoftKey::<NistP384>::from_scalar(&SCALAR).unwrap();
    for key in KeyRef::ALL {
        assert_eq!(card.certificate(key).unwrap(), CERTIFICATE);
        let info = card.key(key).unwrap();
        assert_eq!((info.curve, info.touch), (Curve::Secp384r1, key == KeyRef::Cdoc2));
        let mut point = [0; MAX_POINT_LEN];
        let len = card.public_key(key, &mut point).unwrap();
        assert_eq!(&point[..len], soft.public_key().octets());
    }
    let peer = SoftKey::<NistP384>::from_scalar(&[9; 48]).unwrap();
    let expected = soft.agree(peer.public_key().octets(), Field::SenderPublicKey).unwrap();
    for key in [KeyRef::Authentication, KeyRef::Cdoc2] {
        assert_eq!(card.agree(key, peer.public_key().octets()).unwrap().expose(), expected.expose());
    }
    let public = VerifyingKey::from_sec1_bytes(soft.public_key().octets()).unwrap();
    for key in [KeyRef::Authentication, KeyRef::Signature] {
        let mut signature = [0; 96];
        card.sign(key, &[0x5A; 48], &mut signature).unwrap();
        public.verify_prehash(&[0x5A; 48], &Signature::from_slice(&signature).unwrap()).unwrap();
    }
}
