//! What `docs/` says is so.

use std::fs;
use std::path::PathBuf;

use cdoc2_server::Config;

fn document(name: &str) -> String {
    fs::read_to_string(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name)).unwrap()
}

/// The example with its values in place, and the least that is needed: they mean the same.
#[test]
fn example_shows_the_defaults() {
    let example = Config::parse(&document("cdoc2-server.toml"), "/x/server.toml".as_ref()).unwrap();
    let least = Config::parse(
        r#"
        [sender]
        certificate = "/etc/cdoc2/server.pem"
        key = "/etc/cdoc2/server.key"
        [recipient]
        certificate = "/etc/cdoc2/server.pem"
        key = "/etc/cdoc2/server.key"
        client_authorities = ["/etc/cdoc2/authorities.pem"]
        [store]
        sqlite = "/var/lib/cdoc2-server/capsules.sqlite"
        "#,
        "/x/server.toml".as_ref(),
    )
    .unwrap();
    assert_eq!(format!("{example:#?}"), format!("{least:#?}"));
}

#[test]
fn example_has_every_key() {
    let text = document("cdoc2-server.toml");
    let config = Config::parse(&text, "/x/server.toml".as_ref()).unwrap();
    let debug = format!("{config:#?}");
    let fields = debug.lines().filter_map(|line| line.trim().split_once(": ")).map(|(name, _)| name);
    let mut count = 0;
    // What [store] has for this is "sqlite".
    for field in fields.filter(|field| *field != "path") {
        let said = [format!("\n{field} = "), format!("\n# {field} = "), format!("\n[{field}]")];
        assert!(said.iter().any(|said| text.contains(said)), "{field}");
        count += 1;
    }
    assert!(count > 40, "{count}");
}

/// Without "# " before them, the keys that are not set are right, too.
#[test]
fn examples_other_keys_are_right() {
    let text = document("cdoc2-server.toml").replace("\nsqlite = ", "\n# sqlite = ");
    let uncommented: Vec<&str> = text
        .lines()
        .map(|line| {
            line.strip_prefix("# ")
                .filter(|rest| {
                    ["postgresql = ", "password_file = ", "authorities = ", "url = "].iter().any(|key| rest.starts_with(key))
                })
                .unwrap_or(line)
        })
        .collect();
    let config = Config::parse(&uncommented.join("\n"), "/x/server.toml".as_ref()).unwrap();
    assert!(config.ocsp.url.is_some());
    assert!(format!("{:?}", config.store).starts_with("Postgresql"));
}

/// The names in the table of metrics are those that the crates use.
#[test]
fn metrics_are_explained() {
    let guide = document("capsule-server.md");
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
