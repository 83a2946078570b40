//! Where people sign in: a scene with shares servers, each a process with a database of its own, of an owner of its own.

use std::fs;
use std::ops::Deref;
use std::sync::OnceLock;
use std::time::SystemTime;

use cdoc2_testbed::content::{Document, person};
use cdoc2_testbed::{Algorithm, Content, Identity, Subject};
use cdoc2_tests::https::Client;
use cdoc2_tests::postgresql::Postgresql;
use cdoc2_tests::shares_server::{Files, Generation, Installation, SharesServer};
use cdoc2_tests::ticket;
use rcgen::KeyPair;
use rustls::pki_types::CertificateDer;
use serde_json::Value;

use crate::relay::Relay;
use crate::scene::{MARI, Scene, holder};

/// Her as shares servers know her.
pub(crate) const MARI_ID: &str = "etsi/PNOEE-60001017727";
/// Encrypts for her, so that she signs in.
pub(crate) const ENCRYPT: &str = "encrypt -o in.cdoc2 -r share:60001017727 a.txt";
/// The number of her phone with Mobile-ID.
pub(crate) const PHONE: &str = "+37200000727";

/// Where a server keeps what it got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Store {
    Sqlite,
    Postgresql,
}

/// PostgreSQL for all tests of this program, each server with a database of its own. It ends with the program.
pub(crate) fn postgresql() -> &'static Postgresql {
    static SERVER: OnceLock<Postgresql> = OnceLock::new();
    SERVER.get_or_init(Postgresql::start)
}

/// One server of a set.
pub(crate) struct Arm {
    /// What clients connect to.
    pub(crate) relay: Relay,
    pub(crate) site: Installation,
    pub(crate) identity: Identity,
    pub(crate) generation: Generation,
    server: Option<SharesServer>,
}

impl Arm {
    fn new(scene: &Scene, store: Store, generation: Generation, configuration: &str) -> Self {
        let authority = scene.bed.authority();
        let content = Content::server(Subject::named("shares server").unwrap(), SystemTime::now()).unwrap();
        let identity = authority.identity(&content, Algorithm::P256).unwrap();
        let root = CertificateDer::from(authority.root().to_vec());
        let relay = Relay::new(&identity, Client::trusting(&root));
        let store = match store {
            Store::Sqlite => "sqlite = \"shares.sqlite\"".to_owned(),
            Store::Postgresql => format!("postgresql = \"{}\"", postgresql().database()),
        };
        let files = Files {
            certificate: &identity.chain_pem(),
            key: &identity.key_pem(),
            authorities: &authority.root_pem(),
            intermediates: &authority.intermediate_pem(),
        };
        let mut site = Installation::new(&relay.url(), &store, &files, &root);
        site.set("[ocsp]\nenabled = true");
        site.set(configuration);
        let mut arm = Self { relay, site, identity, generation, server: None };
        arm.start();
        arm
    }

    /// The server's process.
    pub(crate) fn server(&self) -> &SharesServer {
        self.server.as_ref().expect("it runs")
    }

    /// Kills the server.
    pub(crate) fn kill(&mut self) {
        self.server.take().expect("it runs").kill();
    }

    /// Starts the server, which clients find where it was.
    pub(crate) fn start(&mut self) {
        let server = self.site.start();
        self.relay.lead_to(server.address);
        self.server = Some(server);
    }
}

/// A scene, and a set of two servers or more that the client's configuration lists.
pub(crate) struct Signing {
    scene: Scene,
    pub(crate) arms: Vec<Arm>,
}

impl Deref for Signing {
    type Target = Scene;

    fn deref(&self) -> &Scene {
        &self.scene
    }
}

impl Signing {
    /// Two servers: one of the newer interface, one of the older.
    pub(crate) fn new() -> Self {
        Self::with(Store::Sqlite, Generation::ALL, "")
    }

    /// Servers of these generations, with what `configuration` says.
    pub(crate) fn with<const N: usize>(store: Store, generations: [Generation; N], configuration: &str) -> Self {
        Self::in_scene(Scene::new(), store, &generations, configuration)
    }

    /// The same with a directory.
    pub(crate) fn with_directory() -> Self {
        Self::in_scene(Scene::with_directory(), Store::Sqlite, &Generation::ALL, "")
    }

    fn in_scene(scene: Scene, store: Store, generations: &[Generation], configuration: &str) -> Self {
        let arms: Vec<_> = generations.iter().map(|generation| Arm::new(&scene, store, *generation, configuration)).collect();
        let signing = Self { scene, arms };
        signing.configure_set(&signing.entries(|arm| &arm.identity));
        signing
    }

    /// A container for [`MARI`] over all servers.
    pub(crate) fn with_container() -> Self {
        let signing = Self::new();
        signing.done(ENCRYPT);
        signing
    }

    /// The entries of all servers, each pinned by the certificate of what `pin` makes of it.
    pub(crate) fn entries<'s>(&'s self, pin: impl Fn(&'s Arm) -> &'s Identity) -> String {
        let entry = |(number, arm): (usize, &'s Arm)| {
            format!(
                "[[shares_set.server]]\nurl = \"{}\"\nowner = \"Owner {number}\"\ninterface = \"{}\"\ncertificates = [\"\"\"\n{}\"\"\"]\n",
                arm.relay.url(),
                arm.generation.name(),
                pin(arm).certificate_pem()
            )
        };
        self.arms.iter().enumerate().map(entry).collect()
    }

    /// Lists a set with these entries, and no other, in the client's configuration.
    pub(crate) fn configure_set(&self, entries: &str) {
        let file = self.bed.config();
        let mut config: toml::Table = fs::read_to_string(file).unwrap().parse().unwrap();
        config.retain(|key, _| key != "shares_set" && key != "default_shares_set");
        fs::write(file, format!("{config}\n[[shares_set]]\nid = \"test\"\n{entries}")).unwrap();
    }

    /// The shares of the only record of the container at `name`: id after id, in the order of the servers.
    pub(crate) fn share_ids(&self, name: &str) -> Vec<String> {
        let records = self.records(name);
        assert_eq!(records.len(), 1, "{records:?}");
        shares(&records[0]).into_iter().map(|(_, id)| id).collect()
    }

    /// Options by which [`MARI`] signs in with a new ID-card.
    pub(crate) fn card_of_mari(&self) -> String {
        format!("--auth id-card --reader {} --pin-file pin", self.card(MARI))
    }

    /// Options by which `who` signs in with a new key in a file, and the key.
    pub(crate) fn key_of(&self, who: (&str, &str)) -> (String, Identity) {
        let files = self.bed.software_key(&holder(who), Algorithm::P256).unwrap();
        let options = format!("--auth key --key {} --cert {}", files.key.display(), files.certificate.display());
        (options, files.identity)
    }
}

/// Servers and ids of the shares of a record.
pub(crate) fn shares(record: &Value) -> Vec<(String, String)> {
    let shares = record["shares"].as_array().unwrap_or_else(|| panic!("no shares in {record}"));
    let text = |share: &Value, name: &str| share[name].as_str().unwrap_or_else(|| panic!("no {name} in {share}")).to_owned();
    shares.iter().map(|share| (text(share, "server_url"), text(share, "share_id"))).collect()
}

/// Somebody who signs without `cdoc2`.
pub(crate) struct Person {
    identity: Identity,
    pub(crate) key: KeyPair,
}

impl From<Identity> for Person {
    /// Whoever has this key, on P-256.
    fn from(identity: Identity) -> Self {
        let key = KeyPair::from_pem(&identity.key_pem()).unwrap();
        Self { identity, key }
    }
}

impl Person {
    /// [`MARI`] with a new key.
    pub(crate) fn new(scene: &Scene) -> Self {
        let content = person(&holder(MARI), Document::IdCard).unwrap();
        scene.bed.authority().identity(&content, Algorithm::P256).unwrap().into()
    }

    pub(crate) fn certificate(&self) -> &[u8] {
        self.identity.certificate()
    }

    /// Signs as [`MARI`]; a ticket for each of `audiences`.
    pub(crate) fn tickets(&self, audiences: &[String]) -> Vec<String> {
        self.sign_as(MARI_ID, audiences)
    }

    /// The same as somebody else.
    pub(crate) fn sign_as(&self, who: &str, audiences: &[String]) -> Vec<String> {
        ticket::sign(who, audiences, &self.key)
    }

    /// A ticket for the share `id`, with a new nonce.
    pub(crate) fn ticket(&self, arm: &Arm, id: &str) -> String {
        self.tickets(&[ticket::audience(&arm.relay.url(), id, &arm.server().nonce(id))]).remove(0)
    }
}
