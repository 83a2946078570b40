//! What a client of a shares server may take.

use cdoc2_auth_token::Algorithm;

use super::bed::{SharesBed, body, mari};

#[test]
fn headers_and_bodies_have_a_longest_length() {
    let bed = SharesBed::new();
    let mari_signs = bed.person(Algorithm::Es256);
    let id = bed.put(&mari());
    let ticket = bed.ticket(&mari_signs, &id);
    // A whole header.
    let mut fields = mari_signs.newer(&ticket);
    fields.push(format!("x-padding: {}", "a".repeat(17_000)));
    assert_eq!(bed.get(&id, &fields).status, 431);
    // A ticket, and a certificate, that fit into one.
    let mut fields = mari_signs.newer(&ticket);
    fields[0] = format!("x-cdoc2-auth-token: {}", "a".repeat(8193));
    bed.refuses(&id, &fields, "malformed_ticket");
    let mut fields = mari_signs.newer(&ticket);
    fields[1] = format!("x-cdoc2-auth-x5c: {}", "A".repeat(8196));
    bed.refuses(&id, &fields, "malformed_certificate");
    // Bodies.
    let long = format!("{}{}", body(&mari()), " ".repeat(16_384));
    for path in ["/key-shares".to_owned(), format!("/key-shares/{id}/nonce")] {
        let response = bed.http().post_to(&path, &long, &[]);
        assert_eq!((response.status, response.header("connection")), (413, Some("close")), "{path}");
    }
    assert_eq!(bed.get(&id, &mari_signs.newer(&ticket)).status, 200);
}

#[test]
fn requests_of_an_address_are_limited() {
    let bed = SharesBed::with("[limits]\nrequests_per_second = 1\nrequest_burst = 3");
    let mut http = bed.http();
    let path = format!("/key-shares/{}/nonce", "0".repeat(32));
    let statuses: Vec<u16> = (0..20).map(|_| http.post_to(&path, "", &[]).status).collect();
    assert_eq!(statuses[..3], [404; 3]);
    assert!(statuses.iter().filter(|status| **status == 429).count() >= 10, "{statuses:?}");
}

#[test]
fn database_that_is_gone_is_503_and_uses_nothing_up() {
    let bed = SharesBed::new();
    let person = bed.person(Algorithm::Es256);
    let id = bed.put(&person.id);
    let fields = person.newer(&bed.ticket(&person, &id));
    let database = rusqlite::Connection::open(bed.files.path("shares.sqlite")).unwrap();
    database.execute_batch("ALTER TABLE shares RENAME TO shares_elsewhere").unwrap();
    let nonce = format!("/key-shares/{id}/nonce");
    for response in
        [bed.http().post_to("/key-shares", &body(&person.id), &[]), bed.http().post_to(&nonce, "", &[]), bed.get(&id, &fields)]
    {
        assert_eq!(response.status, 503, "{response:?}");
        assert!(response.header("retry-after").is_some());
        assert_eq!(response.error(), "not available at the moment; try again later");
    }
    assert_eq!(bed.reason().as_deref(), Some("unavailable"));
    database.execute_batch("ALTER TABLE shares_elsewhere RENAME TO shares").unwrap();
    assert_eq!(bed.get(&id, &fields).status, 200);
}
