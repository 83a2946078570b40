//! What is written nowhere: shares, nonces, tickets, ids, people.

use base64ct::{Base64, Base64UrlUnpadded, Encoding as _};
use cdoc2_auth_token::Algorithm;

use super::bed::{SHARE, SharesBed, body, certificate_of};
use super::forged::Forged;
use crate::support::{Authority, PERSONAL_CODE};

/// Every way through the server, good and bad, with everything logged that any library has to say.
#[test]
fn log_and_metrics_say_nothing_secret() {
    let bed = SharesBed::new();
    let mari = bed.person(Algorithm::Es256);
    let id = bed.put(&mari.id);
    let mut secrets = vec![id.to_string(), PERSONAL_CODE.to_owned(), "MAASIKAS".to_owned()];

    let audience = bed.audience(&id);
    let ticket = mari.ticket(&audience);
    assert_eq!(bed.get(&id, &mari.newer(&ticket)).status, 200);
    assert_eq!(bed.get(&id, &mari.older(&ticket)).status, 404);
    let unused = bed.audience(&id);
    let thief = bed.person(Algorithm::Es256);
    let stranger = mari.renewed(&Authority::new(), &certificate_of(&mari.id));
    let jaan = certificate_of(&"etsi/PNOEE-38001085718".parse().unwrap());
    let jaan = mari.renewed(&bed.files.authority, &jaan);
    for fields in [
        mari.newer(&thief.ticket(&unused)),
        stranger.newer(&stranger.ticket(&unused)),
        jaan.newer(&jaan.ticket(&unused)),
        mari.newer(&Forged::disclosing(&mari, Algorithm::Es256, &[unused.nonce.as_str().into()]).signed(&mari, Algorithm::Es256)),
        mari.newer(&ticket[1..]),
        vec![format!("x-cdoc2-auth-token: {ticket}"), format!("x-cdoc2-auth-x5c: {PERSONAL_CODE}")],
        mari.newer(&ticket)[..1].to_vec(),
    ] {
        assert!(bed.get(&id, &fields).status >= 400);
    }
    // Bodies with something wrong in them.
    let sound = body(&mari.id);
    for broken in [sound.replace("share", "shares"), sound.replace("etsi", "ets"), sound[1..].to_owned(), format!("[{sound}]")] {
        assert_eq!(bed.http().post_to("/key-shares", &broken, &[]).status, 400);
    }
    assert_eq!(bed.http().post_to(&format!("/key-shares/{id}/nonce"), &format!("\"{PERSONAL_CODE}\""), &[]).status, 400);

    for audience in [audience, unused] {
        secrets.push(audience.nonce.as_str().to_owned());
        secrets.push(Base64UrlUnpadded::encode_string(audience.to_string().as_bytes())[..40].to_owned());
    }
    // A ticket's header is known to everybody; what comes after it is not.
    secrets.extend(ticket.split(['.', '~']).skip(1).filter(|part| !part.is_empty()).map(|part| part[..32].to_owned()));
    secrets.push(Base64::encode_string(&SHARE)[..24].to_owned());
    secrets.push(String::from_utf8(SHARE.to_vec()).unwrap());
    secrets.push(SHARE[..8].iter().map(|octet| format!("{octet:02x}")).collect());
    secrets.push(SHARE[..8].iter().map(u8::to_string).collect::<Vec<_>>().join(", "));
    let x5c = Base64UrlUnpadded::encode_string(&mari.identity.certificate);
    // From the subject's public key on.
    secrets.push(x5c[x5c.len() - 64..].to_owned());

    let log = bed.log();
    let metrics = bed.operations().get("/metrics").body;
    for reason in
        ["signature", "bad_path", "other_issuer", "malformed_audience", "malformed_ticket", "malformed_certificate", "no_ticket"]
    {
        assert!(log.contains(&format!("\"reason\":\"{reason}\"")), "{reason} is not in\n{log}");
    }
    for secret in secrets {
        assert!(!log.contains(&secret), "{secret} is in\n{log}");
        assert!(!metrics.contains(&secret), "{secret} is in\n{metrics}");
    }
}
