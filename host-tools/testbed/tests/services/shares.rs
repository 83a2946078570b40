//! The shares servers. That they give shares to whoever has signed for them is seen where there are clients that sign.

use std::fs;

use base64ct::{Base64, Encoding as _};
use cdoc2_testbed::{Options, SharesServer, SharesServerOptions, Testbed};
use serde_json::{Value, json};

use crate::curl::{curl, get, post, start};

/// Puts a share for Mari there; its path.
fn put(testbed: &Testbed, server: &SharesServer) -> String {
    let share = json!({ "share": Base64::encode_string(&[7; 32]), "recipient": "etsi/PNOEE-60001017727" });
    fs::write(testbed.folder().join("share.json"), share.to_string()).unwrap();
    let arguments =
        ["--data", "@share.json", "--header", "content-type: application/json", "--write-out", "%{http_code} %header{location}"];
    let output = curl(testbed, &[&arguments[..], &[&format!("{}/key-shares", server.url())]].concat());
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    text.strip_prefix("201 ").unwrap_or_else(|| panic!("{output:?}")).to_owned()
}

fn nonce(testbed: &Testbed, server: &SharesServer, share: &str) -> u16 {
    post(testbed, &format!("{}{share}/nonce", server.url()), &Value::Null).0
}

#[test]
fn each_keeps_what_it_got_and_knows_nothing_of_the_other() {
    let testbed = start();
    let [north, south] = testbed.shares_servers() else { panic!("{:?}", testbed.shares_servers()) };
    assert_ne!(north.owner(), south.owner());
    let (there, here) = (put(&testbed, north), put(&testbed, south));
    assert_eq!((nonce(&testbed, north, &there), nonce(&testbed, south, &here)), (200, 200));
    assert_eq!((nonce(&testbed, north, &here), nonce(&testbed, south, &there)), (404, 404));
    // Without a ticket.
    assert_eq!(get(&testbed, &format!("{}{there}", north.url())).0, 401);
    for name in ["shares-1.sqlite", "shares-2.sqlite", "capsules.sqlite"] {
        assert!(testbed.folder().join(name).exists(), "{name}");
    }
}

#[test]
fn one_comes_back_at_the_same_address_with_what_it_kept() {
    let testbed = start();
    let [north, south] = testbed.shares_servers() else { panic!("{:?}", testbed.shares_servers()) };
    let (there, here) = (put(&testbed, north), put(&testbed, south));
    let url = north.url();
    north.stop();
    let output = curl(&testbed, &[&format!("{url}/key-shares")]);
    assert!(!output.status.success(), "{output:?}");
    assert_eq!(nonce(&testbed, south, &here), 200);
    north.start().unwrap();
    assert_eq!((north.url(), nonce(&testbed, north, &there)), (url, 200));
}

/// The configurations are good for the program, too: they have the addresses in them.
#[test]
fn there_are_as_many_as_wanted() {
    let mut third = SharesServerOptions::of("The \"third\"");
    third.configure = Box::new(|config| config.expiry.max = config.expiry.default);
    let shares_servers = vec![SharesServerOptions::of("One"), SharesServerOptions::of("Two"), third];
    let testbed = Testbed::start(Options { ldap: false, shares_servers, ..Options::default() }).unwrap();
    let owners: Vec<_> = testbed.shares_servers().iter().map(SharesServer::owner).collect();
    assert_eq!(owners, ["One", "Two", "The \"third\""]);
    let client = fs::read_to_string(testbed.config()).unwrap();
    for server in testbed.shares_servers() {
        let text = fs::read_to_string(server.config()).unwrap();
        let addresses = server.addresses();
        for address in [format!("address = \"{}\"", addresses.shares), format!("address = \"{}\"", addresses.operations)] {
            assert!(text.contains(&address), "{text}");
        }
        let url = format!("url = \"{}\"", server.url());
        assert!(text.contains(&url) && client.contains(&url), "{text}");
    }
    assert_eq!(client.matches("[[shares_set]]").count(), 1);
    let alone = vec![SharesServerOptions::of("Alone")];
    let testbed = Testbed::start(Options { ldap: false, shares_servers: alone, ..Options::default() }).unwrap();
    assert!(!fs::read_to_string(testbed.config()).unwrap().contains("shares_set"));
}
