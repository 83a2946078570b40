//! SoftHSM. As it finds its configuration in the environment of the process, this program is started again.

use std::cell::Cell;
use std::fs;
use std::path::Path;
use std::process::Command;

use cdoc2_client::auth::{Algorithm, AuthSigner, Error, ModuleSigner, Untrusted};
use cdoc2_client::pkcs11::{Choice, Dialogue, Module, PinQuestion};
use cdoc2_testbed::content::{self, Document};
use cdoc2_testbed::{Algorithm as KeyAlgorithm, Content, Identity};
use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::object::{Attribute, CertificateType, ObjectClass};
use cryptoki::session::UserType;
use cryptoki::types::AuthPin;
use zeroize::Zeroizing;

use crate::phone::{INPUT, Terminal, World, holder, mari, mari_content};

const MODULE: &str = "/usr/lib/softhsm/libsofthsm2.so";
const INSIDE: &str = "CDOC2_TEST_SOFTHSM";

struct Types<'a>(&'a Cell<usize>);

impl Dialogue for Types<'_> {
    fn pin(&mut self, _: &PinQuestion) -> Option<Zeroizing<Vec<u8>>> {
        self.0.set(self.0.get() + 1);
        Some(Zeroizing::new(b"1234".to_vec()))
    }

    fn pin_pad(&mut self) {
        panic!("SoftHSM has no keys to press");
    }
}

fn run(arguments: &[&str]) {
    let output = Command::new("softhsm2-util").args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn keys_behind_a_module_sign() {
    if let Some(folder) = std::env::var_os(INSIDE) {
        return inside(Path::new(&folder));
    }
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("tokens")).unwrap();
    let configuration = folder.path().join("softhsm2.conf");
    let text = format!("directories.tokendir = {}\nobjectstore.backend = file\n", folder.path().join("tokens").display());
    fs::write(&configuration, text).unwrap();
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "modules::keys_behind_a_module_sign", "--nocapture"])
        .env("SOFTHSM2_CONF", &configuration)
        .env(INSIDE, folder.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
}

/// A token called `label` with the keys and certificates of `identities`.
fn token(label: &str, folder: &Path, identities: &[&Identity]) {
    run(&["--init-token", "--free", "--label", label, "--so-pin", "00000000", "--pin", "1234"]);
    for (id, identity) in (1..).zip(identities) {
        let key = folder.join("key.pem");
        fs::write(&key, identity.key_pem().as_bytes()).unwrap();
        let id = format!("0{id}");
        run(&["--import", key.to_str().unwrap(), "--token", label, "--label", &id, "--id", &id, "--pin", "1234"]);
    }
    let context = Pkcs11::new(MODULE).unwrap();
    context.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)).unwrap();
    let slots = context.get_slots_with_initialized_token().unwrap();
    let slot = slots.into_iter().find(|slot| context.get_token_info(*slot).unwrap().label() == label).unwrap();
    let session = context.open_rw_session(slot).unwrap();
    session.login(UserType::User, Some(&AuthPin::new("1234".into()))).unwrap();
    for (id, identity) in (1..).zip(identities) {
        let template = [
            Attribute::Class(ObjectClass::CERTIFICATE),
            Attribute::CertificateType(CertificateType::X_509),
            Attribute::Token(true),
            Attribute::Private(false),
            Attribute::Id(vec![id]),
            Attribute::Subject(vec![0x30, 0]),
            Attribute::Value(identity.certificate().to_vec()),
        ];
        session.create_object(&template).unwrap();
    }
    drop(session);
    context.finalize().unwrap();
}

fn inside(folder: &Path) {
    let world = World::new();
    let identity = |content: &Content, algorithm| world.authority.identity(content, algorithm).unwrap();
    let (p256, p384, rsa) = (
        identity(&mari_content(), KeyAlgorithm::P256),
        identity(&mari_content(), KeyAlgorithm::P384),
        identity(&content::for_rsa(mari_content()), KeyAlgorithm::Rsa),
    );
    let jaan = identity(&content::person(&holder("TAMM,JAAN", "38001085718"), Document::IdCard).unwrap(), KeyAlgorithm::P256);
    let p521 = identity(&mari_content(), KeyAlgorithm::P521);
    let expired = identity(&content::expired(mari_content()), KeyAlgorithm::P256);
    for (label, identities) in [
        ("p256", vec![&p256]),
        ("p384", vec![&p384]),
        ("rsa", vec![&rsa]),
        // Hers is not the first.
        ("both", vec![&jaan, &p384]),
        ("jaan", vec![&jaan]),
        ("p521", vec![&p521]),
        ("expired", vec![&expired, &jaan]),
    ] {
        token(label, folder, &identities);
    }

    let module = Module::load(Path::new(MODULE)).unwrap();
    let asked = Cell::new(0);
    let signer = |label| {
        let choice = Choice { token_label: Some(label), ..Choice::default() };
        ModuleSigner::new(&module, &choice, Types(&asked)).unwrap()
    };
    for (label, algorithm, identity) in [
        ("p256", Algorithm::Es256, &p256),
        ("p384", Algorithm::Es384, &p384),
        ("rsa", Algorithm::Rs256, &rsa),
        ("both", Algorithm::Es384, &p384),
    ] {
        let mut signer = signer(label);
        asked.set(0);
        assert_eq!(signer.algorithm(&mari()).unwrap(), algorithm);
        assert_eq!(asked.get(), 0, "{label}");
        let mut given_up = Terminal::giving_up(|| true);
        assert!(matches!(signer.sign(&mari(), INPUT, algorithm, &mut given_up), Err(Error::Cancelled)));
        for _ in 0..2 {
            let signed = signer.sign(&mari(), INPUT, algorithm, &mut Terminal::new()).unwrap();
            assert_eq!(signed.certificate, identity.certificate(), "{label}");
            algorithm.verify(identity.public_key(), INPUT, &signed.signature).unwrap();
        }
        assert_eq!(asked.get(), 1, "{label}");
    }
    asked.set(0);
    let error = |label| signer(label).algorithm(&mari()).unwrap_err();
    assert!(matches!(error("jaan"), Error::Untrusted(Untrusted::OtherPerson)));
    assert!(matches!(error("p521"), Error::UnfitKey(_)));
    assert!(matches!(error("expired"), Error::Untrusted(Untrusted::Expired)));
    assert_eq!(asked.get(), 0);
}
