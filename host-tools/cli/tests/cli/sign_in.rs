//! Containers for people who sign in: what is typed, what is said, and that nobody is asked for nothing.

use cdoc2::core::wire::capsule::{
    Capsule, KeyShareRecipientType, KeySharesCapsule, ShareLocation, Shares, SharesScheme, SymmetricKeyCapsule,
};
use cdoc2_testbed::Authority;

use crate::crafted::{self, record};
use crate::support::{Sandbox, says};

const MARI: &str = "etsi/PNOEE-60001017727";
const JAAN: &str = "etsi/PNOEE-38001085718";

/// Two servers where nobody listens, of one set.
const SET: [&str; 2] = ["https://localhost:1", "https://127.0.0.1:2/"];

/// A container for `people`, whose shares are at `urls`.
fn container(people: &[&str], urls: &[&str]) -> Vec<u8> {
    let ids: Vec<_> = (0..urls.len()).map(|number| format!("{number:032}")).collect();
    let locations: Vec<_> = urls
        .iter()
        .zip(&ids)
        .map(|(url, id)| ShareLocation { server_base_url: (*url).into(), share_id: id.as_str().into() })
        .collect();
    let records = people.iter().map(|person| {
        let capsule = KeySharesCapsule {
            shares: Shares::new(&locations),
            salt: &[1; 32],
            recipient_type: KeyShareRecipientType::SidMid,
            shares_scheme: SharesScheme::NOfN,
            recipient_id: (*person).into(),
        };
        record(Capsule::KeyShares(capsule), person.as_bytes())
    });
    crafted::envelope(&records.collect::<Vec<_>>())
}

/// With Mari's key and certificate in `mari.key` and `mari.pem`, a configuration that lists [`SET`] in `config.toml`, and a container for her in
/// `in.cdoc2`.
pub(crate) fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("root.pem", Authority::new("Test", None).unwrap().root_pem());
    sandbox.write("config.toml", configuration("default", &SET));
    person(&sandbox, "mari", "PNOEE-60001017727");
    sandbox.write("in.cdoc2", container(&[MARI], &SET));
    sandbox.write("a.txt", "plain text\n");
    sandbox
}

fn configuration(id: &str, urls: &[&str]) -> String {
    let mut text = format!("[[shares_set]]\nid = \"{id}\"\n");
    for (number, url) in urls.iter().enumerate() {
        text += &format!("[[shares_set.server]]\nurl = \"{url}\"\nowner = \"Owner {number}\"\ncertificates = [\"root.pem\"]\n");
    }
    text
}

/// The configuration of `sandbox`, with Smart-ID or Mobile-ID where nobody listens.
pub(crate) fn with_service(sandbox: &Sandbox, section: &str) -> String {
    let text = String::from_utf8(sandbox.read("config.toml")).unwrap();
    format!(
        "{text}[{section}]\nurl = \"https://localhost:9\"\nrelying_party_uuid = \"00000000-0000-4000-8000-000000000000\"\n\
         relying_party_name = \"TEST\"\ncertificates = [\"root.pem\"]\nauthorities = [\"root.pem\"]\n"
    )
}

/// A key in `name.key`, and a certificate that says whose it is in `name.pem`.
fn person(sandbox: &Sandbox, name: &str, serial_number: &str) {
    sandbox.openssl(&format!("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -out {name}.key"));
    sandbox
        .openssl(&format!("req -x509 -new -key {name}.key -subj /CN={name}/serialNumber={serial_number} -days 30 -out {name}.pem"));
}

pub(crate) const KEY: &str = "--auth key --key mari.key --cert mari.pem";

#[test]
fn what_does_not_go_together_is_refused() {
    let sandbox = sandbox();
    for (arguments, reason) in [
        ("--auth", "a value is required"),
        ("--auth web-eid", "invalid value 'web-eid'"),
        ("--phone +37200000766", "--auth"),
        ("--person 60001017727", "--auth"),
        ("--auth smart-id --phone +37200000766", "--phone is for --auth mobile-id"),
        ("--auth mobile-id --phone 00000766", "begins with + and the code of the country"),
        ("--auth key", "--key PATH and --cert PATH, or with --p12 PATH"),
        ("--auth key --key mari.key", "--cert PATH names that of --key"),
        ("--auth key --key mari.key --cert mari.pem --p12 mari.p12", "--auth key signs in with"),
        ("--auth pkcs11", "--pkcs11 MODULE"),
        ("--auth id-card --key mari.key --cert mari.pem", "write --auth key"),
        ("--auth smart-id --pkcs11 module.so", "--auth pkcs11"),
        ("--auth smart-id --password", "one thing opens a container"),
        ("--auth id-card --token", "one thing opens a container"),
        ("--auth smart-id --secret mari.key", "one thing opens a container"),
    ] {
        let said = sandbox.run(&format!("decrypt in.cdoc2 -o out --config config.toml {arguments}")).failed(2);
        says(&said, reason);
    }
    sandbox.write("pw", "Parool");
    says(
        &sandbox.run(&format!("decrypt in.cdoc2 -o out --config config.toml {KEY} --password-file pw")).failed(2),
        "something else opens the container",
    );
    assert!(!sandbox.path("out").exists());
}

#[test]
fn whoever_gives_nothing_is_told_what_to_give() {
    let sandbox = sandbox();
    let said = sandbox.run("decrypt in.cdoc2 -o out --config config.toml").failed(2);
    says(&said, "hint: sign in with --auth smart-id, --auth mobile-id or --auth id-card");
    let symmetric = record(Capsule::SymmetricKey(SymmetricKeyCapsule { salt: &[1; 32] }), b"s");
    sandbox.write("other.cdoc2", crafted::envelope(&[symmetric]));
    assert!(!sandbox.run("decrypt other.cdoc2 -o out").failed(2).contains("--auth"));
    let said = sandbox.run("decrypt in.cdoc2 -o out --key mari.key --config config.toml").failed(4);
    says(&said, "hint: cdoc2 inspect in.cdoc2 shows who can open it");
    let text = sandbox.run("inspect in.cdoc2 --config config.toml").done().text();
    for line in [
        "  for:       person who signs in to shares servers (SC.07)",
        "  opens by:  --auth smart-id, mobile-id, id-card, pkcs11 or key",
        "  recipient: etsi/PNOEE-60001017727",
        "  share:     00000000000000000000000000000001 at https://127.0.0.1:2/ (Owner 1)",
    ] {
        says(&text, &format!("{line}\n"));
    }
    let json: serde_json::Value =
        serde_json::from_str(&sandbox.run("inspect --json in.cdoc2 --config config.toml").done().text()).unwrap();
    assert_eq!(
        (&json["records"][0]["opened_by"], &json["records"][0]["shares"][0]["server_owner"]),
        (&"auth".into(), &"Owner 0".into())
    );
}

#[test]
fn what_the_configuration_lacks_is_said() {
    let sandbox = sandbox();
    for (means, section) in [("smart-id", "[smart_id]"), ("mobile-id --phone +37200000766", "[mobile_id]")] {
        let said = sandbox.run(&format!("decrypt in.cdoc2 -o out --config config.toml --auth {means}")).failed(2);
        says(&said, &format!("config.toml has no {section}"));
        says(&said, "hint: cdoc2 man decrypt");
        let said = sandbox.run(&format!("decrypt in.cdoc2 -o out --auth {means}")).failed(2);
        says(&said, "there is no configuration");
    }
    // A server of the container is in no set.
    sandbox.write("others.toml", configuration("others", &["https://localhost:3", SET[1]]));
    for (config, reason) in [("--config others.toml", "no [[shares_set.server]] with this url"), ("", "there is no configuration")]
    {
        let said = sandbox.run(&format!("decrypt in.cdoc2 -o out {KEY} {config}")).failed(4);
        says(&said, "cdoc2: in.cdoc2: the shares server \"https://localhost:1\" is not known");
        says(&said, reason);
        says(&said, "hint: get its entry");
    }
}

#[test]
fn who_signs_in_is_whom_the_record_is_for() {
    let sandbox = sandbox();
    person(&sandbox, "jaan", "PNOEE-38001085718");
    let jaan = "--auth key --key jaan.key --cert jaan.pem";
    let run = |arguments: &str| sandbox.run(&format!("decrypt in.cdoc2 -o out --config config.toml {arguments}"));
    // UC.Client.04, 10a.
    let said = run(jaan).failed(4);
    says(&said, "in.cdoc2: the container has no record for the person whose certificate it is");
    says(&said, "hint: cdoc2 inspect in.cdoc2");
    says(&run(&format!("{KEY} --person 38001085718")).failed(4), "no record for this person");
    says(&run(&format!("{KEY} --person 38001085719")).failed(2), "--person: the code is mistyped");
    says(&run(&format!("{KEY} --index 2")).failed(4), "no record for whoever signs in");

    // Of several people, the certificate says who it is: the right record is found, and its servers are asked.
    sandbox.write("in.cdoc2", container(&[JAAN, MARI], &SET));
    for key in [KEY, jaan] {
        says(&run(key).failed(10), "cannot connect to");
    }
    says(&run(&format!("{jaan} --label {MARI}")).failed(4), "no record for the person");
    // A phone does not.
    sandbox.write("config.toml", with_service(&sandbox, "smart_id"));
    let said = run("--auth smart-id").failed(2);
    says(&said, "the container is for 2 people who sign in");
    says(&said, "--person CODE");
    for more in ["--person PNOEE-60001017727", "--person 38001085718", "--index 2", &format!("--label {JAAN}")] {
        says(&run(&format!("--auth smart-id {more}")).failed(10), "cannot connect to");
    }
    // The other's certificate is in no message.
    let said = run(&format!("{KEY} --person 38001085718")).failed(4);
    assert!(!said.contains("38001085718") && !said.contains("60001017727"), "{said}");
}

#[test]
fn p12_files_sign_in_too() {
    let sandbox = sandbox();
    sandbox.openssl("pkcs12 -export -inkey mari.key -in mari.pem -out mari.p12 -passout pass:eluaegne");
    let run = |passphrase: &str| {
        let run = sandbox.cdoc2("decrypt in.cdoc2 -o out --config config.toml --auth key --p12 mari.p12");
        run.env("CDOC2_KEY_PASSWORD", passphrase).run()
    };
    says(&run("eluaegne").failed(10), "cannot connect to localhost:1");
    run("wrong").failed(5);
    // A certificate of another key.
    person(&sandbox, "other", "PNOEE-60001017727");
    let said = sandbox.run("decrypt in.cdoc2 -o out --config config.toml --auth key --key mari.key --cert other.pem").failed(2);
    says(&said, "is not the certificate of the key");
}

#[test]
fn a_card_says_who_it_is() {
    let sandbox = sandbox();
    sandbox.run("token sim new --state mari --name MAASIKAS,MARI --code 60001017727").done();
    sandbox.run("token sim new --state jaan --name TAMM,JAAN --code 38001085718").done();
    let run = |card: &str, arguments: &str| {
        let run =
            sandbox.cdoc2(&format!("decrypt in.cdoc2 -o out --config config.toml --auth id-card --reader sim:{card} {arguments}"));
        // The PIN would be wrong, and nobody is asked for it.
        run.env("CDOC2_PIN", "9999").run()
    };
    says(&run("mari", "").failed(10), "cannot connect to localhost:1");
    says(&run("jaan", "").failed(4), "no record for the person whose card is in \"sim:jaan\"");
    sandbox.write("in.cdoc2", container(&[JAAN, MARI], &SET));
    says(&run("jaan", "").failed(10), "cannot connect to localhost:1");
    says(&run("jaan", "--person 60001017727").failed(4), "no record for the person whose card");
    let pins = sandbox.run("token info --reader sim:mari").done().text();
    assert!(pins.contains("PIN1") && !pins.contains("2 tries"), "{pins}");
}

#[test]
fn records_that_are_not_sound_are_told_from_others() {
    let sandbox = sandbox();
    for (urls, reason) in [
        ([SET[0], "https://LOCALHOST:1/"], "two of the shares are on one server, https://localhost:1"),
        (["http://127.0.0.1:2/", SET[0]], "a server's address begins with https://"),
    ] {
        sandbox.write("in.cdoc2", container(&[MARI], &urls));
        let said = sandbox.run(&format!("decrypt in.cdoc2 -o out --config config.toml {KEY}")).failed(3);
        says(&said, "in.cdoc2: the container's list of key shares is not sound: ");
        says(&said, reason);
        says(&sandbox.run("inspect in.cdoc2 --config config.toml").done().text(), "  opens by:  nothing in this version");
    }
}

#[test]
fn servers_that_are_not_there_are_named_and_leave_nothing() {
    let sandbox = sandbox();
    let said = sandbox.run("encrypt -v -o out.cdoc2 -r share:60001017727 --config config.toml a.txt").failed(10);
    says(&said, "the 2 shares servers of \"default\" are asked to keep shares as long as is usual there");
    says(&said, "recipient 1: the shares server https://localhost:1: cannot connect to localhost:1");
    says(&said, "hint: try again later; cdoc2 servers check");
    let said = sandbox.run(&format!("decrypt in.cdoc2 -o out --config config.toml {KEY}")).failed(10);
    says(&said, "cdoc2: in.cdoc2: the shares server https://localhost:1: cannot connect to localhost:1");
    says(&said, "hint: try again; cdoc2 servers check");
    // A script is not asked whether it wants to.
    assert!(!said.contains("[y/N]"), "{said}");
    let said = sandbox.run(&format!("reencrypt in.cdoc2 -o out.cdoc2 --config config.toml {KEY} -r share:60001017727")).failed(10);
    says(&said, "in.cdoc2: the shares server");
    assert!(!sandbox.path("out").exists() && !sandbox.path("out.cdoc2").exists());
}

#[test]
fn sets_are_chosen_and_listed() {
    let sandbox = sandbox();
    let encrypt = |arguments: &str| sandbox.run(&format!("encrypt -o out.cdoc2 a.txt {arguments}"));
    says(
        &encrypt("-r share:60001017727").failed(2),
        "a recipient signs in, and no set of shares servers is known: there is no configuration",
    );
    sandbox.write("none.toml", "");
    says(&encrypt("-r share:60001017727 --config none.toml").failed(2), "none.toml has no [[shares_set]]");
    let two = configuration("one", &SET) + &configuration("two", &["https://localhost:3", "https://localhost:4"]);
    sandbox.write("two.toml", &two);
    says(&encrypt("-r share:60001017727 --config two.toml").failed(2), "has several and no default_shares_set");
    says(&encrypt("-r share:60001017727 --config two.toml --shares-set two").failed(10), "cannot connect to localhost:3");
    says(&encrypt("-r share:60001017727 --config two.toml --shares-set three").failed(2), "\"three\" is not known");
    sandbox.write("two.toml", format!("default_shares_set = \"one\"\n{two}"));
    says(&encrypt("-r share:60001017727 --config two.toml").failed(10), "cannot connect to localhost:1");
    // That capsules stay says nothing of shares; and shares have an end, too.
    says(
        &encrypt("-v -r share:60001017727 --config two.toml --no-server --expires 30d").failed(10),
        "are asked to keep shares until 20",
    );
    says(&encrypt("-r cert:mari.pem --config two.toml --no-server --expires 30d").failed(2), "none is meant");

    let text = sandbox.run("servers list --config two.toml").done().text();
    for line in [
        "Shares set: one",
        "  server:    https://127.0.0.1:2/",
        "  owner:     Owner 1",
        "  interface: token",
        "  default:   yes",
        "Shares set: two",
    ] {
        says(&text, &format!("{line}\n"));
    }
    assert_eq!((text.matches("pinned:").count(), text.matches("default:").count()), (4, 1), "{text}");
    for (set, count) in [("", 4), ("two", 2)] {
        let run = sandbox.run(&format!("servers check {set} --config two.toml"));
        says(&run.text(), "  server:    https://localhost:3\n  answer:    cannot connect to localhost:3");
        says(&run.failed(10), &format!("{count} of {count} addresses cannot be used"));
    }
    says(
        &sandbox.run("servers check absent --config two.toml").failed(2),
        "neither a server nor a set of shares servers is called \"absent\"",
    );
}

#[test]
fn people_are_named_in_several_ways() {
    let sandbox = sandbox();
    let encrypt = |arguments: &str| sandbox.run(&format!("encrypt -o out.cdoc2 --config config.toml a.txt {arguments}"));
    // The specification's example has a check digit that is wrong: it is taken as it is written out, and doubted.
    let said = encrypt("-r share:PNOEE-48010010101").failed(10);
    says(&said, "warning: recipient 1: the code is mistyped");
    says(&encrypt("-r share:48010010101").failed(2), "recipient 1: the code is mistyped");
    assert!(!said.contains("48010010101"), "{said}");
    let said = encrypt("-r share:60001017727 -r share:cert:mari.pem -r share:etsi/PNOEE-60001017727").failed(10);
    for number in [2, 3] {
        says(&said, &format!("warning: recipient {number} signs in as the same person as one before, and is left out"));
    }
    sandbox.certificate("nobody", 30, "");
    says(&encrypt("-r share:cert:nobody.cer").failed(2), "nobody.cer: the certificate does not say who signs in");
    says(&encrypt("-r share:id:60001017727").failed(2), "[[directory]]");
    sandbox.write("friends", "# who sign in\nshare:PNOLV-010101-10006\nshare:38001085719\n");
    says(&encrypt("-R friends").failed(2), "friends, line 3: the code is mistyped");
}
