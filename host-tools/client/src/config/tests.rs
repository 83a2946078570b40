use super::*;

use std::fs;

use tempfile::TempDir;

fn certificate() -> String {
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
    rcgen::CertificateParams::new(vec!["localhost".into()]).unwrap().self_signed(&key).unwrap().pem()
}

fn authority() -> String {
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
    let mut params = rcgen::CertificateParams::new(vec![]).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params.self_signed(&key).unwrap().pem()
}

/// A folder with a configuration of this text and certificates beside it.
fn folder(text: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("config.toml"), text).unwrap();
    fs::write(folder.path().join("server.pem"), certificate()).unwrap();
    fs::write(folder.path().join("people.pem"), authority()).unwrap();
    folder
}

fn read(text: &str) -> Result<Config, String> {
    let folder = folder(text);
    let read = Config::read(&folder.path().join("config.toml"));
    read.map_err(|error| error.to_string().replace(&format!("{}/", folder.path().display()), ""))
}

const SERVER: &str = "[[server]]\nid = \"ria\"\nsender_url = \"https://localhost:1\"\nrecipient_url = \"https://localhost:2/ccs/\"\n\
    certificates = [\"server.pem\"]\n";

#[test]
fn a_whole_configuration_is_read() {
    let inline = certificate();
    let text = format!(
        "default_server = \"ria\"\nexpires = \"30d\"\n{SERVER}owner = \"RIA\"\ncapsule_types = [\"rsa\"]\n\
         [[server]]\nid = \"own\"\nsender_url = \"https://[::1]:1\"\nrecipient_url = \"https://localhost:2\"\n\
         certificates = [\"server.pem\", \"\"\"\n{inline}\"\"\"]\n\
         [policy]\nurl = \"https://policy.example/cdoc2.json\"\nauthorities = [\"server.pem\"]\n"
    );
    let config = read(&text).unwrap();
    assert_eq!(config.default_server().map(|server| server.id.as_str()), Some("ria"));
    assert!(matches!(config.expires(), Some(Expires::After(_))));
    let ria = config.server("ria").unwrap();
    assert_eq!((ria.owner.as_deref(), ria.certificates.len()), (Some("RIA"), 1));
    assert_eq!(ria.capsule_types, [cdoc2_api::CapsuleType::Rsa]);
    assert_eq!(ria.recipient_url.as_str(), "https://localhost:2/ccs/");
    let own = config.server("own").unwrap();
    assert_eq!((own.certificates.len(), &own.capsule_types[..]), (2, &ALL_CAPSULE_TYPES[..]));
    assert_eq!(config.policy().map(|policy| policy.authorities.len()), Some(1));
}

#[test]
fn what_is_wrong_is_said_with_its_line() {
    let with = |line: &str| format!("{SERVER}{line}");
    let instead = |old: &str, new: &str| SERVER.replace(old, new);
    for (text, expected) in [
        (with("certs = []\n"), "config.toml:6: unknown field `certs`"),
        ("a = = 1".to_owned(), "config.toml:1: "),
        ("[[server]]\nid = \"x\"\n".to_owned(), "missing field `sender_url`"),
        (instead("https://localhost:1", "http://localhost:1"), "config.toml:3: sender_url: only https://"),
        (instead("https://localhost:2/ccs/", "https://me:secret@localhost:2"), "config.toml:4: recipient_url: a host"),
        (instead("https://localhost:2/ccs/", "https://localhost:2/?a=1"), "config.toml:4: recipient_url: a host"),
        (instead("https://localhost:1", "localhost:1"), "config.toml:3: sender_url: only https://"),
        (instead("https://localhost:1", "https://:0:"), "config.toml:3: sender_url: not a URL"),
        (instead("\"server.pem\"", "\"absent.pem\""), "config.toml:5: certificates: absent.pem: "),
        (instead("\"server.pem\"", "\"config.toml\""), "config.toml:5: certificates: config.toml: no certificate in PEM"),
        (instead("\"server.pem\"", ""), "config.toml:5: certificates: no certificate"),
        (
            instead("\"server.pem\"", "\"-----BEGIN CERTIFICATE-----\\nMAA=\\n-----END CERTIFICATE-----\\n\""),
            "config.toml:5: certificates: not a sound certificate",
        ),
        (instead("\"ria\"", "\"\""), "config.toml:2: id: "),
        (with(SERVER), "config.toml:7: id: two servers are called \"ria\""),
        (with("capsule_types = [\"dsa\"]"), "config.toml:6: capsule_types: not a kind of capsule"),
        (format!("default_server = \"other\"\n{SERVER}"), "config.toml:1: default_server: no [[server]] has this id"),
        ("expires = \"soon\"".to_owned(), "config.toml:1: expires: not a duration"),
        ("[policy]\nurl = \"http://a\"\nauthorities = [\"server.pem\"]".to_owned(), "config.toml:2: policy.url: only https://"),
        ("[policy]\nurl = \"https://a\"\nauthorities = []".to_owned(), "config.toml:3: policy.authorities: no certificate"),
    ] {
        let error = read(&text).unwrap_err();
        assert!(error.contains(expected), "{text}\n{error}");
        assert!(!error.contains("secret@"), "{error}");
    }
}

#[test]
fn only_what_was_named_must_be_there() {
    let folder = folder("");
    let absent = folder.path().join("absent.toml");
    assert!(matches!(Config::read(&absent), Err(Error::Missing { .. })));
    let config = Config::load(Place { path: absent.clone(), is_named: false }).unwrap();
    assert!(!config.is_there() && config.servers().is_empty());
    let error = config.server("ria").unwrap_err().to_string();
    assert_eq!(
        error,
        format!("the capsule server \"ria\" is not known: there is no configuration, which would be {}", absent.display())
    );

    let place = Place { path: folder.path().join("config.toml"), is_named: false };
    let error = Config::load(place.clone()).unwrap().server("ria").unwrap_err().to_string();
    assert!(error.ends_with(&format!("{} has no [[server]] with this id", place.path.display())), "{error}");
    // Something else than a file that is not there is an error wherever it is.
    assert!(matches!(Config::load(Place { path: folder.path().to_owned(), is_named: false }), Err(Error::Read { .. })));
}

#[test]
fn too_long_a_file_is_refused() {
    let error = read(&format!("#{}", " ".repeat(MAX_FILE_LEN))).unwrap_err();
    assert!(error.contains("longer than 1 MiB"), "{error}");
}

const DIRECTORY: &str =
    "[[directory]]\nname = \"SK\"\nurl = \"ldaps://localhost\"\nbase = \"c=EE\"\nauthorities = [\"server.pem\"]\n";

#[test]
fn directories_are_read() {
    use crate::directory::QueryKind;
    let config = read(&format!(
        "{DIRECTORY}[[directory]]\nname = \"own\"\nurl = \"ldap://[::1]:10389\"\nstart_tls = true\nbase = \"\"\nauthorities = [\"server.pem\"]\n\
         queries = [\"name\"]\ntimeout = \"2s\"\nsize_limit = 5\nissuers = [\"people.pem\"]\n"
    ))
    .unwrap();
    let [sk, own] = config.directories() else { panic!("{config:?}") };
    assert_eq!((sk.name(), own.name()), ("SK", "own"));
    assert!(sk.takes(QueryKind::Person) && sk.takes(QueryKind::Organisation) && sk.takes(QueryKind::Name));
    assert!(own.takes(QueryKind::Name) && !own.takes(QueryKind::Person));
}

#[test]
fn directories_that_cannot_be_trusted_are_refused() {
    let with = |line: &str| format!("{DIRECTORY}{line}\n");
    let instead = |old: &str, new: &str| DIRECTORY.replace(old, new);
    for (text, expected) in [
        (instead("ldaps://", "ldap://"), "config.toml:3: url: a directory's address is ldaps://HOST"),
        (instead("ldaps://", "https://"), "config.toml:3: url: a directory's address is ldaps://HOST"),
        (instead("localhost", "localhost/c=EE"), "config.toml:3: url: a host and perhaps a port"),
        (instead("localhost", "me:secret@localhost"), "config.toml:3: url: a host and perhaps a port"),
        (with("start_tls = true"), "config.toml:3: url: start_tls is for ldap://"),
        (instead("authorities = [\"server.pem\"]\n", ""), "authorities: no authority"),
        (instead("\"server.pem\"", ""), "config.toml:5: authorities: no certificate"),
        (with("issuers = []"), "config.toml:6: issuers: no certificate"),
        (with("issuers = [\"absent.pem\"]"), "config.toml:6: issuers: absent.pem"),
        (with("issuers = [\"people.pem\", \"server.pem\"]"), "config.toml:6: issuers: a certificate that is no authority's"),
        (with("timeout = \"10ms\""), "config.toml:6: timeout: not a duration"),
        (with("size_limit = 0"), "config.toml:6: size_limit: a limit of zero"),
        (with("queries = [\"person\", \"mail\"]"), "config.toml:6: unknown variant `mail`"),
        (with("pin = \"x\""), "config.toml:6: unknown field `pin`"),
        (format!("{DIRECTORY}{DIRECTORY}"), "config.toml:7: name: two directories are called \"SK\""),
    ] {
        let error = read(&text).unwrap_err();
        assert!(error.contains(expected), "{error}\n{expected}");
    }
}

const SMART_ID: &str = "[smart_id]\nurl = \"https://localhost:1/v2\"\nrelying_party_uuid = \"00000000-0000-4000-8000-000000000000\"\n\
    relying_party_name = \"DEMO\"\ncertificates = [\"server.pem\"]\nauthorities = [\"people.pem\"]\n";

#[test]
fn services_that_sign_are_read() {
    let config = read(&format!("{SMART_ID}{}", SMART_ID.replace("smart_id", "mobile_id").replace("/v2", "/mid-api"))).unwrap();
    let (smart_id, mobile_id) = (config.smart_id().unwrap(), config.mobile_id().unwrap());
    assert_eq!((smart_id.url.path(), mobile_id.url.path()), ("/v2", "/mid-api"));
    assert_eq!((smart_id.certificates.len(), smart_id.authorities.len()), (1, 1));
    assert!(!format!("{config:?}").contains("4000"));
    let config = read("").unwrap();
    assert!(config.smart_id().is_none() && config.mobile_id().is_none());
}

#[test]
fn services_that_sign_are_told_by_their_keys() {
    let instead = |old: &str, new: &str| SMART_ID.replace(old, new);
    for (text, expected) in [
        (instead("https://", "http://"), "config.toml:2: smart_id.url: only https://"),
        (instead("/v2", "/v2?a=1"), "config.toml:2: smart_id.url: a host"),
        (instead("-4000-", "-"), "config.toml:3: smart_id.relying_party_uuid: not a UUID"),
        (instead("-4000-", "-400A-"), "config.toml:3: smart_id.relying_party_uuid: not a UUID"),
        (instead("DEMO", ""), "config.toml:4: smart_id.relying_party_name: the name"),
        (instead("DEMO", &"õ".repeat(17)), "config.toml:4: smart_id.relying_party_name: the name"),
        (instead("DEMO", "A\\nB"), "config.toml:4: smart_id.relying_party_name: the name"),
        (instead("certificates = [\"server.pem\"]", "certificates = []"), "config.toml:5: smart_id.certificates: no certificate"),
        (instead("authorities = [\"people.pem\"]", "authorities = []"), "config.toml:6: smart_id.authorities: no certificate"),
        (instead("people.pem", "server.pem"), "config.toml:6: smart_id.authorities: a certificate that is no authority's"),
        (instead("authorities = [\"people.pem\"]\n", ""), "missing field `authorities`"),
        (format!("{SMART_ID}phone = \"+372\"\n"), "config.toml:7: unknown field `phone`"),
    ] {
        let error = read(&text).unwrap_err();
        assert!(error.contains(expected), "{error}\n{expected}");
    }
}

const SHARES: &str = "[[shares_set]]\nid = \"default\"\n\
    [[shares_set.server]]\nurl = \"https://a.example:8443\"\nowner = \"RIA\"\ncertificates = [\"server.pem\"]\n\
    [[shares_set.server]]\nurl = \"https://b.example/\"\nowner = \"SK\"\ncertificates = [\"server.pem\"]\ninterface = \"ticket\"\n";

#[test]
fn sets_of_shares_servers_are_read() {
    let config = read(SHARES).unwrap();
    let set = config.default_shares_set().unwrap();
    assert_eq!((set.id.as_str(), set.servers.len()), ("default", 2));
    let [a, b] = &set.servers[..] else { panic!("{set:?}") };
    assert_eq!((a.interface, b.interface), (SharesInterface::Token, SharesInterface::Ticket));
    assert_eq!((a.written.as_str(), b.written.as_str()), ("https://a.example:8443", "https://b.example/"));
    assert_eq!((b.owner.as_str(), b.pins_not_after().len()), ("SK", 1));
    for same in ["https://b.example", "https://B.example:443/"] {
        assert_eq!(config.shares_server(&same.parse().unwrap()).unwrap().owner, "SK", "{same}");
    }
    let unknown = config.shares_server(&"https://b.example:8443".parse().unwrap()).unwrap_err().to_string();
    assert!(unknown.starts_with("the shares server \"https://b.example:8443\" is not known: "), "{unknown}");
    assert!(unknown.ends_with("config.toml has no [[shares_set.server]] with this url"), "{unknown}");
    let unknown = config.shares_set("other").unwrap_err().to_string();
    assert!(unknown.ends_with("config.toml has no [[shares_set]] with this id"), "{unknown}");
    assert!(read("").unwrap().default_shares_set().is_none());
}

#[test]
fn several_sets_need_one_that_is_the_default() {
    let other = SHARES.replace("\"default\"", "\"other\"").replace("SK", "TEHIK").replace("//b.", "//c.");
    assert!(read(&format!("{SHARES}{other}")).unwrap().default_shares_set().is_none());
    let config = read(&format!("default_shares_set = \"other\"\n{SHARES}{other}")).unwrap();
    assert_eq!(config.default_shares_set().unwrap().id, "other");
    assert_eq!(config.shares_server(&"https://a.example:8443".parse().unwrap()).unwrap().owner, "RIA");
}

#[test]
fn sets_that_keep_nothing_apart_are_refused() {
    let instead = |old: &str, new: &str| SHARES.replace(old, new);
    let alone = SHARES.split("[[shares_set.server]]\nurl = \"https://b").next().unwrap();
    let with = |text: &str| format!("{SHARES}{text}");
    for (text, expected) in [
        (alone.to_owned(), "config.toml:2: id: a set has two servers at least"),
        ("[[shares_set]]\nid = \"x\"\n".to_owned(), "config.toml:2: id: a set has two servers at least"),
        (instead("\"default\"", "\"\""), "config.toml:2: id: the id of a set is a line of text"),
        (with(SHARES), "config.toml:13: id: two sets are called \"default\""),
        (instead("\"SK\"", "\" ria\""), "config.toml:9: owner: two servers of the set are of"),
        (instead("\"SK\"", "\" \""), "config.toml:9: owner: the owner of a server is a line of text"),
        (instead("https://b.example/", "https://A.example:8443/"), "config.toml:8: url: the set has this server twice"),
        (instead("https://b", "http://b"), "config.toml:8: url: only https://"),
        (instead("https://b.example/", "https://b.example/a%20b"), "config.toml:8: url: the path of a server's address"),
        (instead("[\"server.pem\"]\ninterface", "[]\ninterface"), "config.toml:10: certificates: no certificate"),
        (instead("\"ticket\"", "\"tickets\""), "config.toml:11: unknown variant `tickets`"),
        (instead("owner = \"SK\"\n", ""), "missing field `owner`"),
        (with("pin = 1\n"), "config.toml:12: unknown field `pin`"),
        (
            with(&instead("\"default\"", "\"other\"").replace("\"RIA\"", "\"TEHIK\"")),
            "config.toml:15: url: another set has this server",
        ),
        (format!("default_shares_set = \"x\"\n{SHARES}"), "config.toml:1: default_shares_set: no [[shares_set]] has this id"),
    ] {
        let error = read(&text).unwrap_err();
        assert!(error.contains(expected), "{text}\n{error}\n{expected}");
    }
}
