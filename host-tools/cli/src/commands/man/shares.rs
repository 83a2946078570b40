//! What the manual says of shares servers.

pub(super) const SHARES_SERVERS: &[&str] = &[
    "Whoever has no key to encrypt to, but can sign in by Smart-ID, Mobile-ID or ID-card, can be sent a container all the same: -r share:CODE. The key of \
     the container is split into as many shares as there are servers in a set, and each server gets one of them. All of them are needed, and each server \
     gives its own to nobody but the person with this code, who signs in with one signature for all of them (cdoc2-decrypt(1)). \
     A server alone, and all of them but one, can open nothing: that is why the servers of a set have different owners.",
    "cdoc2 encrypt splits keys over the set that --shares-set names, or over default_shares_set, or over the only set there is. If one share \
     cannot be stored, nothing is written; the others stay on their servers until they expire, and are of no use to anybody. They are kept until \
     --expires, or what the policy service says, or expires in the configuration, or as long as the servers like. When the first of them is gone, the \
     container cannot be decrypted any more.",
    "A container names the addresses of its shares servers, but those of your own configuration only are asked, whichever set they are in; they are known \
     by pinned certificates, as capsule servers are. What one server is sent says nothing of the other's share, its id or its nonce.",
];

pub(super) const SHARES_KEYS: &[(&str, &str)] = &[
    (
        "default_shares_set",
        "The id of the set that encrypt and reencrypt use if --shares-set is not given. Not needed where there is only one.",
    ),
    ("[[shares_set]]", "A set of shares servers; may be repeated:"),
    ("id", "What it is called here: containers do not name it. No two have the same."),
    ("[[shares_set.server]]", "A server of the set before it; two at least:"),
    (
        "url",
        "Its address: https://HOST:PORT, perhaps with a path. Containers get it as it stands here. A server may be in several sets, with the same owner, \
         certificates and interface.",
    ),
    ("owner", "Who runs it. No two servers of a set have the same owner."),
    ("certificates", "Certificates that are pinned for it, as those of a capsule server are."),
    (
        "interface",
        "\"token\", as servers speak since version 1.2 of their interface (x-cdoc2-auth-token), or \"ticket\", as they did before (x-cdoc2-auth-ticket). \
         Without it \"token\".",
    ),
];

pub(super) const SHARES_CONFIGURATION: &[&str] = &[
    "[[shares_set]]",
    "id = \"default\"",
    "",
    "[[shares_set.server]]",
    "url = \"https://shares.example:8443\"",
    "owner = \"Information System Authority\"",
    "certificates = [\"ria-shares.pem\"]",
    "",
    "[[shares_set.server]]",
    "url = \"https://shares.example.org:8443\"",
    "owner = \"Another Organisation\"",
    "certificates = [\"another.pem\"]",
    "interface = \"ticket\"",
];
