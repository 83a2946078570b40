//! `cdoc2 inspect`: every kind of record, for people and for programs.

use cdoc2::core::Curve;
use cdoc2::core::wire::capsule::{
    Capsule, EccPublicKeyCapsule, EllipticCurve, KeyDetails, KeyServerCapsule, KeyShareRecipientType, KeySharesCapsule,
    ShareLocation, Shares, SharesScheme, SymmetricKeyCapsule,
};
use cdoc2::core::wire::envelope::Envelope;
use serde_json::{Value, json};

use crate::crafted::{self, record};
use crate::support::{PASSWORD, Sandbox, says};

fn json_of(sandbox: &Sandbox, name: &str) -> Value {
    serde_json::from_slice(sandbox.run(&format!("inspect --json {name}")).done().stdout()).unwrap()
}

#[test]
fn schema_of_what_this_program_writes() {
    let sandbox = Sandbox::with_secret();
    sandbox.write("a.txt", "");
    sandbox.write("pw", PASSWORD);
    sandbox.run("keygen -o k --pubkey key.pub").done();
    sandbox.run("keygen -o r --pubkey rsa.pub --type rsa --bits 2048").done();
    sandbox
        .run("encrypt -o in.cdoc2 -r pubkey:key.pub -r pubkey:rsa.pub -r secret:s:s -r password:vihje --password-file pw a.txt")
        .done();
    let mut inspection = json_of(&sandbox, "in.cdoc2");
    let container = sandbox.read("in.cdoc2");
    let (envelope, payload) = Envelope::parse(&container).unwrap();
    for record in inspection["records"].as_array_mut().unwrap() {
        let digest = record.get_mut("public_key_sha256").map(Value::take);
        assert!(digest.is_none_or(|digest| digest.as_str().unwrap().len() == 64));
    }
    let label = |label_type: &str, name: &str| {
        json!({
            "text": format!("data:,v=1&type={label_type}&label={name}"), "base64": null, "name": name,
            "fields": [{"name": "v", "value": "1"}, {"name": "type", "value": label_type}, {"name": "label", "value": name}],
        })
    };
    let expected = json!({
        "schema": "cdoc2-inspect", "version": 1, "file": "in.cdoc2", "envelope_version": 2,
        "header_len": envelope.header().octets().len(), "payload_len": payload.len(), "payload_encryption_method": "CHACHA20POLY1305",
        "records": [
            {
                "index": 1, "capsule_type": "ECCPublicKeyCapsule", "capsule_type_id": 1, "scheme": "SC.01", "label": label("pub_key", "key.pub"),
                "fmk_encryption_method": "XOR", "opened_by": "key", "curve": "secp384r1", "public_key_sha256": null,
            },
            {
                "index": 2, "capsule_type": "RSAPublicKeyCapsule", "capsule_type_id": 2, "scheme": "SC.02", "label": label("pub_key", "rsa.pub"),
                "fmk_encryption_method": "XOR", "opened_by": "key", "rsa_modulus_bits": 2048, "public_key_sha256": null,
            },
            {
                "index": 3, "capsule_type": "SymmetricKeyCapsule", "capsule_type_id": 4, "scheme": "SC.05", "label": label("secret", "s"),
                "fmk_encryption_method": "XOR", "opened_by": "secret",
            },
            {
                "index": 4, "capsule_type": "PBKDF2Capsule", "capsule_type_id": 5, "scheme": "SC.06", "label": label("pw", "vihje"),
                "fmk_encryption_method": "XOR", "opened_by": "password", "kdf": "PBKDF2WithHmacSHA256", "kdf_iterations": 600_000,
            },
        ],
    });
    assert_eq!(inspection, expected);
}

#[test]
fn records_on_servers_are_shown() {
    let sandbox = Sandbox::new();
    let point = [&[4][..], &[7; 96]].concat();
    let details = KeyDetails::Ecc { curve: EllipticCurve::Known(Curve::Secp384r1), recipient_public_key: &point };
    let server =
        KeyServerCapsule { recipient_key_details: details, keyserver_id: "00000000-0000".into(), transaction_id: "KC0123".into() };
    let locations = [("https://one.example", "0123456789abcdef01"), ("https://two.example", "0123456789abcdef02")]
        .map(|(url, id)| ShareLocation { server_base_url: url.into(), share_id: id.into() });
    let shares = KeySharesCapsule {
        shares: Shares::new(&locations),
        salt: &[1; 32],
        recipient_type: KeyShareRecipientType::SidMid,
        shares_scheme: SharesScheme::NOfN,
        recipient_id: "etsi/PNOEE-48010010101".into(),
    };
    let label = b"data:,v=1&type=ID-card&cn=J%C3%95EORG&server_exp=1793880000";
    let records = [record(Capsule::KeyServer(server), label), record(Capsule::KeyShares(shares), b"free text")];
    sandbox.write("in.cdoc2", crafted::envelope(&records));
    let text = sandbox.run("info in.cdoc2").done().text();
    for line in [
        "Record 1: JÕEORG",
        "  for:       key on secp384r1, through a capsule server (SC.03)",
        "  opens by:  nothing in this version",
        "  server:    00000000-0000",
        "  id:        KC0123",
        "  expires:   2026-11-05T12:00:00Z",
        "Record 2: free text",
        "  for:       person who signs in to shares servers (SC.07)",
        "  opens by:  --auth smart-id, mobile-id, id-card, pkcs11 or key",
        "  recipient: etsi/PNOEE-48010010101",
        "  share:     0123456789abcdef02 at https://two.example",
    ] {
        says(&text, &format!("{line}\n"));
    }
    let json = json_of(&sandbox, "in.cdoc2");
    assert_eq!(json["records"][0]["transaction_id"], "KC0123");
    assert_eq!(json["records"][0]["opened_by"], Value::Null);
    assert_eq!(json["records"][1]["shares"][0], json!({"server_url": "https://one.example", "share_id": "0123456789abcdef01"}));
    assert_eq!(json["records"][1]["opened_by"], "auth");
    assert_eq!(json["records"][1]["label"]["fields"], Value::Null);
    // The server's records are the answer to a key that has no other.
    sandbox.run("keygen -o k --pubkey p").done();
    sandbox.run("decrypt in.cdoc2 -o out --key k").failed(4);
}

#[test]
fn unknown_kinds_and_labels_that_are_no_text_are_shown() {
    let sandbox = Sandbox::new();
    let records = [record(Capsule::SymmetricKey(SymmetricKeyCapsule { salt: &[1; 32] }), b"\xff\x1b[2J")];
    let mut octets = crafted::envelope(&records);
    // The octet of the capsule's kind is the one that makes the kind unknown.
    let kind = (0..octets.len()).find(|at| {
        let mut changed = octets.clone();
        changed[*at] = 99;
        let Ok((envelope, _)) = Envelope::parse(&changed) else { return false };
        envelope.header().records().all(|record| record.capsule == Capsule::Unknown(99))
    });
    octets[kind.unwrap()] = 99;
    sandbox.write("in.cdoc2", octets);
    let text = sandbox.run("inspect in.cdoc2").done().text();
    says(&text, "  for:       recipient of an unknown kind: capsule unknown (99)\n");
    assert!(!text.contains('\u{1b}'), "{text:?}");
    let json = json_of(&sandbox, "in.cdoc2");
    assert_eq!(json["records"][0]["capsule_type"], "unknown (99)");
    assert_eq!(json["records"][0]["scheme"], Value::Null);
    assert_eq!(
        json["records"][0]["label"],
        json!({"text": "\u{fffd}\u{1b}[2J", "base64": "/xtbMko=", "name": "\u{fffd}\u{1b}[2J", "fields": null})
    );
    sandbox.write("s", [1; 32]);
    sandbox.run("decrypt in.cdoc2 -o out --secret s").failed(4);
}

#[test]
fn unsound_points_are_not_openable() {
    let sandbox = Sandbox::new();
    let point = [&[4][..], &[7; 96]].concat();
    let curve = EllipticCurve::Known(Curve::Secp384r1);
    let capsule = EccPublicKeyCapsule { curve, recipient_public_key: &point, sender_public_key: &point };
    sandbox.write("in.cdoc2", crafted::envelope(&[record(Capsule::EccPublicKey(capsule), b"")]));
    let json = json_of(&sandbox, "in.cdoc2");
    assert_eq!(json["records"][0]["opened_by"], Value::Null);
    says(&sandbox.run("inspect in.cdoc2").done().text(), "Record 1: (no label)\n");
}
