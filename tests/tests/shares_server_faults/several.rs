//! Two processes over one PostgreSQL, as an owner runs them who wants one to be there when the other is not.

use cdoc2_tests::postgresql::Postgresql;
use cdoc2_tests::shares_server::{SharesServer, share};

use crate::site::{PERSON, Site};

/// The status of an answer of `server`.
fn get(site: &Site, server: &SharesServer, id: &str, ticket: &str) -> u16 {
    let mut connection = server.client().connect(server.address).expect("a connection");
    site.get(&mut connection, id, ticket).expect("an answer").status
}

#[test]
fn a_nonce_of_one_server_is_good_at_the_other_once() {
    let database = Postgresql::start();
    let site = Site::new(&format!("postgresql = \"{}\"", database.database()));
    let [one, other] = [(); 2].map(|()| site.installation.start());
    let id = one.keep(&share(PERSON));
    for (giver, taker) in [(&one, &other), (&other, &one), (&one, &one)] {
        let ticket = site.ticket(&id, &giver.nonce(&id));
        assert_eq!(get(&site, taker, &id, &ticket), 200);
        assert_eq!([&one, &other].map(|server| get(&site, server, &id, &ticket)), [404, 404]);
    }
    assert_eq!([one.tickets("accepted"), other.tickets("accepted")], [2.0, 1.0]);

    // One of them is lost: what it has given and kept is good at the other.
    let nonce = one.nonce(&id);
    let mut one = one;
    one.kill();
    assert_eq!(get(&site, &other, &id, &site.ticket(&id, &nonce)), 200);
}
