//! The command line as it is typed. What its parts mean is decided elsewhere.

use std::ffi::OsString;
use std::path::PathBuf;

use cdoc2::core::symmetric::DEFAULT_MAX_KDF_ITERATIONS;
use cdoc2_client::config::Expires;
use clap::builder::RangedU64ValueParser;
use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};
use clap_complete::Shell;

use crate::commands::recipients::args as directory;
use crate::commands::servers::args as servers;
use crate::commands::testbed::args as testbed;
use crate::commands::token::args as token;
use crate::sign_in::SignIn;
use crate::{examples, exit, limits};

/// Encrypts files into CDOC2 containers, and opens them.
///
/// A CDOC2 container holds files that only its recipients can open: the holders of certificates and keys, or whoever knows a
/// password or has a symmetric secret. DigiDoc4 and the other programs of the Estonian eID read and write the same format.
#[derive(Debug, Parser)]
#[command(name = "cdoc2", version, disable_help_subcommand = true, after_help = main_after_help())]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
    #[command(flatten)]
    pub(crate) global: Global,
}

/// Options of every command.
#[derive(Debug, Args)]
pub(crate) struct Global {
    /// Never ask for anything: what is missing is an error.
    #[arg(long, global = true)]
    pub(crate) batch: bool,
    /// Print errors only.
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Print more about what is done.
    #[arg(short, long, global = true)]
    pub(crate) verbose: bool,
    /// The configuration: directories and servers. Without it CDOC2_CONFIG names it, or it is cdoc2/config.toml in XDG_CONFIG_HOME or ~/.config.
    #[arg(long, global = true, value_name = "PATH", value_hint = ValueHint::FilePath)]
    pub(crate) config: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Encrypt files and folders into a container.
    Encrypt(Encrypt),
    /// Open a container and unpack its files.
    ///
    /// One of --key, --p12, --password, --secret, --token, --pkcs11 and --auth opens it; without any of them a smart card does, if one that is
    /// connected can, or else a password. The whole container is verified before any of its files appears.
    Decrypt(Decrypt),
    /// Encrypt the content of a container to other recipients.
    ///
    /// One of --key, --p12, --password, --secret, --token, --pkcs11 and --auth opens it. Nothing decrypted reaches the disk, and the old container stays as it is.
    Reencrypt(Box<Reencrypt>),
    /// Show who can open a container, and how; needs no key.
    #[command(visible_alias = "info")]
    Inspect(Inspect),
    /// Make a key pair or a symmetric secret.
    Keygen(Keygen),
    /// Look for recipients' certificates in directories.
    Recipients(directory::Recipients),
    /// Look at the capsule servers and the shares servers of the configuration.
    Servers(servers::Servers),
    /// Look at smart cards, and change their PINs.
    Token(token::Token),
    /// Run everything that CDOC2 needs around it, for trials and tests.
    Testbed(testbed::Testbed),
    /// Print a completion script for a shell.
    Completions(Completions),
    /// Print a manual page.
    Man(Man),
}

/// Recipients, and what they need.
#[derive(Debug, Args)]
pub(crate) struct Recipients {
    /// Who can open the container; may be repeated.
    ///
    /// cert:PATH is the holder of a certificate; pubkey:PATH the holder of a public key's private half; password[:LABEL] whoever knows
    /// a password, where LABEL is the hint shown to them (not the password); secret:LABEL:PATH whoever has the symmetric secret in the
    /// file; token the holder of the smart card that is connected; id:CODE the person or the organisation with this code, whose certificates
    /// the configured directories are asked for; share:CODE the person with this personal code, who signs in by Smart-ID, Mobile-ID or ID-card.
    /// PATH may hold colons; the LABEL of a secret may not.
    #[arg(short, long = "recipient", value_name = "RECIPIENT", value_hint = ValueHint::Other)]
    pub(crate) recipients: Vec<OsString>,
    /// Take recipients from a file, one a line; empty lines and lines that begin with # are left out. May be repeated.
    #[arg(short = 'R', long = "recipients-file", value_name = "PATH", value_hint = ValueHint::FilePath)]
    pub(crate) recipients_files: Vec<PathBuf>,
    /// Encrypt to certificates that have expired or are not valid yet.
    #[arg(long)]
    pub(crate) allow_expired: bool,
}

/// Which servers keep what a container lacks, and until when.
#[derive(Debug, Args)]
#[command(next_help_heading = "Servers")]
pub(crate) struct Keepers {
    /// Keep the capsules of certificates and public keys on this server of the configuration; it gives them to who shows the certificate.
    ///
    /// Without it the default server of the configuration is meant, if there is one. Passwords and secrets never leave the container.
    #[arg(long, value_name = "ID", conflicts_with = "no_server")]
    pub(crate) server: Option<String>,
    /// Keep all capsules in the container.
    #[arg(long)]
    pub(crate) no_server: bool,
    /// Split the keys of people who sign in over the servers of this set of the configuration, all of which are needed to open the container.
    ///
    /// Without it the default set of the configuration is meant, or the only one.
    #[arg(long, value_name = "ID")]
    pub(crate) shares_set: Option<String>,
    /// Until when servers keep capsules and shares: a duration such as 30d or 6mo, or a date such as 2027-01-31.
    ///
    /// A certificate's own end comes first. Without it the policy service says it, or the configuration, or the server.
    #[arg(long, value_name = "WHEN")]
    pub(crate) expires: Option<Expires>,
}

/// Which smart card is meant.
#[derive(Debug, Args)]
#[command(next_help_heading = "Smart cards")]
pub(crate) struct Card {
    /// The reader that the card is in: its name, or a part of it that no other has. Without it CDOC2_READER is meant, or every reader.
    ///
    /// sim:PATH is a simulated token in this program, whose state is the file PATH.
    #[arg(long, value_name = "NAME")]
    pub(crate) reader: Option<OsString>,
    /// Print all that is said to the card and by it, PINs and keys left out.
    #[arg(long)]
    pub(crate) trace: bool,
}

/// Where a PIN comes from. Without any of these it is `CDOC2_PIN`, or asked for.
#[derive(Debug, Args)]
#[command(next_help_heading = "Smart cards")]
pub(crate) struct PinSource {
    /// Read the PIN from a file; one line break at its end is left out.
    #[arg(long, value_name = "PATH", value_hint = ValueHint::FilePath, conflicts_with = "pin_fd")]
    pub(crate) pin_file: Option<PathBuf>,
    /// Read the PIN from an open file descriptor.
    #[arg(long, value_name = "N")]
    pub(crate) pin_fd: Option<u32>,
    /// Use the last try that is left. If it fails, the PIN is blocked.
    #[arg(long)]
    pub(crate) last_try: bool,
}

/// A key behind a PKCS#11 module.
#[derive(Debug, Args)]
#[command(next_help_heading = "PKCS#11")]
pub(crate) struct Pkcs11 {
    /// A key on the token of a PKCS#11 module, which is a shared library.
    #[arg(long, value_name = "MODULE", value_hint = ValueHint::FilePath)]
    pub(crate) pkcs11: Option<PathBuf>,
    /// The slot of the token, by its number. Without it every token is meant.
    #[arg(long, value_name = "N", requires = "pkcs11")]
    pub(crate) slot: Option<u64>,
    /// The token with this label.
    #[arg(long, value_name = "LABEL", requires = "pkcs11")]
    pub(crate) token_label: Option<String>,
    /// The key with this label.
    #[arg(long, value_name = "LABEL", requires = "pkcs11")]
    pub(crate) key_label: Option<String>,
}

/// Where a password comes from. Without any of these it is `CDOC2_PASSWORD`, or asked for.
#[derive(Debug, Args)]
pub(crate) struct PasswordSource {
    /// Read the password from a file; one line break at its end is left out.
    #[arg(long, value_name = "PATH", value_hint = ValueHint::FilePath, conflicts_with = "password_fd")]
    pub(crate) password_file: Option<PathBuf>,
    /// Read the password from an open file descriptor.
    #[arg(long, value_name = "N")]
    pub(crate) password_fd: Option<u32>,
}

/// Where the new password of `reencrypt` comes from, if the container is opened by a password too.
#[derive(Debug, Args)]
pub(crate) struct NewPasswordSource {
    /// Read the new password from a file (if --password opens the container; else --password-file does).
    #[arg(long, value_name = "PATH", value_hint = ValueHint::FilePath, conflicts_with = "new_password_fd")]
    pub(crate) new_password_file: Option<PathBuf>,
    /// Read the new password from an open file descriptor (if --password opens the container).
    #[arg(long, value_name = "N")]
    pub(crate) new_password_fd: Option<u32>,
}

/// Where the passphrase of a private key comes from. Without any of these it is `CDOC2_KEY_PASSWORD`, or asked for.
#[derive(Debug, Args)]
pub(crate) struct KeyPasswordSource {
    /// Read the passphrase of the private key from a file; one line break at its end is left out.
    #[arg(long, value_name = "PATH", value_hint = ValueHint::FilePath, conflicts_with = "key_password_fd")]
    pub(crate) key_password_file: Option<PathBuf>,
    /// Read the passphrase of the private key from an open file descriptor.
    #[arg(long, value_name = "N")]
    pub(crate) key_password_fd: Option<u32>,
}

/// What opens a container, and which record of it.
#[derive(Debug, Args)]
#[command(next_help_heading = "Opening the container")]
pub(crate) struct Unlock {
    /// A private key in PEM or DER.
    #[arg(short, long, value_name = "PATH", visible_short_alias = 'i', value_hint = ValueHint::FilePath)]
    pub(crate) key: Option<PathBuf>,
    /// The certificate of --key, which is shown to a capsule server, or with which you sign in.
    #[arg(long, value_name = "PATH", requires = "key", value_hint = ValueHint::FilePath)]
    pub(crate) cert: Option<PathBuf>,
    /// A PKCS#12 file (.p12, .pfx).
    #[arg(long, value_name = "PATH", value_hint = ValueHint::FilePath)]
    pub(crate) p12: Option<PathBuf>,
    /// A password. It is asked for, or taken from --password-file, --password-fd or CDOC2_PASSWORD: never from here.
    #[arg(short, long)]
    pub(crate) password: bool,
    /// A symmetric secret: raw octets, or text of the form base64,...
    #[arg(long, value_name = "PATH", value_hint = ValueHint::FilePath)]
    pub(crate) secret: Option<PathBuf>,
    /// A smart card.
    #[arg(long)]
    pub(crate) token: bool,
    /// Open the record with this label.
    #[arg(long, conflicts_with = "index")]
    pub(crate) label: Option<String>,
    /// Open the record with this number, counted from 1.
    #[arg(long, value_name = "N", value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    pub(crate) index: Option<usize>,
    /// Do at most this many rounds of password hashing.
    #[arg(long, value_name = "ROUNDS", default_value_t = DEFAULT_MAX_KDF_ITERATIONS, help_heading = "Limits")]
    pub(crate) max_kdf_iterations: u32,
    #[command(flatten)]
    pub(crate) sign_in: SignIn,
    #[command(flatten)]
    pub(crate) key_password: KeyPasswordSource,
    #[command(flatten)]
    pub(crate) card: Card,
    #[command(flatten)]
    pub(crate) pin: PinSource,
    #[command(flatten)]
    pub(crate) pkcs11: Pkcs11,
}

#[derive(Debug, Args)]
#[command(after_help = examples::help(examples::of("encrypt")))]
pub(crate) struct Encrypt {
    /// Files and folders to encrypt; - is standard input, as a file of the --name given.
    #[arg(required = true, value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub(crate) paths: Vec<PathBuf>,
    /// The container to write; - or nothing is standard output.
    #[arg(short, long, value_name = "OUT", value_hint = ValueHint::FilePath)]
    pub(crate) output: Option<PathBuf>,
    /// Overwrite the output if it exists.
    #[arg(short, long)]
    pub(crate) force: bool,
    /// The name in the container of what comes from standard input.
    #[arg(long)]
    pub(crate) name: Option<String>,
    #[command(flatten)]
    pub(crate) recipients: Recipients,
    #[command(flatten)]
    pub(crate) keepers: Keepers,
    /// Encrypt to the certificate of the smart card that is connected, as -r token does.
    #[arg(long)]
    pub(crate) token: bool,
    #[command(flatten)]
    pub(crate) card: Card,
    /// The label of a password recipient that has none of its own: the hint shown to who opens the container.
    #[arg(long)]
    pub(crate) label: Option<String>,
    #[command(flatten)]
    pub(crate) password: PasswordSource,
}

#[derive(Debug, Args)]
#[command(after_help = examples::help(examples::of("decrypt")))]
pub(crate) struct Decrypt {
    /// The container to open; - is standard input.
    #[arg(value_name = "IN", value_hint = ValueHint::FilePath)]
    pub(crate) input: PathBuf,
    /// The folder to unpack into; - writes a single file to standard output.
    #[arg(short, long, value_name = "DIR", default_value = ".", value_hint = ValueHint::DirPath)]
    pub(crate) output: PathBuf,
    /// Overwrite files that exist.
    #[arg(short, long)]
    pub(crate) force: bool,
    /// Give files with unsafe names safe ones instead of refusing the container.
    #[arg(long)]
    pub(crate) rename_unsafe: bool,
    #[command(flatten)]
    pub(crate) unlock: Unlock,
    #[command(flatten)]
    pub(crate) password: PasswordSource,
    #[command(flatten)]
    pub(crate) limits: limits::Limits,
}

#[derive(Debug, Args)]
#[command(after_help = examples::help(examples::of("reencrypt")))]
pub(crate) struct Reencrypt {
    /// The container to open; - is standard input.
    #[arg(value_name = "IN", value_hint = ValueHint::FilePath)]
    pub(crate) input: PathBuf,
    /// The container to write; - or nothing is standard output.
    #[arg(short, long, value_name = "OUT", value_hint = ValueHint::FilePath)]
    pub(crate) output: Option<PathBuf>,
    /// Overwrite the output if it exists.
    #[arg(short, long)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) recipients: Recipients,
    #[command(flatten)]
    pub(crate) keepers: Keepers,
    #[command(flatten)]
    pub(crate) unlock: Unlock,
    #[command(flatten)]
    pub(crate) password: PasswordSource,
    #[command(flatten)]
    pub(crate) new_password: NewPasswordSource,
    #[command(flatten)]
    pub(crate) limits: limits::Limits,
}

#[derive(Debug, Args)]
#[command(after_help = examples::help(examples::of("inspect")))]
pub(crate) struct Inspect {
    /// The container to look at; - is standard input.
    #[arg(value_name = "IN", value_hint = ValueHint::FilePath)]
    pub(crate) input: PathBuf,
    /// Print JSON; the manual page describes it.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = examples::help(examples::of("keygen")))]
pub(crate) struct Keygen {
    /// The file of the private key or the secret; - is standard output.
    #[arg(short, long, value_name = "PATH", value_hint = ValueHint::FilePath)]
    pub(crate) output: PathBuf,
    /// What to make.
    #[arg(short = 't', long = "type", value_enum, default_value_t = KeyType::Ec)]
    pub(crate) key_type: KeyType,
    /// The curve of an EC key.
    #[arg(long, value_enum)]
    pub(crate) curve: Option<Curve>,
    /// The length of an RSA key, in bits [default: 3072].
    #[arg(long, value_name = "N")]
    pub(crate) bits: Option<usize>,
    /// Write the public key here instead of printing it.
    #[arg(long, value_name = "PATH", value_hint = ValueHint::FilePath)]
    pub(crate) pubkey: Option<PathBuf>,
    /// Encrypt the private key under a passphrase.
    #[arg(long)]
    pub(crate) encrypt: bool,
    #[command(flatten)]
    pub(crate) key_password: KeyPasswordSource,
    /// Overwrite files that exist.
    #[arg(short, long)]
    pub(crate) force: bool,
}

/// What `keygen` makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum KeyType {
    /// A key pair on an elliptic curve.
    Ec,
    /// An RSA key pair.
    Rsa,
    /// A symmetric secret of 32 octets.
    Secret,
}

/// Curves by their names in the specification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Curve {
    /// P-384: every implementation reads it.
    Secp384r1,
    /// P-256: the Java implementation cannot read it.
    Secp256r1,
    /// P-521: the Java implementation cannot read it.
    Secp521r1,
}

#[derive(Debug, Args)]
#[command(after_help = examples::help(examples::of("completions")))]
pub(crate) struct Completions {
    /// The shell.
    #[arg(value_enum)]
    pub(crate) shell: Shell,
}

#[derive(Debug, Args)]
#[command(after_help = examples::help(examples::of("man")))]
pub(crate) struct Man {
    /// The command whose page is printed instead of the main one.
    #[arg(value_parser = [
        "encrypt", "decrypt", "reencrypt", "inspect", "keygen", "recipients", "servers", "token", "testbed", "completions", "man",
    ])]
    pub(crate) command: Option<String>,
}

fn main_after_help() -> String {
    let codes: String = exit::CODES.iter().map(|(code, meaning)| format!("\n  {code:<3} {meaning}")).collect();
    format!("{}\n\nExit status:{codes}", examples::help(examples::MAIN))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grammar_is_sound() {
        use clap::CommandFactory as _;
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_has_a_page_and_examples() {
        use clap::CommandFactory as _;
        for command in Cli::command().get_subcommands().map(clap::Command::get_name) {
            assert!(Cli::try_parse_from(["cdoc2", "man", command]).is_ok(), "{command}");
            assert!(!examples::of(command).is_empty(), "{command}");
        }
    }
}
