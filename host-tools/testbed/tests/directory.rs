//! The directory, as the tools of OpenLDAP see it.

use std::path::Path;
use std::process::{Command, Output};

use cdoc2_testbed::content::{self, Document};
use cdoc2_testbed::directory::{Tree, Use};
use cdoc2_testbed::{Algorithm, Directory, Holder, Options, PersonalCode, Testbed};

fn holder() -> Holder {
    Holder::new("ÕUN,ŽANNA", PersonalCode::parse("60001019906").unwrap()).unwrap()
}

/// `ldapsearch`, which trusts `root.pem` in `folder` alone.
fn search(folder: &Path, url: &str, base: &str, filter: &str, more: &[&str]) -> Output {
    let mut command = Command::new("ldapsearch");
    command.env("LDAPTLS_CACERT", folder.join("root.pem")).env("LDAPTLS_REQCERT", "demand").env("LDAPCONF", "/dev/null");
    command.args(["-LLL", "-x", "-o", "ldif-wrap=no", "-H", url, "-b", base]).args(more).args([filter, "userCertificate;binary"]);
    command.output().expect("ldapsearch, which scripts/bootstrap installs")
}

fn found(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn directory(testbed: &Testbed) -> &Directory {
    testbed.directory().expect("slapd, which scripts/bootstrap installs")
}

#[test]
fn both_trees_are_searched_as_digidoc4_does() {
    let testbed = Testbed::start(Options::default()).unwrap();
    let directory = directory(&testbed);
    let person = content::person(&holder(), Document::IdCard).unwrap();
    let identity = testbed.authority().identity(&person, Algorithm::P384).unwrap();
    let signature = testbed.authority().identity(&content::signature(&holder()).unwrap(), Algorithm::P384).unwrap();
    for tree in [Tree::Sk, Tree::Zetes] {
        directory.add_person(tree, &holder(), Document::IdCard, Use::Authentication, &[identity.certificate()]).unwrap();
        directory.add_person(tree, &holder(), Document::IdCard, Use::Signature, &[signature.certificate()]).unwrap();
    }
    let pem: String = identity.certificate_pem().lines().filter(|line| !line.starts_with('-')).collect();
    for (url, more) in [(directory.ldaps_url(), &[][..]), (directory.ldap_url(), &["-ZZ"])] {
        for tree in [Tree::Sk, Tree::Zetes] {
            let entries = found(&search(testbed.folder(), &url, tree.base(), "(serialNumber=PNOEE-60001019906)", more));
            assert_eq!(entries.matches("dn:").count(), 2, "{entries}");
            assert!(entries.contains(&format!("userCertificate;binary:: {pem}\n")), "{entries}");
        }
    }
    let by_name = search(testbed.folder(), &directory.ldaps_url(), "c=EE", "(cn=õun,*)", &[]);
    assert_eq!(found(&by_name).matches("dn:").count(), 2);
    let nobody = search(testbed.folder(), &directory.ldaps_url(), "c=EE", "(serialNumber=PNOEE-38001085718)", &[]);
    assert_eq!(found(&nobody), "");
}

#[test]
fn several_certificates_of_one_person_stand_in_one_entry() {
    let testbed = Testbed::start(Options::default()).unwrap();
    let directory = directory(&testbed);
    let url = directory.ldaps_url();
    let certificates = |code: &str| {
        let entries = found(&search(testbed.folder(), &url, "c=EE", &format!("(serialNumber={code})"), &[]));
        (entries.matches("dn:").count(), entries.matches("userCertificate;binary::").count())
    };
    testbed.card(&holder()).unwrap();
    testbed.software_key(&holder(), Algorithm::Rsa).unwrap();
    assert_eq!(certificates("PNOEE-60001019906"), (1, 2));
    testbed.organisation_key("Näidis \"ja\" Pojad, OÜ", "12345678", Algorithm::Rsa).unwrap();
    assert_eq!(certificates("12345678"), (1, 1));
    directory.remove_person(Tree::Sk, &holder(), Document::IdCard, Use::Authentication).unwrap();
    assert_eq!(certificates("PNOEE-60001019906"), (0, 0));
    directory.remove_person(Tree::Sk, &holder(), Document::IdCard, Use::Authentication).unwrap_err();
}

#[test]
fn certificate_of_the_directory_is_the_authoritys() {
    let testbed = Testbed::start(Options::default()).unwrap();
    let stranger = tempfile::tempdir().unwrap();
    std::fs::write(stranger.path().join("root.pem"), cdoc2_testbed::Authority::new("Other", None).unwrap().root_pem()).unwrap();
    let url = directory(&testbed).ldaps_url();
    assert!(!search(stranger.path(), &url, "c=EE", "(cn=*)", &[]).status.success());
    found(&search(testbed.folder(), &url, "c=EE", "(cn=*)", &[]));
}

#[test]
fn directory_comes_back_at_the_same_address_with_what_was_in_it() {
    let testbed = Testbed::start(Options::default()).unwrap();
    let directory = directory(&testbed);
    testbed.card(&holder()).unwrap();
    let entries = || search(testbed.folder(), &directory.ldaps_url(), "c=EE", "(serialNumber=PNOEE-60001019906)", &[]);
    directory.stop();
    assert!(!entries().status.success());
    directory.start().unwrap();
    assert_eq!(found(&entries()).matches("dn:").count(), 1);
}
