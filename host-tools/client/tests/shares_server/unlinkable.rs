//! What one server is told says nothing of what is on another, but that there is one.

use base64ct::{Base64UrlUnpadded, Encoding as _};
use cdoc2_auth_token::Ticket;
use cdoc2_testbed::Algorithm;

use crate::careless::Kind;
use crate::world::{MARI, World, recipient, seal};

/// Characters of the shortest run that is not the same by chance.
const RUN: usize = 10;

#[test]
fn no_octet_of_another_server_is_heard() {
    let world = World::new();
    for count in [2, 3, 5] {
        let servers = world.plain(count);
        let config = world.config(&servers);
        let (container, _) = seal(&config, &[recipient(MARI)], None, Default::default()).unwrap();
        for algorithm in [Algorithm::P256, Algorithm::Rsa] {
            world.person("MAASIKAS,MARI", "60001017727", algorithm).open(&container, &config).unwrap();
        }
        let heard: Vec<_> = servers.iter().map(|server| unfolded(&server.heard())).collect();
        let is_heard_at = |run: &[u8], by: &[u8]| by.windows(run.len()).any(|part| part == run);
        for (number, server) in servers.iter().enumerate() {
            let address = server.address.to_string().into_bytes();
            let share = server.asked(Kind::Put)[0].body.split('"').nth(3).unwrap().to_owned();
            let mut secrets = vec![share];
            for request in server.asked(Kind::Get) {
                let ticket = Ticket::parse(request.header("x-cdoc2-auth-token").unwrap()).unwrap();
                secrets.extend([ticket.audience().share_id.to_string(), ticket.audience().nonce.as_str().to_owned()]);
            }
            assert_eq!(secrets.len(), 5);
            let runs = secrets.iter().flat_map(|secret| secret.as_bytes().windows(RUN));
            for run in runs.chain([&address[..]]) {
                for (other, heard) in heard.iter().enumerate() {
                    assert_eq!(is_heard_at(run, heard), other == number, "{} of {number} at {other}", String::from_utf8_lossy(run));
                }
            }
        }
    }
}

/// `octets`, and what stands in base64url in them, and in that again.
fn unfolded(octets: &[u8]) -> Vec<u8> {
    let mut all = octets.to_vec();
    let is_base64url = |octet: &u8| octet.is_ascii_alphanumeric() || b"-_".contains(octet);
    for part in octets.split(|octet| !is_base64url(octet)).filter(|part| part.len() >= 16 && part.len() < octets.len()) {
        if let Ok(decoded) = Base64UrlUnpadded::decode_vec(std::str::from_utf8(part).unwrap()) {
            all.push(b' ');
            all.extend(unfolded(&decoded));
        }
    }
    all
}
