//! A shares server's installation, and somebody whose certificate it trusts.

use cdoc2_tests::https::{Connection, Response};
use cdoc2_tests::pki::{Authority, Identity, Kind, key_pem};
use cdoc2_tests::shares_server::{Files, Generation, Installation, PATH, get};
use cdoc2_tests::ticket::{audience, sign};

/// What clients call the server. They are led to wherever it listens.
const URL: &str = "https://shares.example:8443";
/// The person as servers know them.
pub(crate) const PERSON: &str = "etsi/PNOEE-60001017727";

pub(crate) struct Site {
    pub(crate) installation: Installation,
    person: Identity,
}

impl Site {
    /// With the database that this line of `[store]` names.
    pub(crate) fn new(store: &str) -> Self {
        let root = Authority::root("Root of a test");
        let people = root.intermediate("Persons of a test");
        let person = people.certify_as("PNOEE-60001017727", Kind::P256.generate());
        let server = root.server();
        let files = Files {
            certificate: &server.chain_pem(),
            key: &key_pem(&server),
            authorities: &root.pem(),
            intermediates: &people.pem(),
        };
        Self { installation: Installation::new(URL, store, &files, root.certificate()), person }
    }

    /// A ticket of the person's for the share `id`.
    pub(crate) fn ticket(&self, id: &str, nonce: &str) -> String {
        sign(PERSON, &[audience(URL, id, nonce)], &self.person.key).remove(0)
    }

    /// Asks for the share `id` with a ticket; none if there is no answer.
    pub(crate) fn get(&self, connection: &mut Connection, id: &str, ticket: &str) -> Option<Response> {
        let path = format!("{PATH}/{id}");
        let request = get(&path, ticket, &self.person.chain[0], Generation::Token);
        connection.send(&request.octets()).and_then(|()| connection.response()).ok()
    }
}
