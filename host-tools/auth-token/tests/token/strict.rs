//! What is no ticket, and why. Nothing of this depends on a signature: it is refused before one is looked at.

use cdoc2_api::{nonce, recipient_id};
use cdoc2_auth_token::{Malformed, TYPE, Ticket, audience, base_url, ticket};

use crate::support::{AUDIENCE, Deterministic, Forged, ISSUER, base64, digest_of, element, member, places};

fn read(text: &str) -> Result<(), Malformed> {
    Ticket::parse(text).map(|ticket| assert_eq!(ticket.audience().to_string(), AUDIENCE))
}

fn reads(forged: &Forged) -> Result<(), Malformed> {
    read(&forged.text())
}

#[test]
fn both_forms_are_read() {
    assert_eq!(reads(&Forged::new()), Ok(()));
    assert_eq!(reads(&Forged::in_payload()), Ok(()));
    // The order of disclosures says nothing, nor does white space; SHA-256 is what no name stands for; digests may stand for nothing.
    let mut turned = Forged::new();
    turned.disclosures.reverse();
    assert_eq!(reads(&turned), Ok(()));
    let element = element(AUDIENCE);
    let aud = member("aud", &[digest_of(&element)]);
    let payload = format!("\n{{ \"_sd\" : [ \"{}\", \"{}\" ],\t\"iss\" : \"{ISSUER}\" }} ", digest_of("nothing"), digest_of(&aud));
    assert_eq!(reads(&Forged { payload, disclosures: vec![aud, element], ..Forged::new() }), Ok(()));
}

#[test]
fn the_form_is_exact() {
    let sound = Forged::new();
    let (token, disclosures) = (format!("{}.{}", sound.signing_input(), base64([1; 64])), sound.disclosures.join("~"));
    for (text, reason) in [
        (String::new(), Malformed::Form),
        ("~".into(), Malformed::Form),
        (token.clone(), Malformed::Form),
        (format!("{token}~{disclosures}"), Malformed::Form),
        (format!("~{token}~{disclosures}~"), Malformed::Form),
        (format!("{token}~~{disclosures}~"), Malformed::Disclosure),
        (format!("{token}~{disclosures}~~"), Malformed::Disclosure),
        (format!("{token}~"), Malformed::NotOneAudience),
        (format!("{token}~{disclosures}~{token}"), Malformed::Form),
        (format!("{token}~{disclosures}~\n"), Malformed::Form),
        (format!(" {token}~{disclosures}~"), Malformed::Header),
        (format!("{}~{disclosures}~", sound.signing_input()), Malformed::Form),
        (format!(".{token}~{disclosures}~"), Malformed::Header),
        (format!("{}~{disclosures}~", token.replace('.', "..")), Malformed::Payload),
        (format!("{token}.{}~{disclosures}~", base64([1; 64])), Malformed::Payload),
        (format!("{token}=~{disclosures}~"), Malformed::Signature),
        (format!("{token}+~{disclosures}~"), Malformed::Signature),
        (format!("{token}~{disclosures}=~"), Malformed::Disclosure),
    ] {
        assert_eq!(read(&text), Err(reason), "{text}");
    }
    // Of the last character of 64 octets two bits count; it is written with zeros for the others, and in no second way.
    let text = sound.text();
    assert!(text.contains("AQ~"));
    for other in ["AR~", "AS~", "AX~"] {
        assert_eq!(read(&text.replace("AQ~", other)), Err(Malformed::Signature));
    }
}

#[test]
fn the_header_is_exact() {
    let members = format!(r#""typ":"{TYPE}","alg":"ES256""#);
    for (header, reason) in [
        (String::new(), Malformed::Header),
        ("null".into(), Malformed::Header),
        ("{}".into(), Malformed::Header),
        (format!(r#"["{TYPE}","ES256"]"#), Malformed::Header),
        (format!(r#"{{"typ":"{TYPE}"}}"#), Malformed::Header),
        (r#"{"alg":"ES256"}"#.into(), Malformed::Header),
        (format!(r#"{{{members}}}}}"#), Malformed::Header),
        (format!(r#"{{{members},"alg":"ES256"}}"#), Malformed::Header),
        (format!(r#"{{{members},"\u0061lg":"none"}}"#), Malformed::Header),
        (format!(r#"{{{members},"typ":"{TYPE}"}}"#), Malformed::Header),
        (format!(r#"{{{members},"crit":["exp"],"exp":1}}"#), Malformed::Header),
        (format!(r#"{{{members},"b64":false}}"#), Malformed::Header),
        (format!(r#"{{{members},"jwk":{{}}}}"#), Malformed::Header),
        (format!(r#"{{{members},"x5c":[]}}"#), Malformed::Header),
        (format!(r#"{{"typ":["{TYPE}"],"alg":"ES256"}}"#), Malformed::Header),
        (format!(r#"{{"typ":"{TYPE}","alg":null}}"#), Malformed::Header),
        (format!("\u{feff}{{{members}}}"), Malformed::Header),
    ] {
        assert_eq!(reads(&Forged { header: header.clone(), ..Forged::new() }), Err(reason), "{header}");
    }
    for other in ["JWT", "sd+jwt", "vc+sd-jwt", "vnd.cdoc2.auth-token.v2+sd-jwt", "application/vnd.cdoc2.auth-token.v1+sd-jwt", ""]
    {
        let header = format!(r#"{{"typ":"{other}","alg":"ES256"}}"#);
        assert_eq!(reads(&Forged { header, ..Forged::new() }), Err(Malformed::Type), "{other}");
    }
    let header = format!(r#"{{"typ":"{}","alg":"ES256"}}"#, TYPE.to_uppercase());
    assert_eq!(reads(&Forged { header, ..Forged::new() }), Err(Malformed::Type));
    for other in ["none", "None", "HS256", "HS384", "ES512", "ES256K", "RS384", "RS512", "PS512", "EdDSA", "es256", "ES256 ", ""] {
        let header = format!(r#"{{"typ":"{TYPE}","alg":"{other}"}}"#);
        assert_eq!(reads(&Forged { header, ..Forged::new() }), Err(Malformed::Algorithm), "{other}");
    }
}

#[test]
fn the_payload_is_exact() {
    let sound = Forged::new();
    let digest = digest_of(&sound.disclosures[0]);
    let members = format!(r#""iss":"{ISSUER}","_sd":["{digest}"]"#);
    for (payload, reason) in [
        (String::new(), Malformed::Payload),
        ("{}".into(), Malformed::Payload),
        ("[]".into(), Malformed::Payload),
        (format!(r#"["{ISSUER}",["{digest}"]]"#), Malformed::Payload),
        (format!(r#"{{"_sd":["{digest}"]}}"#), Malformed::Payload),
        (format!(r#"{{{members},"iss":"{ISSUER}"}}"#), Malformed::Payload),
        (format!(r#"{{{members},"i\u0073s":"{ISSUER}"}}"#), Malformed::Payload),
        (format!(r#"{{{members},"_sd":[]}}"#), Malformed::Payload),
        (format!(r#"{{{members},"_sd_alg":"sha-256","_sd_alg":"sha-256"}}"#), Malformed::Payload),
        (format!(r#"{{{members},"_sd_alg":null}}"#), Malformed::Payload),
        (format!(r#"{{{members},"_sd_alg":["sha-256","sha-512"]}}"#), Malformed::Payload),
        (format!(r#"{{{members},"aud":null}}"#), Malformed::Payload),
        (format!(r#"{{{members},"aud":"{AUDIENCE}"}}"#), Malformed::Payload),
        (format!(r#"{{{members},"aud":["{AUDIENCE}"]}}"#), Malformed::Payload),
        (format!(r#"{{{members},"exp":4000000000}}"#), Malformed::Payload),
        (format!(r#"{{{members},"nbf":1}}"#), Malformed::Payload),
        (format!(r#"{{{members},"cnf":{{}}}}"#), Malformed::Payload),
        (format!(r#"{{{members},"...":"{digest}"}}"#), Malformed::Payload),
        (format!(r#"{{"iss":1,"_sd":["{digest}"]}}"#), Malformed::Payload),
        (format!(r#"{{"iss":"{ISSUER}","_sd":"{digest}"}}"#), Malformed::Payload),
        (format!(r#"{{"iss":"{ISSUER}","_sd":["{digest}="]}}"#), Malformed::Payload),
        (format!(r#"{{"iss":"{ISSUER}","_sd":["{}"]}}"#, &digest[1..]), Malformed::Payload),
        (format!(r#"{{"iss":"{ISSUER}","_sd":["{digest}AAAA"]}}"#), Malformed::Payload),
        (format!(r#"{{"iss":"{ISSUER}","_sd":[["{digest}"]]}}"#), Malformed::Payload),
        (format!(r#"{{"iss":"{ISSUER}","_sd":[]}}"#), Malformed::UnknownDisclosure),
        (format!(r#"{{"iss":"{ISSUER}"}}"#), Malformed::UnknownDisclosure),
        (format!(r#"{{"iss":"PNOEE-48010010101","_sd":["{digest}"]}}"#), Malformed::Issuer(recipient_id::Malformed::Scheme)),
        (format!(r#"{{"iss":"etsi/PNOEE-480100101\u0000","_sd":["{digest}"]}}"#), Malformed::Issuer(recipient_id::Malformed::Etsi)),
    ] {
        assert_eq!(reads(&Forged { payload: payload.clone(), ..sound.clone() }), Err(reason), "{payload}");
    }
    for other in ["sha-512", "sha-384", "sha3-256", "SHA-256", "sha256", "md5", "none", ""] {
        let payload = format!(r#"{{{members},"_sd_alg":"{other}"}}"#);
        assert_eq!(reads(&Forged { payload, ..sound.clone() }), Err(Malformed::DigestAlgorithm), "{other}");
    }
}

#[test]
fn disclosures_belong_to_their_places() {
    let mine = element(AUDIENCE);
    let other = element("https://css.example.org:443/key-shares/00112233445566778899aabbccddeeff?nonce=IAECAwQFBgcI");
    let aud = member("aud", &[digest_of(&other), digest_of(&mine)]);
    let with = |disclosures: &[&String]| Forged {
        disclosures: disclosures.iter().copied().cloned().collect(),
        ..Forged::disclosing(vec![aud.clone()])
    };
    let foreign = member("aud", &[digest_of(&mine)]);
    let named = member("iss", &[digest_of(&mine)]);
    for (disclosures, reason) in [
        (&[&aud][..], Malformed::NotOneAudience),
        (&[&mine], Malformed::NotOneAudience),
        (&[&aud, &mine, &other], Malformed::NotOneAudience),
        (&[&aud, &mine, &mine], Malformed::NotOneAudience),
        (&[&aud, &aud, &mine], Malformed::Disclosure),
        (&[&aud, &foreign, &mine], Malformed::Disclosure),
        (&[&foreign, &mine], Malformed::UnknownDisclosure),
        (&[&aud, &element("https://css.example:443")], Malformed::UnknownDisclosure),
        (&[&named, &mine], Malformed::Disclosure),
        (&[&aud, &named, &mine], Malformed::Disclosure),
    ] {
        assert_eq!(reads(&with(disclosures)), Err(reason), "{disclosures:?}");
    }
    assert_eq!(reads(&with(&[&aud, &mine])), Ok(()));

    // An element stands in for a member, a member for an element, and a member is disclosed where it stands already.
    let payload = format!(r#"{{"iss":"{ISSUER}","_sd":["{}"],"aud":{}}}"#, digest_of(&mine), places(&[digest_of("a")]));
    assert_eq!(reads(&Forged { payload, disclosures: vec![mine.clone()], ..Forged::new() }), Err(Malformed::UnknownDisclosure));
    let payload = format!(r#"{{"iss":"{ISSUER}","_sd":[],"aud":{}}}"#, places(&[digest_of(&aud), digest_of(&mine)]));
    assert_eq!(
        reads(&Forged { payload, disclosures: vec![aud.clone(), mine.clone()], ..Forged::new() }),
        Err(Malformed::Disclosure)
    );
    let payload = format!(r#"{{"iss":"{ISSUER}","_sd":["{}"],"aud":{}}}"#, digest_of(&aud), places(&[digest_of(&mine)]));
    assert_eq!(
        reads(&Forged { payload, disclosures: vec![aud.clone(), mine.clone()], ..Forged::new() }),
        Err(Malformed::Disclosure)
    );
}

#[test]
fn a_digest_stands_in_one_place() {
    let mine = element(AUDIENCE);
    for digests in [
        [digest_of(&mine), digest_of(&mine)],
        // Neither of these is disclosed.
        [digest_of("other"), digest_of("other")],
    ] {
        let aud = member("aud", &[&digests[..], &[digest_of(&mine)]].concat());
        assert_eq!(reads(&Forged::disclosing(vec![aud, mine.clone()])), Err(Malformed::DuplicateDigest));
        let payload = format!(r#"{{"iss":"{ISSUER}","aud":{}}}"#, places(&[&digests[..], &[digest_of(&mine)]].concat()));
        assert_eq!(reads(&Forged { payload, disclosures: vec![mine.clone()], ..Forged::new() }), Err(Malformed::DuplicateDigest));
    }
    let aud = member("aud", &[digest_of(&mine)]);
    for twice in [digest_of(&aud), digest_of(&mine)] {
        let payload = format!(r#"{{"iss":"{ISSUER}","_sd":["{}","{twice}"]}}"#, digest_of(&aud));
        let forged = Forged { payload, disclosures: vec![aud.clone(), mine.clone()], ..Forged::new() };
        assert_eq!(reads(&forged), Err(Malformed::DuplicateDigest));
    }
}

#[test]
fn disclosures_are_exact() {
    let mine = digest_of(&element(AUDIENCE));
    for json in [
        String::new(),
        "[]".into(),
        r#"["AAAAAAAAAAAAAAAAAAAAAA"]"#.into(),
        format!(r#"["AAAAAAAAAAAAAAAAAAAAAA","aud","{AUDIENCE}"]"#),
        format!(r#"["AAAAAAAAAAAAAAAAAAAAAA","aud",["{AUDIENCE}"]]"#),
        format!(r#"["AAAAAAAAAAAAAAAAAAAAAA","aud",["{mine}"]]"#),
        format!(r#"["AAAAAAAAAAAAAAAAAAAAAA","aud",[["{mine}"]]]"#),
        format!(r#"["AAAAAAAAAAAAAAAAAAAAAA","aud",[{{"...":"{mine}"}}],1]"#),
        format!(r#"["AAAAAAAAAAAAAAAAAAAAAA","aud",[{{"...":"{mine}"}}]],"#),
        format!(r#"["AAAAAAAAAAAAAAAAAAAAAA","aud",[{{"...":"{mine}","...":"{mine}"}}]]"#),
        format!(r#"["AAAAAAAAAAAAAAAAAAAAAA","aud",[{{"...":"{mine}","a":1}}]]"#),
        format!(r#"["AAAAAAAAAAAAAAAAAAAAAA","aud",[{{"_sd":["{mine}"]}}]]"#),
        format!(r#"["AAAAAAAAAAAAAAAAAAAAAA","aud",{{"_sd":["{mine}"]}}]"#),
        format!(r#"["AAAAAAAAAAAAAAAAAAAAAA","_sd",[{{"...":"{mine}"}}]]"#),
        format!(r#"["AAAAAAAAAAAAAAAAAAAAAA","...",[{{"...":"{mine}"}}]]"#),
        format!(r#"[1,"aud",[{{"...":"{mine}"}}]]"#),
        format!(r#"{{"0":"AAAAAAAAAAAAAAAAAAAAAA","1":"{AUDIENCE}"}}"#),
        r#"["AAAAAAAAAAAAAAAAAAAAAA",null]"#.into(),
        format!(r#"["AAAAAAAAAAAAAAAAAAAAAA",["{AUDIENCE}"]]"#),
    ] {
        let disclosures = vec![base64(&json), element(AUDIENCE)];
        assert_eq!(reads(&Forged::disclosing(disclosures)), Err(Malformed::Disclosure), "{json}");
    }
    let not_unicode = base64(b"[\"AAAAAAAAAAAAAAAAAAAAAA\",\"\xFF\"]");
    assert_eq!(reads(&Forged::disclosing(vec![not_unicode])), Err(Malformed::Disclosure));
}

#[test]
fn what_is_disclosed_is_an_audience() {
    for (text, reason) in [
        ("", audience::Malformed::Form),
        (ISSUER, audience::Malformed::Form),
        (&AUDIENCE.replace("https", "http"), audience::Malformed::Server(base_url::Malformed::Scheme)),
        (&format!("{AUDIENCE}%20"), audience::Malformed::Nonce(nonce::Malformed)),
    ] {
        let element = element(text);
        let forged = Forged::disclosing(vec![member("aud", &[digest_of(&element)]), element]);
        assert_eq!(reads(&forged), Err(Malformed::Audience(reason)), "{text}");
    }
}

#[test]
fn neither_size_nor_depth_does_harm() {
    for text in
        ["~".repeat(1 << 22), ".".repeat(1 << 22), "A".repeat(1 << 22), format!("{}{}", Forged::new().text(), "~".repeat(1 << 22))]
    {
        assert_eq!(read(&text), Err(Malformed::Length));
    }
    for text in ["~".repeat(ticket::MAX_LEN), ".~".repeat(ticket::MAX_LEN / 2), "..~".repeat(ticket::MAX_LEN / 3)] {
        assert!(read(&text).is_err());
    }
    let deep = "[".repeat(5000);
    let objects = r#"{"a":"#.repeat(1000);
    for deep in [deep, objects] {
        assert_eq!(reads(&Forged { header: deep.clone(), ..Forged::new() }), Err(Malformed::Header));
        assert_eq!(reads(&Forged { payload: deep.clone(), ..Forged::new() }), Err(Malformed::Payload));
        let disclosures = vec![base64(&deep)];
        assert_eq!(reads(&Forged { disclosures, ..Forged::new() }), Err(Malformed::Disclosure));
        let disclosures = vec![base64(format!(r#"["AAAAAAAAAAAAAAAAAAAAAA","aud",{deep}"#))];
        assert_eq!(reads(&Forged { disclosures, ..Forged::new() }), Err(Malformed::Disclosure));
    }
    // As many digests as there is room for.
    let mut rng = Deterministic(0);
    let digests: Vec<String> =
        crate::support::audiences(75, &mut rng).iter().map(|audience| digest_of(&audience.to_string())).collect();
    let mine = element(AUDIENCE);
    let forged = Forged::disclosing(vec![member("aud", &[&digests[..], &[digest_of(&mine)]].concat()), mine]);
    assert!(forged.text().len() <= ticket::MAX_LEN);
    assert_eq!(reads(&forged), Ok(()));
}
