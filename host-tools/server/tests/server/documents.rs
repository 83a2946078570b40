//! What `docs/` says is so.

use std::fmt::Debug;
use std::fs;
use std::path::PathBuf;

use cdoc2_server::Config;
use cdoc2_server::config::{Capsules, Interface, Shares};

fn document(name: &str) -> String {
    fs::read_to_string(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name)).unwrap()
}

/// The examples with their values in place, and the least that is needed: they mean the same.
#[test]
fn examples_show_the_defaults() {
    let least = r#"
        [sender]
        certificate = "/etc/cdoc2/server.pem"
        key = "/etc/cdoc2/server.key"
        [recipient]
        certificate = "/etc/cdoc2/server.pem"
        key = "/etc/cdoc2/server.key"
        client_authorities = ["/etc/cdoc2/authorities.pem"]
        [store]
        sqlite = "/var/lib/cdoc2-capsule-server/capsules.sqlite"
        "#;
    same::<Capsules>("capsule-server.toml", least);
    let least = r#"
        [shares]
        certificate = "/etc/cdoc2/server.pem"
        key = "/etc/cdoc2/server.key"
        url = "https://shares.example.org:8443"
        authorities = ["/etc/cdoc2/authorities.pem"]
        [store]
        sqlite = "/var/lib/cdoc2-shares-server/shares.sqlite"
        "#;
    same::<Shares>("shares-server.toml", least);
}

fn same<I: Interface + Debug>(example: &str, least: &str) {
    let parse = |text: &str| Config::<I>::parse(text, "/x/server.toml".as_ref()).unwrap();
    assert_eq!(format!("{:#?}", parse(&document(example))), format!("{:#?}", parse(least)));
}

#[test]
fn examples_have_every_key() {
    let capsules = has_every_key::<Capsules>("capsule-server.toml");
    let shares = has_every_key::<Shares>("shares-server.toml");
    assert!(capsules > 40 && shares > 40, "{capsules} {shares}");
}

/// How many there are.
fn has_every_key<I: Interface + Debug>(example: &str) -> usize {
    let text = document(example);
    let debug = format!("{:#?}", Config::<I>::parse(&text, "/x/server.toml".as_ref()).unwrap());
    let fields = debug.lines().filter_map(|line| line.trim().split_once(": ")).map(|(name, _)| name);
    // What [store] has for a path is "sqlite"; an interface is sections; the server's address is one text.
    let fields = fields.filter(|field| !["path", "interface", "host", "port"].contains(field));
    let said = |field: &&str| {
        let said = [format!("\n{field} = "), format!("\n# {field} = "), format!("\n[{field}]")];
        assert!(said.iter().any(|said| text.contains(said)), "{field}");
    };
    fields.inspect(said).count()
}

/// Without "# " before them, the keys that are not set are right, too.
#[test]
fn examples_other_keys_are_right() {
    for name in ["capsule-server.toml", "shares-server.toml"] {
        let text = document(name).replace("\nsqlite = ", "\n# sqlite = ");
        let keys = ["postgresql = ", "password_file = ", "authorities = ", "url = "];
        let uncommented: Vec<&str> = text
            .lines()
            .map(|line| line.strip_prefix("# ").filter(|rest| keys.iter().any(|key| rest.starts_with(key))).unwrap_or(line))
            .collect();
        let uncommented = uncommented.join("\n");
        let (ocsp, store) = if name.starts_with("capsule") {
            let config = Config::<Capsules>::parse(&uncommented, "/x/server.toml".as_ref()).unwrap();
            (config.ocsp, config.store)
        } else {
            let config = Config::<Shares>::parse(&uncommented, "/x/server.toml".as_ref()).unwrap();
            (config.ocsp, config.store)
        };
        assert!(ocsp.url.is_some());
        assert!(format!("{store:?}").starts_with("Postgresql"));
    }
}

/// The names in the table of metrics are those that the crates use.
#[test]
fn metrics_are_explained() {
    let guide = document("capsule-server.md") + &document("shares-server.md");
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let sources = [root.join("src/metrics.rs"), root.join("src/store/clean_up.rs"), root.join("../revocation/src/metric.rs")];
    let mut count = 0;
    for source in sources {
        let text = fs::read_to_string(&source).unwrap();
        for name in
            text.split('"').filter(|text| ["cdoc2_", "ocsp_", "client_certificates_"].iter().any(|prefix| text.starts_with(prefix)))
        {
            assert!(guide.contains(&format!("`{name}`")), "{name} of {}", source.display());
            count += 1;
        }
    }
    assert!(count > 15, "{count}");
}

/// The reasons in the table of steps are those that the log and the metrics have.
#[test]
fn reasons_are_explained() {
    let guide = document("shares-server.md");
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let mut count = 0;
    for source in [root.join("src/shares/rejection.rs"), root.join("../revocation/src/authorities.rs")] {
        let text = fs::read_to_string(&source).unwrap();
        for name in text.lines().filter_map(|line| line.split_once("=> \"")?.1.strip_suffix("\",")) {
            assert!(guide.contains(&format!("`{name}`")), "{name} of {}", source.display());
            count += 1;
        }
    }
    assert!(count > 20, "{count}");
}
