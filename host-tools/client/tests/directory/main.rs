//! Directories: a real slapd, and servers that lie, break off or say nothing.

mod hostile;
mod people;

use std::time::{Duration, SystemTime};

use cdoc2::keys::{EidType, UsageWarning};
use cdoc2_client::directory::{self, Directory, Error, Found, Kind, Query, Reason, SearchError, Verdict};
use cdoc2_testbed::Authority;
use cdoc2_testbed::content::{self, Document};
use hostile::{element, entry, message, result};
use people::{DIGI_ID, MOBILE_ID, Person, SMART_ID, Server, Slapd, holder, issued_by};
use rcgen::{ExtendedKeyUsagePurpose, KeyUsagePurpose, PKCS_ED25519};

const JAAN: &str = "JÕEORG,JAAN-KRISTJAN,38001085718";
const JAANS_CODE: &str = "PNOEE-38001085718";
const MARI: &str = "MÄNNIK,MARI-LIIS ŠOTI,60001017727";
const MARIS_CODE: &str = "PNOEE-60001017727";

fn search(directories: &[Directory], query: &str) -> Result<Found, SearchError> {
    directory::search(directories, &Query::parse(query).unwrap(), SystemTime::now())
}

/// Why the only directory failed.
fn failure(directory: Directory) -> Error {
    match search(&[directory], "38001085718") {
        Err(SearchError::AllFailed(mut failures)) if failures.len() == 1 => failures.remove(0).error,
        other => panic!("{other:?}"),
    }
}

fn verdicts(found: &Found) -> Vec<(Kind, Verdict)> {
    let mut verdicts: Vec<_> = found.candidates.iter().map(|candidate| (candidate.kind, candidate.verdict)).collect();
    verdicts.sort_by_key(|verdict| format!("{verdict:?}"));
    verdicts
}

/// Everybody, in one directory.
fn populated(server: &Server) -> Slapd {
    let certificate = |change: &dyn Fn(&mut Person<'_>)| {
        let mut person = Person::new(JAAN, JAANS_CODE);
        change(&mut person);
        person.certificate()
    };
    let slapd = server.start("");
    let of_jaan = [
        certificate(&|_| {}),
        certificate(&|person| person.policy = Some(DIGI_ID)),
        certificate(&|person| person.usages = vec![KeyUsagePurpose::ContentCommitment]),
        certificate(&|person| person.years = (2000, 2001)),
        certificate(&|person| person.years = (2090, 2100)),
        certificate(&|person| person.algorithm = &PKCS_ED25519),
        certificate(&|person| person.policy = Some(SMART_ID)),
        certificate(&|person| person.serial_number = MARIS_CODE),
    ];
    slapd.add(Document::IdCard, JAAN, &of_jaan);
    slapd.add(Document::MobileId, JAAN, &[certificate(&|person| person.policy = Some(MOBILE_ID))]);
    slapd.add(Document::IdCard, MARI, &[Person::new(MARI, MARIS_CODE).certificate()]);
    let odd = "ODD*NAME (LTD)";
    let seal = Person { policy: None, purposes: Vec::new(), ..Person::new(odd, "10747013") };
    let tls = Person { policy: None, purposes: vec![ExtendedKeyUsagePurpose::ServerAuth], ..Person::new(odd, "10747013") };
    slapd.add_organisation(odd, "10747013", &[seal.certificate(), tls.certificate()]);
    slapd
}

#[test]
fn a_person_is_found_and_every_certificate_judged() {
    let server = Server::new();
    let slapd = populated(&server);
    for url in [&slapd.ldaps, &slapd.ldap] {
        let found = search(&[server.directory("SK", url)], "38001085718").unwrap();
        let id_card = Kind::Eid(EidType::IdCard);
        let mut expected = vec![
            (id_card, Verdict::Taken),
            (Kind::Eid(EidType::DigiId), Verdict::Taken),
            (id_card, Verdict::Left(Reason::KeyUsage(UsageWarning::NoKeyAgreement))),
            (id_card, Verdict::Left(Reason::Expired)),
            (id_card, Verdict::Left(Reason::NotYetValid)),
            (Kind::Other, Verdict::Left(Reason::Key)),
            (Kind::SmartId, Verdict::Left(Reason::SmartId)),
            (Kind::MobileId, Verdict::Left(Reason::MobileId)),
            (id_card, Verdict::Left(Reason::OtherHolder)),
        ];
        expected.sort_by_key(|verdict| format!("{verdict:?}"));
        assert_eq!(verdicts(&found), expected, "{url}");
        assert!(found.candidates[..2].iter().all(directory::Candidate::is_taken));
        // Those of phones sign in, though they do not decrypt.
        let signing_in = found.candidates.iter().filter(|candidate| candidate.may_sign_in(SystemTime::now()));
        let mut kinds: Vec<_> = signing_in.map(|candidate| format!("{:?}", candidate.kind)).collect();
        kinds.sort();
        assert_eq!(kinds, ["Eid(DigiId)", "Eid(IdCard)", "MobileId", "SmartId"]);
        assert_eq!(found.candidates[0].holder.code.as_deref(), Some(JAANS_CODE));
        assert!(found.failures.is_empty() && found.cut.is_empty());
        assert!(!format!("{found:?}").contains("3800108"), "a code is in Debug");
    }
}

/// A directory, or somebody in it, that has made up certificates in Jaan's name.
#[test]
fn only_what_the_issuers_have_signed_is_taken() {
    let server = Server::new();
    // The other authority has the same names.
    let (authority, other) = (Authority::new("People", None).unwrap(), Authority::new("People", None).unwrap());
    let slapd = server.start("");
    let own = |content| content;
    let forged = issued_by(&other, JAAN, own);
    let forged_phone = issued_by(&other, JAAN, |_| content::mobile_id(&holder(JAAN)).unwrap());
    let certificates = [
        issued_by(&authority, JAAN, own),
        issued_by(&authority, JAAN, content::expired),
        forged.clone(),
        forged_phone,
        issued_by(&other, JAAN, content::expired),
        Person::new(JAAN, JAANS_CODE).certificate(),
    ];
    slapd.add(Document::IdCard, JAAN, &certificates);
    let issuers = |certificates: &[&[u8]]| Some(certificates.iter().map(|der| der.to_vec().into()).collect());
    let directory =
        |name: &str, issuers| Directory::new(directory::Settings { issuers, ..server.settings(name, &slapd.ldaps) }).unwrap();
    let strict = directory("strict", issuers(&[authority.root(), authority.intermediate()]));
    let reasons = |found: &Found| {
        let mut verdicts: Vec<_> = found.candidates.iter().map(|candidate| format!("{:?}", candidate.verdict)).collect();
        verdicts.sort();
        verdicts
    };
    let left = "Left(Issuer)".to_owned();
    let judged = ["Left(Expired)".to_owned(), left.clone(), left.clone(), left.clone(), left.clone(), "Taken".to_owned()];
    let found = search(std::slice::from_ref(&strict), "38001085718").unwrap();
    assert_eq!(reasons(&found), judged);
    let signing_in = found.candidates.iter().filter(|candidate| candidate.may_sign_in(SystemTime::now()));
    assert!(signing_in.map(|candidate| &candidate.der).eq([&certificates[0]]));

    // The root alone is not enough: directories have no certificates of those between.
    let far = search(&[directory("far", issuers(&[authority.root()]))], "38001085718").unwrap();
    assert_eq!(far.taken().count(), 0);

    // Another directory may vouch for what this one is not trusted for, whichever is asked first.
    let trusting = directory("trusting", None);
    for directories in [[strict.clone(), trusting.clone()], [trusting, strict]] {
        let found = search(&directories, "38001085718").unwrap();
        let forged = found.candidates.iter().find(|candidate| candidate.der == forged).unwrap();
        assert!(forged.is_taken() && forged.directories.len() == 2, "{forged:?}");
        assert!(!reasons(&found).contains(&left), "{found:?}");
    }
}

#[test]
fn names_and_organisations_are_found() {
    let server = Server::new();
    let slapd = populated(&server);
    let directories = [server.directory("SK", &slapd.ldaps)];
    let names = |query: &str| {
        let found = search(&directories, query).unwrap();
        let mut names: Vec<_> = found.taken().map(|candidate| candidate.holder.common_name.clone().unwrap()).collect();
        names.dedup();
        names
    };
    for query in ["Jõeorg", "jo\u{303}eorg JAAN", "kristjan", "Jõe jaan-kr"] {
        assert_eq!(names(query), [JAAN], "{query}");
    }
    for query in ["šoti", "Männik Mari", "liis"] {
        assert_eq!(names(query), [MARI], "{query}");
    }
    assert_eq!(names("odd*name"), ["ODD*NAME (LTD)"]);
    assert_eq!(names("odd (ltd)"), ["ODD*NAME (LTD)"]);
    // None of these is a pattern.
    for query in ["J*org", "jõe*", "mari)(cn=*", "*)(objectClass=*", "eorg"] {
        assert!(search(&directories, query).unwrap().candidates.is_empty(), "{query}");
    }
    let organisation = search(&directories, "10747013").unwrap();
    let expected = [(Kind::Organisation, Verdict::Left(Reason::Tls)), (Kind::Organisation, Verdict::Taken)];
    assert_eq!(verdicts(&organisation), expected);
    assert!(search(&directories, "70000562").unwrap().candidates.is_empty());
}

#[test]
fn too_many_are_cut() {
    let server = Server::new();
    for (configuration, size_limit) in [("sizelimit 3", 20), ("", 3)] {
        let slapd = server.start(configuration);
        for number in 0..5 {
            let name = format!("TAMM,MARI {number},60001017727");
            slapd.add(Document::IdCard, &name, &[Person::new(&name, MARIS_CODE).certificate()]);
        }
        let settings = directory::Settings { size_limit, ..server.settings("SK", &slapd.ldaps) };
        let found = search(&[Directory::new(settings).unwrap()], "tamm").unwrap();
        assert_eq!((found.candidates.len(), &found.cut[..]), (3, &["SK".to_owned()][..]));
    }
}

#[test]
fn directories_are_merged_and_one_may_be_down() {
    let server = Server::new();
    let slapd = populated(&server);
    let down = server.directory("down", &format!("ldaps://localhost:{}", free_port()));
    let directories = [server.directory("one", &slapd.ldaps), down.clone(), server.directory("two", &slapd.ldap)];
    let found = search(&directories, "60001017727").unwrap();
    let [mari] = &found.candidates[..] else { panic!("{found:?}") };
    assert_eq!(mari.directories, ["one", "two"]);
    let [failure] = &found.failures[..] else { panic!("{found:?}") };
    assert!(failure.directory == "down" && matches!(failure.error, Error::Connection(_)), "{failure}");
    assert!(matches!(search(&[down.clone(), down], "60001017727"), Err(SearchError::AllFailed(failures)) if failures.len() == 2));
    assert!(matches!(search(&[], "60001017727"), Err(SearchError::NoDirectory)));
}

/// A port that nobody listens at.
fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[test]
fn nothing_is_asked_of_a_server_that_is_not_trusted() {
    let server = Server::new();
    let slapd = populated(&server);
    for url in [&slapd.ldaps, &slapd.ldap] {
        let by_address = url.replace("localhost", "127.0.0.1");
        for directory in [Server::new().directory("SK", url), server.directory("SK", &by_address)] {
            let error = failure(directory);
            assert!(matches!(error, Error::Untrusted(_)), "{error:?}");
        }
    }
}

#[test]
fn nothing_is_asked_where_it_may_not_be() {
    let server = Server::new();
    let slapd = server.start("disallow bind_anon");
    assert!(matches!(failure(server.directory("SK", &slapd.ldaps)), Error::BindRefused { code: 48 }));
    let slapd = populated(&server);
    let settings = directory::Settings { base: "c=LV".to_owned(), ..server.settings("SK", &slapd.ldaps) };
    let error = failure(Directory::new(settings).unwrap());
    assert!(matches!(error, Error::SearchRefused { code: 32 }), "{error:?}");
    // Plain servers: one that does not know StartTLS, and one that speaks something else.
    let refuses = hostile::plain("ldap", vec![result(1, 0x78, 2)]);
    assert!(matches!(failure(server.directory("SK", &refuses)), Error::StartTlsRefused { code: 2 }));
    let nonsense = hostile::plain("ldap", vec![b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()]);
    assert!(matches!(failure(server.directory("SK", &nonsense)), Error::Malformed));
    let nonsense = hostile::plain("ldaps", vec![b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()]);
    assert!(matches!(failure(server.directory("SK", &nonsense)), Error::Tls(_)));
}

#[test]
fn what_is_not_a_certificate_is_listed() {
    let server = Server::new();
    let good = Person::new(JAAN, JAANS_CODE).certificate();
    let values: [&[u8]; 6] = [b"", b"garbage", &[0x30; 400], &good[..good.len() - 1], &[&good[..], b"\0"].concat(), &good];
    let answers = vec![result(1, 0x61, 0), [entry(2, &values), result(2, 0x65, 0)].concat()];
    let found = search(&[server.directory("SK", &hostile::over_tls(&server, answers))], "38001085718").unwrap();
    let unreadable = (Kind::Other, Verdict::Left(Reason::Unreadable));
    let mut expected = vec![unreadable; 5];
    expected.push((Kind::Eid(EidType::IdCard), Verdict::Taken));
    expected.sort_by_key(|verdict| format!("{verdict:?}"));
    assert_eq!(verdicts(&found), expected);
}

#[test]
fn answers_that_are_none_are_errors() {
    let server = Server::new();
    let bound = || result(1, 0x61, 0);
    let deep = (0..20_000).fold(Vec::new(), |inner, _| element(0x30, &inner));
    let malformed = [
        vec![b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()],
        vec![message(1, &element(0x61, b""))],
        vec![entry(1, &[b"x"])],
        vec![bound(), result(2, 0x61, 0)],
        vec![bound(), entry(3, &[b"x"])],
        vec![bound(), message(2, &element(0x64, &deep))],
    ];
    for answers in malformed {
        let url = hostile::over_tls(&server, answers.clone());
        let error = failure(server.directory("SK", &url));
        assert!(matches!(error, Error::Malformed), "{error}: {} answers", answers.len());
    }
    let endless = vec![bound(), vec![0x30, 0x84, 0x7F, 0xFF, 0xFF, 0xFF]];
    assert!(matches!(failure(server.directory("SK", &hostile::over_tls(&server, endless))), Error::TooLong));
    let goes = vec![bound(), result(0, 0x78, 52)];
    assert!(matches!(failure(server.directory("SK", &hostile::over_tls(&server, goes))), Error::Closed));
}

#[test]
fn a_server_that_says_nothing_is_not_waited_for() {
    let server = Server::new();
    let urls = [
        hostile::plain("ldap", vec![]),
        hostile::plain("ldaps", vec![]),
        hostile::over_tls(&server, vec![]),
        hostile::over_tls(&server, vec![result(1, 0x61, 0)]),
        hostile::over_tls(&server, vec![result(1, 0x61, 0), vec![0x30]]),
    ];
    let directory = |url: &String| {
        let settings = directory::Settings { timeout: Duration::from_secs(1), ..server.settings(url, url) };
        Directory::new(settings).unwrap()
    };
    let directories: Vec<_> = urls.iter().map(directory).collect();
    let Err(SearchError::AllFailed(failures)) = search(&directories, "38001085718") else { panic!("one answered") };
    assert!(failures.iter().all(|failure| matches!(failure.error, Error::TimedOut(_))), "{failures:?}");
    assert_eq!(failures.len(), 5);
}
