//! SoftHSM, whose keys authenticate to the server. As it finds its configuration in the environment of the process, this program is started again.

use std::cell::Cell;
use std::fs;
use std::path::Path;
use std::process::Command;

use cdoc2_client::pkcs11::{Choice, Dialogue, Module, ModuleHolder, PinQuestion};
use cdoc2_testbed::content::{self, Document};
use cdoc2_testbed::{Algorithm, Identity};
use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::object::{Attribute, CertificateType, ObjectClass};
use cryptoki::session::UserType;
use cryptoki::types::AuthPin;
use zeroize::Zeroizing;

use crate::world::{Person, World, holder, open, seal};

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
fn keys_behind_a_module_authenticate() {
    if let Some(folder) = std::env::var_os(INSIDE) {
        return inside(Path::new(&folder));
    }
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("tokens")).unwrap();
    let configuration = folder.path().join("softhsm2.conf");
    let text = format!("directories.tokendir = {}\nobjectstore.backend = file\n", folder.path().join("tokens").display());
    fs::write(&configuration, text).unwrap();
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "modules::keys_behind_a_module_authenticate", "--nocapture"])
        .env("SOFTHSM2_CONF", &configuration)
        .env(INSIDE, folder.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
}

fn inside(folder: &Path) {
    let world = World::new();
    run(&["--init-token", "--free", "--label", "mari", "--so-pin", "00000000", "--pin", "1234"]);
    let person = content::person(&holder(), Document::IdCard).unwrap();
    let algorithms = [Algorithm::P256, Algorithm::P384, Algorithm::Rsa];
    let identities: Vec<Identity> =
        algorithms.iter().map(|algorithm| world.authority.identity(&person, *algorithm).unwrap()).collect();
    for (id, identity) in (1..).zip(&identities) {
        let key = folder.join("key.pem");
        fs::write(&key, identity.key_pem().as_bytes()).unwrap();
        let id = format!("0{id}");
        run(&["--import", key.to_str().unwrap(), "--token", "mari", "--label", &id, "--id", &id, "--pin", "1234"]);
    }
    let context = Pkcs11::new(MODULE).unwrap();
    context.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)).unwrap();
    let slot = context.get_slots_with_initialized_token().unwrap()[0];
    let session = context.open_rw_session(slot).unwrap();
    session.login(UserType::User, Some(&AuthPin::new("1234".into()))).unwrap();
    for (id, identity) in (1..).zip(&identities) {
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
        // What softhsm2-util imports may only sign and decrypt.
        let key = session.find_objects(&[Attribute::Class(ObjectClass::PRIVATE_KEY), Attribute::Id(vec![id])]).unwrap()[0];
        session.update_attributes(key, &[Attribute::Derive(true)]).unwrap();
    }
    drop(session);
    context.finalize().unwrap();

    let module = Module::load(Path::new(MODULE)).unwrap();
    for (identity, algorithm) in identities.iter().zip(algorithms) {
        let config = world.config();
        let (container, _) = seal(&config, &[Person::of(identity).recipient()], None).unwrap();
        let asked = Cell::new(0);
        let holder = ModuleHolder::new(&module, &Choice::default(), Types(&asked)).unwrap();
        open(&container, &config, holder).unwrap_or_else(|error| panic!("{algorithm:?}: {error}"));
        assert_eq!(asked.get(), 1, "{algorithm:?}");
    }
}
