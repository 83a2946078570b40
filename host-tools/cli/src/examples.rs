//! Examples of every command, for the help and the manual pages. A test runs them.

/// Of the program as a whole.
pub(crate) const MAIN: &[&str] = &[
    "cdoc2 encrypt -o report.cdoc2 -r cert:mari.cer report.pdf",
    "cdoc2 inspect report.cdoc2",
    "cdoc2 decrypt report.cdoc2 -o opened --key mari.key",
];

const ENCRYPT: &[&str] = &[
    "cdoc2 encrypt -o report.cdoc2 -r cert:mari.cer report.pdf",
    "cdoc2 encrypt -o both.cdoc2 -r cert:mari.cer -r pubkey:jaan.pub report.pdf photos",
    "cdoc2 encrypt -o card.cdoc2 --token report.pdf",
    "cdoc2 encrypt -o archive.cdoc2 -r 'password:the usual place' photos",
    "cdoc2 encrypt -o backup.cdoc2 -r secret:backup:backup.secret photos",
    "cdoc2 encrypt -o split.cdoc2 -r share:60001017727 report.pdf",
    "tar -c photos | cdoc2 encrypt --name photos.tar -r pubkey:jaan.pub - > photos.cdoc2",
];

const DECRYPT: &[&str] = &[
    "cdoc2 decrypt report.cdoc2 -o opened --key mari.key",
    "cdoc2 decrypt card.cdoc2 -o card --token",
    "cdoc2 decrypt archive.cdoc2 -o opened --password",
    "cdoc2 decrypt backup.cdoc2 -o restored --secret backup.secret",
    "cdoc2 decrypt split.cdoc2 -o by-app --auth smart-id",
    "cdoc2 decrypt split.cdoc2 -o by-sim --auth mobile-id --phone +37200000766",
    "cdoc2 decrypt photos.cdoc2 -o - --p12 jaan.p12 --key-password-file jaan.txt | tar -t",
];

const REENCRYPT: &[&str] = &[
    "cdoc2 reencrypt report.cdoc2 -o stored.cdoc2 --key mari.key -r 'password:the usual place'",
    "cdoc2 reencrypt card.cdoc2 -o next.cdoc2 --token -r token -r pubkey:jaan.pub",
    "cdoc2 reencrypt report.cdoc2 -o shared.cdoc2 --key mari.key -r cert:mari.cer -r pubkey:jaan.pub",
];

const INSPECT: &[&str] = &["cdoc2 inspect report.cdoc2", "cdoc2 inspect --json - < report.cdoc2"];

const KEYGEN: &[&str] = &[
    "cdoc2 keygen -o my.key --pubkey my.pub",
    "cdoc2 keygen -o office.key --type rsa --bits 3072 --pubkey office.pub --encrypt",
    "cdoc2 keygen -o vault.secret --type secret",
];

const RECIPIENTS: &[&str] = &[
    "cdoc2 recipients find 38001085718",
    "cdoc2 recipients find 38001085718 --output certificates",
    "cdoc2 recipients find --json 'Jõeorg Jaan'",
    "cdoc2 encrypt -o person.cdoc2 -r id:38001085718 report.pdf",
];

const SERVERS: &[&str] = &[
    "cdoc2 servers list",
    "cdoc2 servers check",
    "cdoc2 encrypt -o kept.cdoc2 --expires 30d -r cert:mari.cer report.pdf",
    "cdoc2 decrypt kept.cdoc2 -o kept --key mari.key --cert mari.cer",
];

const TOKEN: &[&str] = &[
    "cdoc2 token list",
    "cdoc2 token info",
    "cdoc2 token verify-pin",
    "cdoc2 token change-pin pin1",
    "cdoc2 token unblock pin1",
    "cdoc2 token sim new --state trial.token --name MAASIKAS,MARI --code 60001017727",
    "cdoc2 token info --reader sim:trial.token",
];

const TESTBED: &[&str] = &["cdoc2 testbed up", "cdoc2 testbed up --folder bed --no-ldap"];

const COMPLETIONS: &[&str] = &["cdoc2 completions bash > cdoc2.bash"];

const MAN: &[&str] = &["cdoc2 man > cdoc2.1", "cdoc2 man encrypt > cdoc2-encrypt.1"];

/// The examples of the command called `name`; none for a name that is no command's.
pub(crate) fn of(name: &str) -> &'static [&'static str] {
    match name {
        "encrypt" => ENCRYPT,
        "decrypt" => DECRYPT,
        "reencrypt" => REENCRYPT,
        "inspect" => INSPECT,
        "keygen" => KEYGEN,
        "recipients" => RECIPIENTS,
        "servers" => SERVERS,
        "token" => TOKEN,
        "testbed" => TESTBED,
        "completions" => COMPLETIONS,
        "man" => MAN,
        _ => &[],
    }
}

/// Examples as they stand at the end of the help.
pub(crate) fn help(examples: &[&str]) -> String {
    let lines: String = examples.iter().map(|example| format!("\n  $ {example}")).collect();
    format!("Examples:{lines}")
}
