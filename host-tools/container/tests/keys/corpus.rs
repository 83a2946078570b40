//! The keys of the interoperability corpus, where it is there.

use std::path::Path;

use cdoc2::keys::{Certificate, PublicKey};

use crate::private;

#[test]
fn every_key_of_the_corpus_is_read() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus/vectors/keys");
    if !folder.exists() {
        println!("skipped: there is no {}", folder.display());
        return;
    }
    let mut count = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        let octets = std::fs::read(&path).unwrap();
        let key = name.split('.').next().unwrap();
        let private = private(&std::fs::read(folder.join(format!("{key}.pem"))).unwrap()).unwrap().public_key();
        let public = if name.contains(".cert.") {
            Certificate::parse(&octets).map(|certificate| certificate.public_key().clone())
        } else if name.contains(".pub.") {
            PublicKey::parse(&octets)
        } else {
            crate::private(&octets).map(|key| key.public_key())
        };
        assert_eq!(public.unwrap_or_else(|error| panic!("{name}: {error}")), private, "{name}");
        count += 1;
    }
    assert!(count > 0, "no keys in {}", folder.display());
}
