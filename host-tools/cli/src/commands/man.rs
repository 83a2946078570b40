//! `cdoc2 man`: the manual pages. Commands and options come from the same description as the help; what is not about one option stands here.

mod shares;
mod signing;

use std::io;

use clap::CommandFactory as _;
use clap_mangen::Man as Page;
use clap_mangen::roff::{Inline, Roff, bold, roman};

use crate::args::{Cli, Man};
use crate::exit::{self, Code, Failure, Result};
use crate::{examples, output};
use shares::{SHARES_CONFIGURATION, SHARES_KEYS, SHARES_SERVERS};
use signing::{SIGNING_CONFIGURATION, SIGNING_IN, SIGNING_KEYS};

pub(crate) fn run(args: &Man) -> Result<()> {
    let page = render(args.command.as_deref());
    // From memory: the generator does not know what to do about a closed pipe.
    output::print(&page.map_err(|error| Failure::new(Code::Io, format!("manual page: {error}")))?)
}

/// The page of a command, or of the program.
fn render(name: Option<&str>) -> io::Result<Vec<u8>> {
    let mut program = Cli::command();
    program.build();
    let command = name.and_then(|name| program.find_subcommand(name)).unwrap_or(&program);
    let page = Page::new(command.clone()).source(concat!("cdoc2 ", env!("CARGO_PKG_VERSION"))).manual("CDOC2");
    let mut out = Vec::new();
    page.render_title(&mut out)?;
    page.render_name_section(&mut out)?;
    page.render_synopsis_section(&mut out)?;
    page.render_description_section(&mut out)?;
    page.render_options_section(&mut out)?;
    let mut rest = Roff::new();
    match name {
        None => {
            page.render_subcommands_section(&mut out)?;
            main_sections(&mut rest);
        }
        Some(name) => {
            if name == "decrypt" {
                paragraphs(&mut rest, "SIGNING IN", SIGNING_IN);
                list(&mut rest, "CONFIGURATION", CONFIGURATION, SIGNING_KEYS);
                code_lines(&mut rest, "EXAMPLE OF A CONFIGURATION", SIGNING_CONFIGURATION);
            }
            if name == "inspect" {
                list(&mut rest, "JSON", JSON_INTRODUCTION, JSON);
            }
            if name == "recipients" {
                paragraphs(&mut rest, "DIRECTORIES", DIRECTORIES);
                list(&mut rest, "CONFIGURATION", CONFIGURATION, DIRECTORY_KEYS);
                code_lines(&mut rest, "EXAMPLE OF A CONFIGURATION", DIRECTORY_CONFIGURATION);
                list(
                    &mut rest,
                    "JSON",
                    "An object, as that of inspect is. version counts up when a field goes or changes its meaning.",
                    RECIPIENTS_JSON,
                );
            }
            if name == "servers" {
                paragraphs(&mut rest, "CAPSULE SERVERS", SERVERS);
                paragraphs(&mut rest, "SHARES SERVERS", SHARES_SERVERS);
                list(&mut rest, "CONFIGURATION", CONFIGURATION, &[SERVER_KEYS, SHARES_KEYS].concat());
                code_lines(&mut rest, "EXAMPLE OF A CONFIGURATION", &[SERVER_CONFIGURATION, &[""], SHARES_CONFIGURATION].concat());
                paragraphs(&mut rest, "POLICY SERVICE", POLICY);
            }
            code(&mut rest, "EXAMPLES", examples::of(name));
            rest.control("SH", ["SEE ALSO"])
                .text([bold("cdoc2"), roman("(1): exit status, environment, recipients and passwords")]);
        }
    }
    rest.to_writer(&mut out)?;
    Ok(out)
}

fn main_sections(page: &mut Roff) {
    list(page, "RECIPIENTS", "Who can open a container, as -r and the files of -R take it:", RECIPIENTS);
    list(
        page,
        "WHAT OPENS A CONTAINER",
        "One of these; with none of them a smart card that is connected opens it, if it can, or else a password that is asked for:",
        UNLOCK,
    );
    paragraphs(page, "PASSWORDS", PASSWORDS);
    paragraphs(page, "SMART CARDS", CARDS);
    paragraphs(page, "FILES", FILES);
    list(page, "ENVIRONMENT", "", ENVIRONMENT);
    page.control("SH", ["EXIT STATUS"]);
    for (code, meaning) in exit::CODES {
        item(page, &code.to_string(), meaning);
    }
    item(
        page,
        "128 + N",
        "the program was ended by signal N (as a shell shows it); nothing is left behind. What is ignored when it begins, as after nohup(1), it ignores",
    );
    code(page, "EXAMPLES", examples::MAIN);
}

fn paragraphs(page: &mut Roff, heading: &str, texts: &[&str]) {
    page.control("SH", [heading]);
    for text in texts {
        page.control("PP", []).text([roman(*text)]);
    }
}

fn list(page: &mut Roff, heading: &str, introduction: &str, items: &[(&str, &str)]) {
    page.control("SH", [heading]);
    if !introduction.is_empty() {
        page.text([roman(introduction)]);
    }
    for (term, text) in items {
        item(page, term, text);
    }
}

fn item(page: &mut Roff, term: &str, text: &str) {
    page.control("TP", []).text([bold(term)]).text([roman(text)]);
}

/// Lines that are shown as they are typed.
fn code(page: &mut Roff, heading: &str, lines: &[&str]) {
    code_lines(page, heading, &lines.iter().map(|line| format!("$ {line}")).collect::<Vec<_>>());
}

/// Lines that are shown as they stand in a file.
fn code_lines(page: &mut Roff, heading: &str, lines: &[impl AsRef<str>]) {
    page.control("SH", [heading]).control("nf", []);
    for line in lines {
        page.text(Vec::<Inline>::from([roman(line.as_ref())]));
    }
    page.control("fi", []);
}

const RECIPIENTS: &[(&str, &str)] = &[
    (
        "cert:PATH",
        "The holder of the certificate in PEM or DER. One that has expired is refused (see --allow-expired); neither its signature nor its \
         revocation is checked: who names a file vouches for it.",
    ),
    ("pubkey:PATH", "The holder of the private half of this public key (SubjectPublicKeyInfo or RSAPublicKey, PEM or DER)."),
    (
        "password[:LABEL]",
        "Whoever knows a password, which is asked for. The label is the hint that is shown when the container is opened; everybody can read \
         it. Without one it is the date.",
    ),
    (
        "secret:LABEL:PATH",
        "Whoever has the symmetric secret in the file: at least 32 raw octets, or text of the form base64,... LABEL cannot hold a colon; \
         PATH can.",
    ),
    (
        "id:CODE",
        "The person with this personal code, or the organisation with this registry code, PNOEE- or NTREE- before it or not. The directories of \
         the configuration are asked, and learn of it; every certificate that fits becomes a recipient. See cdoc2-recipients(1).",
    ),
    ("token[:READER]", "The holder of the smart card that is connected, or in that reader: its certificate is read from it."),
    (
        "share:CODE",
        "Whoever signs in to the shares servers of the configuration as the person with this code: an Estonian one of 11 digits, PNOEE- before it or not, \
         or one of another country with what stands for it, such as PNOLT- or PNOLV-. Nobody is asked about it but the servers that get the shares. See \
         cdoc2-servers(1).",
    ),
    (
        "share:id:CODE",
        "The same, if a directory of the configuration has a certificate by which this person can sign in now: then the code is somebody's.",
    ),
    ("share:cert:PATH", "The same, for the person whose certificate this is. Its dates and its key do not matter."),
];

const UNLOCK: &[(&str, &str)] = &[
    ("--key PATH", "A private key: PKCS#8, SEC 1 or PKCS#1, in PEM or DER, encrypted or not."),
    ("--p12 PATH", "A PKCS#12 file; every private key in it is tried."),
    ("--password", "A password."),
    ("--secret PATH", "A symmetric secret: raw octets, or text of the form base64,..."),
    ("--token", "A smart card: the Estonian ID-card, or a token with the CDOC2 applet."),
    ("--pkcs11 MODULE", "A key on the token of a PKCS#11 module, by ECDH or RSA-OAEP."),
    (
        "--auth MEANS",
        "What shares servers give to who signs in: by smart-id, mobile-id (--phone NUMBER), id-card, pkcs11 (--pkcs11 MODULE) or key (--key PATH with --cert \
         PATH, or --p12 PATH). See cdoc2-decrypt(1).",
    ),
];

const PASSWORDS: &[&str] = &[
    "A password never stands on the command line, where everybody on the machine can read it. It comes from the first of --password-file, \
     --password-fd and CDOC2_PASSWORD that is given, and otherwise from a question at the terminal; the passphrase of a private key in the \
     same way from --key-password-file, --key-password-fd, CDOC2_KEY_PASSWORD. One line break at the end of a file is left out, nothing else. \
     With --batch nothing is asked.",
    "reencrypt: if a password opens the container, these are its sources, and a new password comes from --new-password-file, \
     --new-password-fd or CDOC2_NEW_PASSWORD. If something else opens the container, --password-file and the others are for the new one.",
    "A new password must have 12 to 64 characters and among them an upper-case letter, a lower-case letter and a digit, as in the Java client.",
];

const CARDS: &[&str] = &[
    "A card in any reader of PC/SC is found by itself; --reader or CDOC2_READER chooses where there are several. sim:PATH is a simulated \
     token (cdoc2 token sim) in this very process: it needs neither a reader nor a service.",
    "A PIN comes from the first of --pin-file, --pin-fd and CDOC2_PIN that is given, and otherwise from a question at the terminal, and only \
     when a record of the container is for the card. What can be no PIN is refused before it costs a try. The last try that is left is not \
     used unless --last-try is given. After its use the card is made to forget the PIN.",
    "A PIN that is blocked gets a new value by the PUK: cdoc2 token unblock.",
];

const FILES: &[&str] = &[
    "A container holds files and no folders. Of a folder every file is taken, under the name of its path: photos/2026/a.jpg becomes \
     photos_2026_a.jpg. Symbolic links in a folder, names that are unsafe elsewhere and two files of one name are refused before anything is \
     written.",
    "Decryption reads the container twice: first to verify all of it, then to unpack it under temporary names; the files appear when \
     everything was right. A container that comes through a pipe is kept in a temporary file meanwhile, as it is; what is decrypted never is. \
     A file that comes through a pipe to be encrypted is kept in a temporary file under a key that is in memory only. Temporary files are made \
     in the folder of the output, or in TMPDIR.",
    "The configuration is one file in TOML: the one that --config names, or CDOC2_CONFIG, or else cdoc2/config.toml in XDG_CONFIG_HOME or \
     ~/.config. cdoc2 man servers describes what it says of capsule servers, shares servers and the policy service, cdoc2 man recipients \
     what of directories, and cdoc2 man decrypt what of Smart-ID and Mobile-ID.",
];

const ENVIRONMENT: &[(&str, &str)] = &[
    ("CDOC2_PASSWORD", "The password, if neither --password-file nor --password-fd is given."),
    ("CDOC2_NEW_PASSWORD", "The new password of reencrypt, if a password opens the container too."),
    ("CDOC2_KEY_PASSWORD", "The passphrase of a private key, if neither --key-password-file nor --key-password-fd is given."),
    ("CDOC2_PIN", "The PIN of a card or of a PKCS#11 token, if neither --pin-file nor --pin-fd is given."),
    ("CDOC2_NEW_PIN, CDOC2_PUK", "The new PIN and the PUK of cdoc2 token, if no option gives them."),
    ("CDOC2_READER", "The reader that is meant, if --reader is not given."),
    ("CDOC2_CONFIG", "The configuration, if --config is not given."),
    (
        "HTTPS_PROXY, NO_PROXY",
        "The proxy for capsule servers, shares servers, the policy service, Smart-ID and Mobile-ID, and where there is to be none.",
    ),
    ("TMPDIR", "The folder for temporary files that are not beside the output."),
    ("NO_COLOR, TERM", "With NO_COLOR set there is no colour; with TERM set to dumb no progress bar either."),
];

const DIRECTORIES: &[&str] = &[
    "A personal code and a registry code are checked, with their last digit, before anything is sent. A name is asked for by its words, of \
     which each may be the beginning of one; one of them has at least three letters. Standard error says beforehand which directories learn \
     of it. All of them are asked at once. One that gives no answer is a warning; all of them are an error (exit status 10).",
    "Every certificate that is found is listed, with the reason why it was left if it was: its keyUsage does not let its key decrypt; it has \
     expired or is not valid yet; its key is of a kind that CDOC2 does not know; it is of Mobile-ID or Smart-ID, which cannot decrypt; it is \
     for TLS or of an authority; none of the issuers that the configuration lists for the directory has issued it; it is not of whom was asked for, \
     which is looked up in the certificate itself; it is not sound. If not one was taken, the exit status is 4.",
    "A directory without issuers is trusted for whose keys it says the keys are, over TLS that its own authorities vouch for: whoever runs it, or gets \
     into it, could put a key of their own into a certificate in anybody's name. With issuers, only what these authorities have signed is taken. \
     Revocation is not checked here; a capsule server looks it up when the capsule is fetched.",
];

/// The configuration, on every page that describes a part of it.
const CONFIGURATION: &str = "One file in TOML: the one that --config names, or CDOC2_CONFIG, or else cdoc2/config.toml in XDG_CONFIG_HOME or ~/.config. \
                             Paths in it are relative to it. A key that is not known is an error.";

const DIRECTORY_KEYS: &[(&str, &str)] = &[
    ("[[directory]]", "A directory; may be repeated:"),
    ("name", "What it is called in messages. No two have the same."),
    (
        "url",
        "ldaps://HOST, or ldap://HOST with start_tls = true; with :PORT if it is not the usual one. Nothing is asked without TLS.",
    ),
    ("start_tls", "true with ldap://: TLS begins by StartTLS. Without it false."),
    ("base", "The entry that is searched under."),
    (
        "authorities",
        "Certificates of authorities, of which one must have issued the directory's TLS certificate: a list of paths to PEM, or of PEM itself.",
    ),
    (
        "system_authorities",
        "true: the authorities that the system trusts may have issued it too. Without it false, and then authorities must be there.",
    ),
    (
        "queries",
        "What the directory is asked for: a list of \"person\" (by personal code), \"organisation\" (by registry code) and \"name\". \
         Without it all of them.",
    ),
    ("timeout", "How long an answer may take from the connection to its end: a duration of a second at least. Without it \"10s\"."),
    ("size_limit", "How many entries are asked for at most. Without it 100."),
    (
        "issuers",
        "Certificates of the authorities that issue what is taken from the directory, each of them itself: the root above them is not enough. A list \
         as authorities is. Without it, whoever has issued it.",
    ),
];

const DIRECTORY_CONFIGURATION: &[&str] = &[
    "[[directory]]",
    "name = \"SK\"",
    "url = \"ldaps://esteid.ldap.sk.ee\"",
    "base = \"c=EE\"",
    "authorities = [\"directory-ca.pem\"]",
    "queries = [\"person\"]",
    "timeout = \"20s\"",
    "size_limit = 50",
    "issuers = [\"people.pem\"]",
];

const RECIPIENTS_JSON: &[(&str, &str)] = &[
    ("schema, version", "\"cdoc2-recipients\" and 1."),
    ("candidates", "A list of objects, one a certificate, those taken first:"),
    (
        "name, code, organisation",
        "commonName, serialNumber (or organizationIdentifier) and organizationName of its subject, or null.",
    ),
    ("kind", "\"id-card\", \"digi-id\", \"digi-id-e-resident\", \"mobile-id\", \"smart-id\", \"organisation\" or \"other\"."),
    ("not_before, not_after", "Its first and its last moment, or null."),
    ("directories", "The names of the directories that have it."),
    ("taken", "Whether a file can be encrypted to it."),
    (
        "reason",
        "Why it was left: \"unreadable\", \"other-holder\", \"authority\", \"issuer\", \"tls\", \"mobile-id\", \"smart-id\", \"key-usage\", \"not-yet-valid\", \
         \"expired\" or \"key\"; or null.",
    ),
    ("certificate", "The certificate in DER, in base64."),
    ("failures", "A list of objects, one a directory that gave no answer: directory and error."),
    ("cut", "The names of directories that have more than was asked for."),
];

const SERVERS: &[&str] = &[
    "A capsule is what lets one recipient compute the key of a container. On a capsule server it is apart from the container: who gets hold of \
     the container alone has nothing to break, and the capsule is gone when it expires. Only a recipient's certificate gets it from \
     there, by TLS client authentication with the same key. A container names the id of its server and nothing else; where that is stands \
     in the recipient's own configuration.",
    "cdoc2 encrypt puts the capsules of certificates and public keys on the server that --server names, or on the default server. Those \
     of passwords and secrets stay in the container. If one capsule cannot be stored, nothing is written; those that were stored before \
     stay on the server until they expire, and are of no use to anybody. They are kept until --expires, or what the policy service says, or \
     expires in the configuration, or as long as the server likes; and no longer than the recipient's certificate is valid, as far as the server \
     tells for how long it keeps them by itself.",
    "A server is the one that is meant if it shows a pinned certificate, or one for its name that was issued by a pinned authority, over TLS \
     1.3. The authorities of the system are not asked. A proxy that HTTPS_PROXY names is used, except for what NO_PROXY lists.",
    "A server that is too busy says so (status 429, or 503 with Retry-After) and is asked again when it wants to be, for a minute in all; of a ticket of \
     shares servers, which works once, that is so after 429 alone. Network and servers have the exit status 10.",
];

const SERVER_KEYS: &[(&str, &str)] = &[
    ("default_server", "The id of the server that encrypt and reencrypt use if neither --server nor --no-server is given."),
    (
        "expires",
        "Until when capsules and shares are kept if neither --expires nor the policy service says it: a duration such as \"30d\" or \"6mo\", or a date \
         such as \"2027-01-31\".",
    ),
    ("[[server]]", "A capsule server; may be repeated:"),
    ("id", "What containers call it. No two have the same."),
    ("owner", "Who runs it, for inspect and servers list. May be left out."),
    ("sender_url", "Where capsules are sent to: https://HOST:PORT."),
    ("recipient_url", "Where capsules are fetched from: https://HOST:PORT."),
    (
        "certificates",
        "Certificates that are pinned: the server must show one of them, or one that was issued by one of them. A list of paths to PEM, or \
         of PEM itself.",
    ),
    (
        "capsule_types",
        "The kinds of capsules that the server takes: a list of \"ecc_secp256r1\", \"ecc_secp384r1\", \"ecc_secp521r1\" and \"rsa\". Without \
         it all of them.",
    ),
    ("[policy]", "The policy service, if there is one:"),
    ("url", "Where its document is: https://HOST/PATH."),
    ("authorities", "Certificates that are pinned for it in the same way."),
];

const SERVER_CONFIGURATION: &[&str] = &[
    "default_server = \"ria\"",
    "expires = \"30d\"",
    "",
    "[[server]]",
    "id = \"ria\"",
    "owner = \"Information System Authority\"",
    "sender_url = \"https://capsules.example:8443\"",
    "recipient_url = \"https://capsules.example:8444\"",
    "certificates = [\"ria.pem\"]",
    "capsule_types = [\"ecc_secp384r1\"]",
    "",
    "[policy]",
    "url = \"https://policy.example/cdoc2.json\"",
    "authorities = [\"organisation.pem\"]",
];

const POLICY: &[&str] = &[
    "An organisation may say in one place until when capsules and shares are kept. Its service answers GET over HTTPS with a document in JSON: \
     {\"version\": 1, \"capsule_expires\": \"90d\"}. capsule_expires is a duration or a date as for --expires. A service that does not \
     answer so stops the encryption, unless --expires is given.",
];

const JSON_INTRODUCTION: &str = "An object. Fields may be added without notice; version counts up when one goes or changes its meaning. What is \
                                 not UTF-8 in a container is shown with U+FFFD. Lengths are in octets.";

const JSON: &[(&str, &str)] = &[
    ("schema, version", "\"cdoc2-inspect\" and 1."),
    ("file", "The container as it was named."),
    (
        "envelope_version, header_len, payload_len, payload_encryption_method",
        "The envelope; the method as in the schema, or \"unknown (N)\".",
    ),
    ("records", "A list of objects, one a recipient:"),
    ("index", "The number that --index takes."),
    ("capsule_type, capsule_type_id", "The kind of the capsule, by its name in the schema and by its number."),
    ("scheme", "\"SC.01\" to \"SC.07\" as the specification numbers them, or null."),
    (
        "label",
        "text: the label as it is stored; base64: its octets, if they are not UTF-8; name: what it calls the recipient; fields: the decoded \
         name and value of each field, or null if the label is free text.",
    ),
    ("fmk_encryption_method", "\"XOR\" or \"unknown (N)\"."),
    ("opened_by", "\"key\", \"password\", \"secret\" or \"auth\", or null if this version cannot open the record."),
    (
        "curve, rsa_modulus_bits, public_key_sha256",
        "The recipient's key, where there is one; the digest is of the key as it is stored.",
    ),
    (
        "server_id, server_owner, transaction_id, expires",
        "Where the capsule is kept, and who runs that server, if the configuration says so; until when, as the label says.",
    ),
    (
        "shares, shares_recipient_id",
        "Where the key shares are kept: server_url and share_id of each, and server_owner if the configuration says it; and for whom.",
    ),
    ("kdf, kdf_iterations", "How a password is hashed."),
];

#[cfg(test)]
mod tests {
    use cdoc2_client::config::Config;
    use cdoc2_testbed::Authority;

    use super::*;

    #[test]
    fn configurations_are_sound() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        let names = [
            "ria.pem",
            "organisation.pem",
            "directory-ca.pem",
            "smart-id.pem",
            "mobile-id.pem",
            "people.pem",
            "ria-shares.pem",
            "another.pem",
        ];
        for name in names {
            std::fs::write(folder.path().join(name), Authority::new(name, None).unwrap().root_pem()).unwrap();
        }
        let read = |lines: &[&str]| {
            std::fs::write(&path, lines.join("\n")).unwrap();
            Config::read(&path).unwrap()
        };
        let servers = read(SERVER_CONFIGURATION);
        assert!(servers.default_server().is_some() && servers.policy().is_some() && servers.expires().is_some());
        assert_eq!(read(SHARES_CONFIGURATION).default_shares_set().unwrap().servers.len(), 2);
        read(&[SERVER_CONFIGURATION, SHARES_CONFIGURATION].concat());
        let signing = read(SIGNING_CONFIGURATION);
        assert!(signing.smart_id().is_some() && signing.mobile_id().is_some());
        assert_eq!(read(DIRECTORY_CONFIGURATION).directories().len(), 1);
    }
}
