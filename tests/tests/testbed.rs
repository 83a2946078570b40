//! A test bed whose servers keep everything in PostgreSQL.

use std::fs;
use std::process::Command;

use base64ct::{Base64, Encoding as _};
use cdoc2_testbed::{Options, SharesServer, SharesServerOptions, Testbed};
use cdoc2_tests::postgresql::Postgresql;
use serde_json::json;

/// Status and `location` of what `curl` gets, which sends the file `body`.
fn post(testbed: &Testbed, url: &str, body: &str) -> String {
    let mut command = Command::new("curl");
    command.args([
        "-q",
        "--silent",
        "--show-error",
        "--noproxy",
        "*",
        "--cacert",
        "root.pem",
        "--max-time",
        "20",
        "--output",
        "answer",
    ]);
    command.args([
        "--header",
        "content-type: application/json",
        "--data",
        body,
        "--write-out",
        "%{http_code} %header{location}",
        url,
    ]);
    let output = command.current_dir(testbed.folder()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn each_server_has_its_own_database() {
    let postgresql = Postgresql::start();
    let databases = [postgresql.database(), postgresql.database()];
    let of =
        |(owner, url): (&str, &String)| SharesServerOptions { postgresql: Some(url.clone()), ..SharesServerOptions::of(owner) };
    let options = Options {
        ldap: false,
        postgresql: Some(postgresql.database()),
        shares_servers: ["North", "South"].into_iter().zip(&databases).map(of).collect(),
        ..Options::default()
    };
    let testbed = Testbed::start(options).unwrap();
    let share = json!({ "share": Base64::encode_string(&[7; 32]), "recipient": "etsi/PNOEE-60001017727" });
    fs::write(testbed.folder().join("share.json"), share.to_string()).unwrap();
    let put = |server: &SharesServer| {
        let answer = post(&testbed, &format!("{}/key-shares", server.url()), "@share.json");
        answer.strip_prefix("201 ").unwrap_or_else(|| panic!("{answer}")).to_owned()
    };
    let [north, south] = testbed.shares_servers() else { panic!("{:?}", testbed.shares_servers()) };
    let (there, _) = (put(north), [put(south), put(south)]);
    let count = |url: &String| postgresql.sql(url, "SELECT count(*) FROM shares");
    assert_eq!(databases.each_ref().map(count), ["1", "2"]);
    north.stop();
    north.start().unwrap();
    assert_eq!(post(&testbed, &format!("{}{there}/nonce", north.url()), ""), "200 ");
    let names = fs::read_dir(testbed.folder()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert!(!names.into_iter().any(|name| name.contains("sqlite")));
}
