//! What the specification says that attackers try: "Security of the protocol".

use std::thread;

use base64ct::{Base64UrlUnpadded, Encoding as _};
use cdoc2_auth_token::{Algorithm, Audience};

use super::bed::{Person, SharesBed, URL, mari};
use super::forged::element;
use crate::support::{Files, Response};

/// The other server of a set.
const OTHER_URL: &str = "https://css.example.org/cdoc2";

/// Two servers that trust the same authority, as they may, and Mari.
fn two_servers() -> (SharesBed, SharesBed, Person) {
    let first = SharesBed::new();
    let files = Files::new();
    let authority = std::fs::read(first.files.path("authority.pem")).unwrap();
    std::fs::write(files.path("people.pem"), authority).unwrap();
    let text = files
        .shares_text("")
        .replace(URL, OTHER_URL)
        .replace("authorities = [\"authority.pem\"]", "authorities = [\"people.pem\"]");
    let second = SharesBed::start(files, &text);
    let mari = first.person(Algorithm::Es256);
    (first, second, mari)
}

/// What `second` gives for a share, as a client writes it.
fn audience_of_second(second: &SharesBed, id: &cdoc2_api::ShareId) -> Audience {
    Audience { server: OTHER_URL.parse().unwrap(), ..second.audience(id) }
}

#[test]
fn ticket_that_is_replayed_opens_nothing() {
    let bed = SharesBed::new();
    let mari = bed.person(Algorithm::Rs256);
    let id = bed.put(&mari.id);
    let ticket = bed.ticket(&mari, &id);
    assert_eq!(bed.get(&id, &mari.newer(&ticket)).status, 200);
    for fields in [mari.newer(&ticket), mari.older(&ticket)] {
        bed.refuses(&id, &fields, "nonce");
    }
    // Signed once more, the nonce is still used up.
    let audience = bed.audience(&id);
    assert_eq!(bed.get(&id, &mari.newer(&mari.ticket(&audience))).status, 200);
    bed.refuses(&id, &mari.newer(&mari.ticket(&audience)), "nonce");
}

#[test]
fn of_many_who_show_one_ticket_at_once_one_is_served() {
    let bed = SharesBed::with("[limits]\nhandshakes_per_second = 0\nrequests_per_second = 0");
    let mari = bed.person(Algorithm::Es256);
    for _ in 0..4 {
        let id = bed.put(&mari.id);
        let fields = mari.newer(&bed.ticket(&mari, &id));
        let path = format!("/key-shares/{id}");
        let (path, fields) = (&path, &fields);
        let statuses: Vec<u16> = thread::scope(|scope| {
            let clients: Vec<_> = (0..12).map(|_| bed.http()).collect();
            let clients: Vec<_> =
                clients.into_iter().map(|mut http| scope.spawn(move || http.get_with(path, fields).status)).collect();
            clients.into_iter().map(|client| client.join().unwrap()).collect()
        });
        assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
        assert!(statuses.iter().all(|status| [200, 404].contains(status)), "{statuses:?}");
    }
}

/// "Protection against compromised CSS servers".
#[test]
fn server_that_replays_its_ticket_to_another_gets_nothing() {
    let (first, second, mari) = two_servers();
    let [id1, id2] = [first.put(&mari.id), second.put(&mari.id)];
    let audiences = [first.audience(&id1), audience_of_second(&second, &id2)];
    let token = mari.token(&audiences);
    let [for_first, for_second] = [0, 1].map(|index| token.ticket(index).unwrap().to_string());

    // The first server has its ticket, knows both shares, and may even guess the other nonce: but not the salt.
    second.refuses(&id2, &mari.newer(&for_first), "other_server");
    second.refuses(&id1, &mari.newer(&for_first), "other_server");
    let aud = for_first.split('~').nth(1).unwrap();
    let signed = for_first.split('~').next().unwrap();
    let guessed = format!("{signed}~{aud}~{}~", element(&audiences[1].to_string()));
    second.refuses(&id2, &mari.newer(&guessed), "disclosure");
    let added = format!("{for_first}{}~", element(&audiences[1].to_string()));
    second.refuses(&id2, &mari.newer(&added), "not_one_audience");

    // None of that is in the way of Mari.
    assert_eq!(second.get(&id2, &mari.newer(&for_second)).status, 200);
    assert_eq!(first.get(&id1, &mari.newer(&for_first)).status, 200);
}

/// "Protection against CSS server compromise and nonce reuse": steps 2 to 7 there.
#[test]
fn nonce_of_another_server_opens_nothing() {
    let (first, second, mari) = two_servers();
    let [id1, id2] = [first.put(&mari.id), second.put(&mari.id)];
    // The first server gives a nonce that it fetched from the second.
    let foreign = second.audience(&id2).nonce;
    let audiences = [
        Audience { server: URL.parse().unwrap(), share_id: id1.clone(), nonce: foreign.clone() },
        audience_of_second(&second, &id2),
    ];
    let token = mari.token(&audiences);
    let [for_first, for_second] = [0, 1].map(|index| token.ticket(index).unwrap().to_string());
    for id in [&id1, &id2] {
        second.refuses(id, &mari.newer(&for_first), "other_server");
    }
    // Were it to pass itself off as the second, the nonce is still of another share.
    let as_second = Audience { server: OTHER_URL.parse().unwrap(), share_id: id1.clone(), nonce: foreign };
    let ticket = mari.ticket(&as_second);
    second.refuses(&id2, &mari.newer(&ticket), "other_share");
    second.refuses(&id1, &mari.newer(&ticket), "no_share");
    assert_eq!(second.get(&id2, &mari.newer(&for_second)).status, 200);
}

/// The same with two shares of one server.
#[test]
fn nonce_of_another_share_opens_nothing() {
    let bed = SharesBed::new();
    let mari = bed.person(Algorithm::Es256);
    let [id1, id2] = [(); 2].map(|()| bed.put(&mari.id));
    let [one, two] = [bed.audience(&id1), bed.audience(&id2)];
    let swapped = [Audience { nonce: two.nonce.clone(), ..one.clone() }, Audience { nonce: one.nonce.clone(), ..two.clone() }];
    for audience in &swapped {
        bed.refuses(&audience.share_id, &mari.newer(&mari.ticket(audience)), "nonce");
    }
    for audience in [one, two] {
        assert_eq!(bed.get(&audience.share_id, &mari.newer(&mari.ticket(&audience))).status, 200);
    }
}

/// Of what one server sees, nothing leads to what the other keeps.
#[test]
fn ticket_says_nothing_about_other_servers() {
    let (first, second, mari) = two_servers();
    let [id1, id2] = [first.put(&mari.id), second.put(&mari.id)];
    let audiences = [first.audience(&id1), audience_of_second(&second, &id2)];
    let token = mari.token(&audiences);
    for (index, other) in [(0, &audiences[1]), (1, &audiences[0])] {
        let ticket = token.ticket(index).unwrap();
        let decoded: String = ticket
            .split(['~', '.'])
            .filter_map(|part| Base64UrlUnpadded::decode_vec(part).ok())
            .map(|octets| String::from_utf8_lossy(&octets).into_owned())
            .collect();
        assert!(decoded.contains(audiences[index].nonce.as_str()), "it was decoded");
        for secret in [other.nonce.as_str(), other.share_id.as_str(), other.server.host()] {
            assert!(!ticket.contains(secret) && !decoded.contains(secret), "{secret}");
        }
    }
}

/// Somebody without Mari's key who has all else: the container, and what she sent before.
#[test]
fn stranger_cannot_keep_the_recipient_out() {
    let bed = SharesBed::with("[limits]\nhandshakes_per_second = 0\nrequests_per_second = 0");
    let mari = bed.person(Algorithm::Es256);
    let id = bed.put(&mari.id);
    let audience = bed.audience(&id);
    let spent = bed.ticket(&mari, &id);
    assert_eq!(bed.get(&id, &mari.newer(&spent)).status, 200);
    let thief = bed.person(Algorithm::Es256);
    for _ in 0..20 {
        bed.audience(&id);
        bed.refuses(&id, &mari.newer(&thief.ticket(&audience)), "signature");
        bed.refuses(&id, &mari.newer(&spent), "nonce");
    }
    assert_eq!(bed.get(&id, &mari.newer(&mari.ticket(&audience))).status, 200);
}

/// Who shows nothing, or what can be read in two ways, is told to show one ticket; whether there is such a share or not.
#[test]
fn one_ticket_and_one_certificate_are_needed() {
    let bed = SharesBed::new();
    let person = bed.person(Algorithm::Es256);
    let id = bed.put(&mari());
    let audience = bed.audience(&id);
    let ticket = person.ticket(&audience);
    let (newer, older) = (person.newer(&ticket), person.older(&ticket));
    let both = |one: &[String], other: &[String]| [one, other].concat();
    let mut answers: Vec<(u16, String)> = Vec::new();
    for fields in [
        vec![],
        newer[..1].to_vec(),
        newer[1..].to_vec(),
        older[..1].to_vec(),
        both(&newer, &newer[..1]),
        both(&newer, &newer[1..]),
        both(&newer, &older[..1]),
        both(&newer, &older),
        both(&older, &older),
    ] {
        for id in [&id, &"0".repeat(32).parse().unwrap()] {
            let response: Response = bed.get(id, &fields);
            assert_eq!(bed.reason().as_deref(), Some("no_ticket"));
            answers.push((response.status, response.error()));
        }
    }
    assert_eq!(answers[0].0, 401);
    assert!(answers.iter().all(|answer| answer == &answers[0]), "{answers:?}");
    // Each header goes with the certificate in its own form.
    let mixed = |one: &[String], other: &[String]| vec![one[0].clone(), other[1].clone()];
    for fields in [mixed(&newer, &older), mixed(&older, &newer)] {
        bed.refuses(&id, &fields, "malformed_certificate");
    }
    assert_eq!(bed.get(&id, &newer).status, 200);
}
