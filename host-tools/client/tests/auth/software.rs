//! Keys in memory.

use cdoc2::keys::{Certificate, Error as KeyError, PrivateKey};
use cdoc2_client::auth::{Algorithm, AuthSigner, Error, SoftwareSigner, Untrusted};
use cdoc2_testbed::content::{self, Document};
use cdoc2_testbed::{Algorithm as KeyAlgorithm, Identity};
use zeroize::Zeroizing;

use crate::phone::{INPUT, Terminal, World, holder, mari, mari_content};

fn parse(identity: &Identity) -> (PrivateKey, Certificate) {
    let no_passphrase = || -> Result<Zeroizing<Vec<u8>>, KeyError> { unreachable!("it is not encrypted") };
    let key = PrivateKey::parse(identity.key_pem().as_bytes(), no_passphrase).unwrap();
    (key, Certificate::parse(identity.certificate()).unwrap())
}

#[test]
fn every_kind_of_key_signs() {
    let world = World::new();
    for (kind, algorithms) in [
        (KeyAlgorithm::P256, &[Algorithm::Es256][..]),
        (KeyAlgorithm::P384, &[Algorithm::Es384]),
        (KeyAlgorithm::Rsa, &[Algorithm::Rs256, Algorithm::Ps256]),
    ] {
        let identity = world.authority.identity(&mari_content(), kind).unwrap();
        let (key, certificate) = parse(&identity);
        let mut signer = SoftwareSigner::new(&key, &certificate);
        assert_eq!(signer.algorithm(&mari()).unwrap(), algorithms[0]);
        for algorithm in algorithms {
            let signed = signer.sign(&mari(), INPUT, *algorithm, &mut Terminal::new()).unwrap();
            assert_eq!(signed.certificate, identity.certificate());
            algorithm.verify(identity.public_key(), INPUT, &signed.signature).unwrap();
        }
    }
}

#[test]
fn what_does_not_belong_together_does_not_sign() {
    let world = World::new();
    let identity = world.authority.identity(&mari_content(), KeyAlgorithm::P256).unwrap();
    let (key, certificate) = parse(&identity);
    let mut terminal = Terminal::new();

    let jaan = content::person(&holder("TAMM,JAAN", "38001085718"), Document::IdCard).unwrap();
    let (_, other) = parse(&world.authority.certify_again(&identity, &jaan).unwrap());
    let error = SoftwareSigner::new(&key, &other).algorithm(&mari()).unwrap_err();
    assert!(matches!(error, Error::Untrusted(Untrusted::OtherPerson)), "{error}");

    let (other, _) = parse(&world.authority.identity(&mari_content(), KeyAlgorithm::P256).unwrap());
    let error = SoftwareSigner::new(&other, &certificate).sign(&mari(), INPUT, Algorithm::Es256, &mut terminal).unwrap_err();
    assert!(matches!(error, Error::Untrusted(Untrusted::Signature)), "{error}");

    let error = SoftwareSigner::new(&key, &certificate).sign(&mari(), INPUT, Algorithm::Es384, &mut terminal).unwrap_err();
    assert!(matches!(error, Error::UnfitKey(_)), "{error}");

    let (key, certificate) = parse(&world.authority.identity(&mari_content(), KeyAlgorithm::P521).unwrap());
    let error = SoftwareSigner::new(&key, &certificate).algorithm(&mari()).unwrap_err();
    assert!(matches!(error, Error::UnfitKey(_)), "{error}");
}
