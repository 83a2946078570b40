//! Recipients from directories: `cdoc2 recipients find`, and `-r id:`.

use cdoc2_testbed::content::{self, Document};
use cdoc2_testbed::directory::{Tree, Use};
use cdoc2_testbed::{Algorithm, Authority, Holder, Options, PersonalCode, Testbed};

use crate::support::{Sandbox, says};

/// A sandbox with a directory, a configuration for that alone in `cdoc2.toml`, and the key of Jaan's ID-card in `jaan.key`.
fn sandbox() -> (Sandbox, Testbed) {
    let testbed = Testbed::start(Options::default()).unwrap();
    let directory = testbed.directory().expect("slapd, which scripts/bootstrap installs");
    let certificate = |content, algorithm| testbed.authority().identity(&content, algorithm).unwrap().certificate().to_vec();

    let jaan = Holder::new("JÕEORG,JAAN-KRISTJAN", PersonalCode::parse("38001085718").unwrap()).unwrap();
    let key = testbed.software_key(&jaan, Algorithm::P384).unwrap().key;
    let digi_id = certificate(content::person(&jaan, Document::DigiId).unwrap(), Algorithm::P384);
    let expired = certificate(content::expired(content::person(&jaan, Document::IdCard).unwrap()), Algorithm::P384);
    directory.add_person(Tree::Sk, &jaan, Document::IdCard, Use::Authentication, &[&digi_id, &expired]).unwrap();

    let mari = Holder::new("TAMM,MARI", PersonalCode::parse("60001017727").unwrap()).unwrap();
    let phone = certificate(content::person(&mari, Document::MobileId).unwrap(), Algorithm::P256);
    directory.add_person(Tree::Sk, &mari, Document::MobileId, Use::Authentication, &[&phone]).unwrap();

    let sandbox = Sandbox::new();
    let configuration =
        format!("[[directory]]\nname = \"SK\"\nurl = \"{}\"\nbase = \"c=EE\"\nauthorities = [\"ca.pem\"]\n", directory.ldaps_url());
    sandbox.write("cdoc2.toml", configuration);
    sandbox.write("ca.pem", testbed.authority().root_pem());
    sandbox.write("jaan.key", std::fs::read(key).unwrap());
    sandbox.write("report.pdf", "report");
    (sandbox, testbed)
}

#[test]
fn certificates_are_listed_with_verdicts() {
    let (sandbox, _testbed) = sandbox();
    let run = sandbox.run("recipients find 38001085718 --config cdoc2.toml").done();
    let text = run.text();
    for line in ["Certificate 1: JÕEORG", "PNOEE-38001085718", "ID-card", "Digi-ID", "verdict:   taken", "left: expired", "SK"] {
        says(&text, line);
    }
    assert_eq!((text.matches("Certificate ").count(), text.matches("taken").count()), (3, 2), "{text}");
    says(&run.stderr(), "the directory \"SK\" (ldaps://127.0.0.1:");
    assert!(!run.stderr().contains("38001085718"), "{}", run.stderr());

    let json: serde_json::Value =
        serde_json::from_str(&sandbox.run("recipients find --json 38001085718 --config cdoc2.toml").done().text()).unwrap();
    assert_eq!((&json["schema"], &json["version"]), (&"cdoc2-recipients".into(), &1.into()));
    let reasons: Vec<_> = json["candidates"].as_array().unwrap().iter().map(|candidate| &candidate["reason"]).collect();
    assert_eq!(reasons, [&serde_json::Value::Null, &serde_json::Value::Null, &"expired".into()]);
}

#[test]
fn certificates_are_saved_for_later() {
    let (sandbox, _testbed) = sandbox();
    sandbox.run("recipients find 38001085718 --output found --config cdoc2.toml").done();
    let names = sandbox.names("found");
    assert!(names.len() == 2 && names.iter().all(|name| name.starts_with("PNOEE-38001085718-")), "{names:?}");
    sandbox.run(&format!("encrypt -o out.cdoc2 -r cert:found/{} -r cert:found/{} report.pdf", names[0], names[1])).done();
    sandbox.run("decrypt out.cdoc2 -o opened --key jaan.key").done();
    sandbox.run("recipients find 38001085718 --output found --config cdoc2.toml").failed(9);
    sandbox.run("recipients find 38001085718 --output found --all --force --config cdoc2.toml").done();
    assert_eq!(sandbox.names("found").len(), 3);
}

#[test]
fn a_code_is_a_recipient() {
    let (sandbox, _testbed) = sandbox();
    let run = sandbox.run("encrypt -o out.cdoc2 -r id:38001085718 --config cdoc2.toml report.pdf").done();
    says(&run.stderr(), "learns the personal code of recipient 1");
    says(&run.stderr(), "left: expired");
    assert!(!run.stderr().contains("38001085718"), "{}", run.stderr());
    let json: serde_json::Value = serde_json::from_str(&sandbox.run("inspect --json out.cdoc2").done().text()).unwrap();
    assert_eq!(json["records"].as_array().unwrap().len(), 2);
    sandbox.run("decrypt out.cdoc2 -o opened --key jaan.key").done();
    assert_eq!(sandbox.read("opened/report.pdf"), b"report");
    sandbox.run("reencrypt out.cdoc2 -o next.cdoc2 --key jaan.key -r id:PNOEE-38001085718 --config cdoc2.toml").done();
    sandbox.run("decrypt next.cdoc2 -o next --key jaan.key").done();
}

#[test]
fn whoever_cannot_decrypt_is_no_recipient() {
    let (sandbox, testbed) = sandbox();
    for command in ["encrypt -o out.cdoc2 -r id:60001017727 report.pdf", "recipients find 60001017727"] {
        let run = sandbox.run(&format!("{command} --config cdoc2.toml")).failed(4);
        says(&run, "Mobile-ID cannot decrypt");
    }
    says(&sandbox.run("recipients find 10747013 --config cdoc2.toml").failed(4), "no directory that answered");
    for wrong in ["recipients find 38001085719", "encrypt -o out.cdoc2 -r id:38001085719 report.pdf"] {
        let run = sandbox.run(&format!("{wrong} --config cdoc2.toml")).failed(2);
        assert!(!run.contains("learns") && !run.contains("38001085719"), "{}", run);
    }
    for (wrong, why) in [
        ("recipients find ٣٨٠٠١٠٨٥٧١٨", "not all of its digits are among 0 to 9"),
        ("recipients find Jõeorg,38001085718", "there is something else in it"),
        ("encrypt -o out.cdoc2 -r id:٣٨٠٠١٠٨٥٧١٨ report.pdf", "neither a personal code"),
    ] {
        let run = sandbox.run(&format!("{wrong} --config cdoc2.toml")).failed(2);
        assert!(run.contains(why) && !run.contains("learns"), "{run}");
    }
    sandbox.write("empty.toml", "");
    says(&sandbox.run("recipients find 38001085718 --config empty.toml").failed(2), "[[directory]]");
    testbed.directory().unwrap().stop();
    let run = sandbox.run("encrypt -o out.cdoc2 -r id:38001085718 --config cdoc2.toml report.pdf").failed(10);
    says(&run, "the directory \"SK\" cannot be reached");
    assert!(!sandbox.path("out.cdoc2").exists());
}

/// A key that anybody has put into the directory in Jaan's name.
#[test]
fn certificates_of_other_issuers_are_left() {
    let (sandbox, testbed) = sandbox();
    let jaan = Holder::new("JÕEORG,JAAN-KRISTJAN", PersonalCode::parse("38001085718").unwrap()).unwrap();
    let stranger = Authority::new("CDOC2 test bed", None).unwrap();
    let forged = stranger.identity(&content::person(&jaan, Document::IdCard).unwrap(), Algorithm::P384).unwrap();
    let directory = testbed.directory().unwrap();
    directory.add_person(Tree::Sk, &jaan, Document::IdCard, Use::Authentication, &[forged.certificate()]).unwrap();
    let config = String::from_utf8(sandbox.read("cdoc2.toml")).unwrap();
    sandbox.write("strict.toml", config + "issuers = [\"people.pem\"]\n");
    sandbox.write("people.pem", testbed.authority().intermediate_pem());

    let records = |config: &str| {
        sandbox.run(&format!("encrypt -o out.cdoc2 --force -r id:38001085718 --config {config} report.pdf")).done();
        let json: serde_json::Value = serde_json::from_str(&sandbox.run("inspect --json out.cdoc2").done().text()).unwrap();
        json["records"].as_array().unwrap().len()
    };
    assert_eq!((records("cdoc2.toml"), records("strict.toml")), (3, 2));
    let text = sandbox.run("recipients find 38001085718 --config strict.toml").done().text();
    says(&text, "left: none of the directory's issuers has issued it");
    says(&sandbox.run("recipients find --json 38001085718 --config strict.toml").done().text(), "\"reason\": \"issuer\"");
    // What the test bed writes has its issuers in it.
    let run = sandbox.cdoc2("recipients find 38001085718").env("CDOC2_CONFIG", testbed.config()).run().done();
    says(&run.text(), "left: none of the directory's issuers has issued it");
}
