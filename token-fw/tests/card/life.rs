//! From a blank card to a blank card.

use cdoc2_nostd::Curve;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use token_fw::card::{AdministratorError, Card, Fault, KeyError, KeySource, PERSONAL_DATA_FIELDS, Personalisation};
use token_proto::{KeyRef, PinRef, Profile};

use crate::board::Board;
use crate::{ADMINISTRATOR_KEY, DOCUMENT_NUMBER, FEW_PAGES, PERSONAL_DATA, SCALAR, card, personalise, pin, reopen};

#[test]
fn erased_flash_is_a_blank_card() {
    let mut card = Card::new(Board::<4>::blank(FEW_PAGES)).unwrap();
    assert!(!card.is_personalised());
    assert_eq!(card.profile(), Profile::Esteid2018V1);
    assert_eq!(card.document_number(), Err(Fault::Blank));
    assert_eq!(card.personal_data(1), Err(Fault::Blank));
    assert_eq!(card.certificate(KeyRef::Authentication), Err(Fault::Blank));
    assert_eq!(card.put_certificate(KeyRef::Authentication, b"x"), Err(Fault::Blank));
    assert_eq!(card.key(KeyRef::Authentication), None);
    assert_eq!(card.generate_key(KeyRef::Cdoc2, Curve::Secp256r1, false), Err(KeyError::Fault(Fault::Blank)));
    assert_eq!(card.sign(KeyRef::Signature, &[0; 48], &mut [0; 96]), Err(KeyError::Fault(Fault::Blank)));
    assert_eq!(card.check_administrator(&[0; 32], &[0; 32]), Err(AdministratorError::Fault(Fault::Blank)));
    assert!(card.platform().flash.cells.iter().all(|octet| *octet == 0xFF));
}

#[test]
fn personal_data_is_what_was_given() {
    let mut card = reopen(card());
    assert!(card.is_personalised());
    assert_eq!(card.document_number(), Ok(DOCUMENT_NUMBER));
    for field in 1..=PERSONAL_DATA_FIELDS {
        let expected = PERSONAL_DATA.get(usize::from(field) - 1).copied().unwrap_or(b"");
        assert_eq!(card.personal_data(field).unwrap(), expected);
    }
    for field in [0, 16, 255] {
        assert_eq!(card.personal_data(field), Err(Fault::Invalid));
    }
}

#[test]
fn card_is_personalised_once() {
    let mut card = card();
    assert_eq!(personalise(&mut card), Err(Fault::Personalised));
}

#[test]
fn unsound_personalisation_leaves_the_card_blank() {
    let (pin1, pin2, puk) = (pin("1234"), pin("12345"), pin("12345678"));
    let sound = Personalisation {
        profile: Profile::Esteid2025,
        pin1: &pin1,
        pin2: &pin2,
        puk: &puk,
        administrator_key: &ADMINISTRATOR_KEY,
        document_number: DOCUMENT_NUMBER,
        personal_data: &[[b'x'; 96].as_slice(); 15],
        authentication_key: None,
        signature_key: None,
        cdoc2_key: None,
    };
    let import = |curve, scalar| Some(KeySource::Import { curve, scalar, touch: false });
    let unsound = [
        Personalisation { pin2: &pin1, ..sound },
        Personalisation { puk: &pin2, ..sound },
        Personalisation { document_number: b"as0000001", ..sound },
        Personalisation { document_number: b"AS 000001", ..sound },
        Personalisation { personal_data: &[&[b'x'; 97]], ..sound },
        Personalisation { personal_data: &[b"x".as_slice(); 16], ..sound },
        Personalisation { authentication_key: import(Curve::Secp256r1, &[1; 32]), ..sound },
        Personalisation { signature_key: import(Curve::Secp384r1, &[0; 48]), ..sound },
        Personalisation { signature_key: import(Curve::Secp384r1, &[0xFF; 48]), ..sound },
        Personalisation { cdoc2_key: import(Curve::Secp384r1, &SCALAR[..47]), ..sound },
        Personalisation { cdoc2_key: import(Curve::Secp521r1, &[0x02; 66]), ..sound },
    ];
    let mut card = Card::new(Board::<4>::blank(FEW_PAGES)).unwrap();
    for what in &unsound {
        assert_eq!(card.personalise(what), Err(Fault::Invalid));
        assert!(!card.is_personalised());
        card = reopen(card);
        assert!(!card.is_personalised());
    }
    card.personalise(&sound).unwrap();
    assert_eq!(card.profile(), Profile::Esteid2025);
    assert_eq!(reopen(card).personal_data(15).unwrap(), [b'x'; 96]);
}

#[test]
fn administrator_is_who_has_the_key() {
    let mut card = card();
    let answer = |key: &[u8], challenge: &[u8]| -> [u8; 32] {
        Hmac::<Sha256>::new_from_slice(key).unwrap().chain_update(challenge).finalize().into_bytes().into()
    };
    let right = answer(&ADMINISTRATOR_KEY, &[5; 32]);
    assert!(card.check_administrator(&[5; 32], &right).is_ok());
    assert_eq!(card.check_administrator(&[6; 32], &right), Err(AdministratorError::Wrong));
    assert_eq!(card.check_administrator(&[5; 32], &right[..31]), Err(AdministratorError::Wrong));
    assert_eq!(card.check_administrator(&[5; 32], &[]), Err(AdministratorError::Wrong));
    assert_eq!(card.check_administrator(&[5; 32], &answer(&[0; 32], &[5; 32])), Err(AdministratorError::Wrong));
    for bit in 0..256 {
        let mut wrong = right;
        wrong[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(card.check_administrator(&[5; 32], &wrong), Err(AdministratorError::Wrong));
    }
}

#[test]
fn factory_reset_leaves_nothing() {
    let mut card = card();
    let image = card.platform().flash.cells.clone();
    card.factory_reset().unwrap();
    assert!(!card.is_personalised());
    assert_eq!(card.key(KeyRef::Authentication), None);
    let cells = &card.platform().flash.cells;
    // the marks of the bank in use, and nothing of what there was
    assert!(cells.iter().filter(|octet| **octet != 0xFF).count() <= 64);
    assert!(
        image
            .chunks(16)
            .filter(|part| part.iter().any(|octet| *octet != 0xFF))
            .all(|part| !cells.windows(16).any(|new| new == part))
    );
    let mut card = reopen(card);
    assert_eq!(card.tries(PinRef::Pin1), Err(Fault::Blank));
    personalise(&mut card).unwrap();
    assert!(reopen(card).verify(PinRef::Pin1, &pin("1234")).is_ok());
}

#[test]
fn another_boards_flash_is_refused() {
    let mut board = card().into_platform();
    board.root_key[0] ^= 1;
    assert_eq!(Card::new(board).unwrap_err(), Fault::Corrupt);
}

#[test]
fn flash_that_is_too_small_is_told() {
    for pages in 0..FEW_PAGES {
        assert_eq!(Card::new(Board::<4>::blank(pages)).unwrap_err(), Fault::Capacity);
    }
}

#[test]
fn card_takes_little_memory() {
    assert!(size_of::<Card<Board>>() - size_of::<Board>() <= 2560);
}

#[test]
fn everything_at_its_longest_fits_the_smallest_flash() {
    at_its_longest(Card::new(Board::<4>::blank(FEW_PAGES)).unwrap());
    at_its_longest(Card::new(Board::<32>::blank(64)).unwrap());
}

fn at_its_longest<const W: usize>(mut card: Card<Board<W>>) {
    let generate = Some(KeySource::Generate { curve: Curve::Secp384r1, touch: false });
    let most = Personalisation {
        profile: Profile::Esteid2018V1,
        pin1: &pin("1234"),
        pin2: &pin("12345"),
        puk: &pin("12345678"),
        administrator_key: &ADMINISTRATOR_KEY,
        document_number: DOCUMENT_NUMBER,
        personal_data: &[[b'x'; 96].as_slice(); 15],
        authentication_key: generate,
        signature_key: generate,
        cdoc2_key: Some(KeySource::Generate { curve: Curve::Secp521r1, touch: true }),
    };
    card.personalise(&most).unwrap();
    for round in 0..20_u8 {
        for key in KeyRef::ALL {
            card.put_certificate(key, &[round; 2048]).unwrap();
        }
        card = reopen(card);
        for key in KeyRef::ALL {
            assert_eq!(card.certificate(key).unwrap(), [round; 2048]);
        }
    }
    assert!(card.verify(PinRef::Puk, &pin("12345678")).is_ok());
    assert_eq!(card.personal_data(15).unwrap(), [b'x'; 96]);
}

#[test]
fn words_of_every_length_do() {
    fn with<const W: usize>() {
        let mut card = Card::new(Board::<W>::blank(32)).unwrap();
        personalise(&mut card).unwrap();
        for round in 0..80 {
            card = reopen(card);
            card.put_certificate(KeyRef::Authentication, &vec![1; round]).unwrap();
            assert!(card.verify(PinRef::Pin2, &pin("12345")).is_ok());
        }
        assert_eq!(card.certificate(KeyRef::Authentication).unwrap(), [1; 79]);
    }
    with::<1>();
    with::<2>();
    with::<8>();
    with::<16>();
    with::<32>();
}
