//! What the manual says of signing in.

pub(super) const SIGNING_IN: &[&str] = &[
    "The key of a container can be split over several shares servers, each of which gives its share to nobody but the recipient. --auth says how \
     you prove to them that you are: by Smart-ID, by Mobile-ID, with an ID-card, with the token of a PKCS#11 module, or with a key in a file. One \
     signature of your authentication key is enough for all of them; none of them can use it at another one.",
    "Who signs in is whom the record is for. Where the container is for several people, a card, a token or a key says who you are by its \
     certificate; for Smart-ID and Mobile-ID, --person, --index or --label says it. The servers are those that the container names, and must stand in your \
     configuration (cdoc2-servers(1)); if one does not, none of them is asked.",
    "With Smart-ID and Mobile-ID a verification code of four digits is shown here before your phone asks you. Compare it with the one on the \
     phone, or choose it there among others: if it is not there, somebody else has begun what you are asked for, and you should refuse. \
     Ctrl-C gives up; what is on the phone then can be refused, or lapses by itself.",
    "What a service answers is not believed: its certificate must be yours, valid, for authentication, and issued by an authority of the \
     configuration, and the signature must be over what was to be signed. Services are known by pinned certificates, over TLS 1.3, as \
     capsule servers are. To them it is relying_party_uuid and relying_party_name that ask, which whoever runs the service gives \
     out; for Smart-ID and Mobile-ID that is SK ID Solutions.",
    "If you refuse, or choose another code, the exit status is 5; if a service or a shares server cannot be reached or does not do its part, 10; if \
     the configuration does not list a server, 4. Where it makes sense, you are asked at the terminal whether you want to try again, with new nonces; with \
     --batch you are not. If a share is missing or has expired, the container cannot be decrypted any more.",
];

pub(super) const SIGNING_KEYS: &[(&str, &str)] = &[
    ("[smart_id]", "The Smart-ID service, with version 2 of its interface:"),
    ("[mobile_id]", "The Mobile-ID service. The keys are the same in both:"),
    ("url", "The base of the service's addresses: https://HOST/PATH."),
    ("relying_party_uuid", "By what the service knows who asks: a UUID in small letters."),
    ("relying_party_name", "What the phone shows of who asks: 32 octets at most, as registered with the service."),
    (
        "certificates",
        "Certificates that are pinned: the service must show one of them, or one that was issued by one of them. A list of paths to PEM, or of \
         PEM itself.",
    ),
    (
        "authorities",
        "Certificates of the authorities that issue people's certificates, each of them itself: the root above them is not enough. A list of \
         the same kind.",
    ),
];

pub(super) const SIGNING_CONFIGURATION: &[&str] = &[
    "[smart_id]",
    "url = \"https://rp-api.smart-id.com/v2\"",
    "relying_party_uuid = \"00000000-0000-4000-8000-000000000000\"",
    "relying_party_name = \"EXAMPLE\"",
    "certificates = [\"smart-id.pem\"]",
    "authorities = [\"people.pem\"]",
    "",
    "[mobile_id]",
    "url = \"https://mid.sk.ee/mid-api\"",
    "relying_party_uuid = \"00000000-0000-4000-8000-000000000000\"",
    "relying_party_name = \"EXAMPLE\"",
    "certificates = [\"mobile-id.pem\"]",
    "authorities = [\"people.pem\"]",
];
