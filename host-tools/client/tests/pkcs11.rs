//! SoftHSM, a token in software, opens containers through its PKCS#11 module.
//!
//! One test, as SoftHSM finds its configuration in the environment of the process: it starts this program again with another.

use std::fs;
use std::io::Cursor;
use std::path::Path;
use std::process::Command;

use cdoc2::core::Curve;
use cdoc2::keys::{EcPrivateKey, EcPublicKey, PrivateKey, PublicKey, RsaPublicKey};
use cdoc2::{Container, InputFile, Recipient, Selection};
use cdoc2_client::pkcs11::{Choice, Dialogue, Error, Module, ModuleHolder, PinQuestion};
use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeType};
use cryptoki::session::UserType;
use cryptoki::slot::Slot;
use cryptoki::types::AuthPin;
use zeroize::Zeroizing;

const MODULE: &str = "/usr/lib/softhsm/libsofthsm2.so";
const INSIDE: &str = "CDOC2_TEST_SOFTHSM";

/// Answers one PIN, as often as it is asked, and counts.
struct Types<'a> {
    pin: Option<&'a str>,
    questions: &'a mut Vec<PinQuestion>,
}

impl Dialogue for Types<'_> {
    fn pin(&mut self, question: &PinQuestion) -> Option<Zeroizing<Vec<u8>>> {
        self.questions.push(question.clone());
        self.pin.map(|pin| Zeroizing::new(pin.as_bytes().to_vec()))
    }

    fn pin_pad(&mut self) {
        panic!("SoftHSM has no keys to press");
    }
}

fn run(program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).output().unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Makes a key pair on the token in `slot`, under `label` and `id`; its public half. An elliptic curve is given by `CKA_EC_PARAMS`.
fn generate(context: &Pkcs11, slot: Slot, curve: Option<(Curve, &[u8])>, label: &str, id: u8) -> PublicKey {
    let session = context.open_rw_session(slot).unwrap();
    session.login(UserType::User, Some(&AuthPin::new("1234".into()))).unwrap();
    let name = [Attribute::Token(true), Attribute::Label(label.into()), Attribute::Id(vec![id])];
    let (mechanism, public, private) = match curve {
        Some((_, parameters)) => {
            (Mechanism::EccKeyPairGen, vec![Attribute::EcParams(parameters.to_vec())], Attribute::Derive(true))
        }
        None => (Mechanism::RsaPkcsKeyPairGen, vec![Attribute::ModulusBits(2048.into())], Attribute::Decrypt(true)),
    };
    let public = [&name[..], &public].concat();
    let private = [&name[..], &[private, Attribute::Private(true), Attribute::Sensitive(true)]].concat();
    let (public, _) = session.generate_key_pair(&mechanism, &public, &private).unwrap();
    let attribute = |wanted| match session.get_attributes(public, &[wanted]).unwrap().pop().unwrap() {
        Attribute::EcPoint(octets) | Attribute::Modulus(octets) | Attribute::PublicExponent(octets) => octets,
        other => panic!("{other:?}"),
    };
    match curve {
        Some((curve, _)) => {
            let octets = attribute(AttributeType::EcPoint);
            let point = &octets[octets.len() - curve.point_len()..];
            PublicKey::Ec(EcPublicKey::new(curve, point).unwrap())
        }
        None => {
            let [modulus, exponent] = [AttributeType::Modulus, AttributeType::PublicExponent].map(attribute);
            PublicKey::Rsa(RsaPublicKey::from_numbers(&modulus, &exponent).unwrap())
        }
    }
}

fn container(recipients: &[Recipient]) -> Container {
    let files = [InputFile::from_reader("a.txt", &mut Cursor::new(b"content")).unwrap()];
    let mut octets = Vec::new();
    cdoc2::encrypt(recipients, &files, &mut octets, &mut |_| {}).unwrap();
    Container::spool(&mut Cursor::new(octets)).unwrap()
}

fn recipient(key: &PublicKey) -> Recipient {
    Recipient::PublicKey { key: key.clone(), label: "key".into() }
}

#[test]
fn softhsm() {
    if std::env::var_os(INSIDE).is_some() {
        return inside(Path::new(&std::env::var_os(INSIDE).unwrap()));
    }
    let folder = tempfile::tempdir().unwrap();
    let tokens = folder.path().join("tokens");
    fs::create_dir(&tokens).unwrap();
    let configuration = folder.path().join("softhsm2.conf");
    fs::write(&configuration, format!("directories.tokendir = {}\nobjectstore.backend = file\n", tokens.display())).unwrap();
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "softhsm", "--nocapture"])
        .env("SOFTHSM2_CONF", &configuration)
        .env(INSIDE, folder.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
}

fn inside(folder: &Path) {
    for label in ["first", "second"] {
        run("softhsm2-util", &["--init-token", "--free", "--label", label, "--so-pin", "00000000", "--pin", "1234"]);
    }
    let context = Pkcs11::new(MODULE).unwrap();
    context.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)).unwrap();
    let slot = |label: &str| {
        let slots = context.get_slots_with_initialized_token().unwrap();
        slots.into_iter().find(|slot| context.get_token_info(*slot).unwrap().label() == label).unwrap()
    };
    let (first, second) = (slot("first"), slot("second"));
    let keys = [
        (Some((Curve::Secp256r1, &b"\x06\x08\x2A\x86\x48\xCE\x3D\x03\x01\x07"[..])), "p256"),
        (Some((Curve::Secp384r1, b"\x06\x05\x2B\x81\x04\x00\x22")), "p384"),
        (Some((Curve::Secp521r1, b"\x06\x05\x2B\x81\x04\x00\x23")), "p521"),
        (None, "rsa"),
    ];
    let keys: Vec<_> = (1..).zip(keys).map(|(id, (curve, label))| (generate(&context, second, curve, label, id), label)).collect();
    let elsewhere = generate(&context, first, Some((Curve::Secp384r1, b"\x06\x05\x2B\x81\x04\x00\x22")), "elsewhere", 1);
    context.finalize().unwrap();
    let module = Module::load(Path::new(MODULE)).unwrap();

    every_key_opens(&module, &keys);
    what_is_chosen_counts(&module, &keys[1].0, &elsewhere);
    pin_is_asked_only_when_it_is_of_use(&module, &keys[1].0);
    assert!(matches!(Module::load(&folder.join("softhsm2.conf")), Err(Error::Load { .. })));
}

fn every_key_opens(module: &Module, keys: &[(PublicKey, &str)]) {
    for (key, label) in keys {
        let mut questions = Vec::new();
        let dialogue = Types { pin: Some("1234"), questions: &mut questions };
        let mut holder = ModuleHolder::new(module, &Choice::default(), dialogue).unwrap();
        let container =
            container(&[Recipient::SymmetricKey { key: Zeroizing::new(vec![1; 32]), label: "s".into() }, recipient(key)]);
        let unlocked = container.unlock_with(&mut holder, &Selection::Any).unwrap_or_else(|error| panic!("{label}: {error}"));
        assert_eq!(unlocked.index(), 2);
        unlocked.authenticate(&mut |_| {}).unwrap();
        drop(holder);
        assert_eq!(questions.len(), 1);
        assert_eq!(questions[0].token, "second");
    }
}

fn what_is_chosen_counts(module: &Module, key: &PublicKey, elsewhere: &PublicKey) {
    let container = container(&[recipient(key), recipient(elsewhere)]);
    let open = |choice: &Choice<'_>| {
        let mut questions = Vec::new();
        let dialogue = Types { pin: Some("1234"), questions: &mut questions };
        let mut holder = ModuleHolder::new(module, choice, dialogue)?;
        container.unlock_with(&mut holder, &Selection::Any).map(|unlocked| unlocked.index())
    };
    assert_eq!(open(&Choice { token_label: Some("first"), ..Choice::default() }).unwrap(), 2);
    assert_eq!(open(&Choice { token_label: Some("second"), key_label: Some("p384"), ..Choice::default() }).unwrap(), 1);
    let error = open(&Choice { key_label: Some("p256"), ..Choice::default() }).unwrap_err();
    assert!(matches!(error, Error::Container(cdoc2::Error::NoRecord(_))), "{error}");
    let error = open(&Choice { key_label: Some("none"), ..Choice::default() }).unwrap_err();
    assert!(matches!(error, Error::NoKey(" with that label")), "{error}");
    let error = open(&Choice { token_label: Some("third"), ..Choice::default() }).unwrap_err();
    assert!(error.to_string().contains("\"first\" in slot"), "{error}");
    let error = open(&Choice { slot: Some(u64::MAX), ..Choice::default() }).unwrap_err();
    assert!(matches!(error, Error::NoToken(_)), "{error}");
}

fn pin_is_asked_only_when_it_is_of_use(module: &Module, key: &PublicKey) {
    let stranger = PrivateKey::Ec(EcPrivateKey::generate(Curve::Secp384r1).unwrap()).public_key();
    let open = |key: &PublicKey, pin: Option<&str>| {
        let mut questions = Vec::new();
        let mut holder = ModuleHolder::new(module, &Choice::default(), Types { pin, questions: &mut questions }).unwrap();
        let opened = container(&[recipient(key)]).unlock_with(&mut holder, &Selection::Any).map(drop);
        drop(holder);
        (opened, questions.len())
    };
    assert!(matches!(open(&stranger, Some("1234")), (Err(Error::Container(_)), 0)));
    assert!(matches!(open(key, Some("4321")), (Err(Error::WrongPin { .. }), 1)));
    assert!(matches!(open(key, None), (Err(Error::NotGiven), 1)));
    assert!(matches!(open(key, Some("1234")), (Ok(()), 1)));
}
