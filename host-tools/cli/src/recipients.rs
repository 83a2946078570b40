//! From recipients as they are typed to recipients that can be encrypted to.
//!
//! In two steps, so that whoever is asked for a password is not told afterwards that a file is missing: [`load`] reads what is in
//! files, [`Loaded::complete`] asks.

use std::ffi::OsStr;
use std::path::Path;
use std::time::{Duration, SystemTime};

use cdoc2::Recipient;
use cdoc2::core::Curve;
use cdoc2::keys::{self, Certificate, PublicKey, UsageWarning, Validity};
use cdoc2_client::shares_server::RecipientId;

use crate::card::Cards;
use crate::configuration::Configuration;
use crate::exit::{Code, Failure, Result};
use crate::recipient_arg::{RecipientArg, RecipientKind, SignsIn};
use crate::report::Report;
use crate::secret_source::{self, Secret, SecretSource};
use crate::{directory, password_rules, person, secret_file, stdin, text};

/// A certificate that expires sooner gets a warning.
const EXPIRES_SOON: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Recipients of whom all is known but the passwords.
pub(crate) struct Loaded(Vec<Slot>);

enum Slot {
    Ready(Recipient),
    /// A password that is still to be had, and its label.
    Password(String),
}

/// Reads the files of all recipients that were `typed`, and asks the directories.
///
/// `allow_expired` says what becomes of certificates that are not valid now; `label` is the label of a password that has none of its own.
pub(crate) fn load(
    typed: Vec<RecipientArg>,
    allow_expired: bool,
    label: Option<&str>,
    cards: &Cards<'_>,
    configuration: &Configuration<'_>,
    report: &Report,
) -> Result<Loaded> {
    let mut slots: Vec<Slot> = Vec::new();
    // A directory learns of a recipient only when all the others can be had.
    let (codes, others): (Vec<_>, Vec<_>) = typed.into_iter().partition(|recipient| recipient.kind.is_looked_up());
    for RecipientArg { kind, origin } in others.into_iter().chain(codes) {
        let slot = match kind {
            RecipientKind::Id(code) => {
                for certificate in directory::certificates(code, &origin, configuration, report)? {
                    check_certificate(&certificate, &origin, false, report)?;
                    add(&mut slots, Slot::Ready(Recipient::Certificate(Box::new(certificate))), &origin, report)?;
                }
                continue;
            }
            RecipientKind::Certificate(path) => {
                let certificate = certificate(&path, allow_expired, report)?;
                Slot::Ready(Recipient::Certificate(Box::new(certificate)))
            }
            RecipientKind::Token { reader } => {
                let certificate = of_card(cards, reader.as_deref(), allow_expired, report)?;
                Slot::Ready(Recipient::Certificate(Box::new(certificate)))
            }
            RecipientKind::PublicKey(path) => {
                let key = parse_key(&path, PublicKey::parse)?;
                let label = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                Slot::Ready(Recipient::PublicKey { key, label })
            }
            RecipientKind::Password { label: own } => {
                let label = own.or_else(|| label.map(str::to_owned)).unwrap_or_else(|| text::day(SystemTime::now()));
                warn_if_password(&label, &origin, report);
                Slot::Password(label)
            }
            RecipientKind::Secret { label, path } => Slot::Ready(Recipient::SymmetricKey { key: secret(&path, report)?, label }),
            RecipientKind::Share(person) => {
                let id = signs_in(person, &origin, configuration, report)?;
                Slot::Ready(Recipient::KeyShares { recipient_id: id.as_str().to_owned() })
            }
        };
        add(&mut slots, slot, &origin, report)?;
    }
    warn_of_curves(&slots, report);
    Ok(Loaded(slots))
}

/// Adds a recipient that is none of those before.
fn add(slots: &mut Vec<Slot>, slot: Slot, origin: &str, report: &Report) -> Result<()> {
    if let Some(key) = slot.public_key()
        && slots.iter().any(|other| other.public_key() == Some(key))
    {
        report.warn(format!("{origin} has the same key as one before, and is left out"));
        return Ok(());
    }
    if let Some(id) = slot.shares_recipient_id()
        && slots.iter().any(|other| other.shares_recipient_id() == Some(id))
    {
        report.warn(format!("{origin} signs in as the same person as one before, and is left out"));
        return Ok(());
    }
    if let Some(label) = slot.secret_label()
        && slots.iter().any(|other| other.secret_label() == Some(label))
    {
        return Err(Failure::usage(format!("{origin}: there is a password or a secret with the label \"{label}\" before it"))
            .hint("give each one a label of its own, by which they can be told apart when the container is opened"));
    }
    slots.push(slot);
    Ok(())
}

impl Slot {
    fn public_key(&self) -> Option<&PublicKey> {
        match self {
            Self::Ready(recipient) => recipient.public_key(),
            Self::Password(_) => None,
        }
    }

    fn shares_recipient_id(&self) -> Option<&str> {
        match self {
            Self::Ready(recipient) => recipient.shares_recipient_id(),
            Self::Password(_) => None,
        }
    }

    /// The label, if it is what tells this record from others.
    fn secret_label(&self) -> Option<&str> {
        match self {
            Self::Password(label) | Self::Ready(Recipient::SymmetricKey { label, .. }) => Some(label),
            Self::Ready(_) => None,
        }
    }
}

impl Loaded {
    /// Fails if passwords cannot be had from `source`.
    pub(crate) fn check(&self, source: &SecretSource<'_>) -> Result<()> {
        let labels: Vec<_> = self.password_labels().collect();
        match labels[..] {
            [] if source.is_named() => {
                Err(Failure::usage("a password is given, but no recipient needs one").hint("add -r password:LABEL"))
            }
            [] => Ok(()),
            _ if source.is_given() && labels.len() > 1 => {
                Err(Failure::usage(format!("{} recipients need a password, and one is given", labels.len()))
                    .hint("leave it out and be asked for each"))
            }
            _ if source.is_given() => Ok(()),
            _ => source.check_can_ask(&question(labels[0])),
        }
    }

    fn password_labels(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|slot| match slot {
            Slot::Password(label) => Some(label.as_str()),
            Slot::Ready(_) => None,
        })
    }

    /// Obtains the passwords.
    pub(crate) fn complete(self, source: &SecretSource<'_>) -> Result<Vec<Recipient>> {
        let complete = |slot| match slot {
            Slot::Ready(recipient) => Ok(recipient),
            Slot::Password(label) => new_password(source, &label).map(|password| Recipient::Password { password, label }),
        };
        self.0.into_iter().map(complete).collect()
    }
}

fn question(label: &str) -> String {
    format!("New password for \"{}\"", text::brief(label.as_bytes()))
}

fn new_password(source: &SecretSource<'_>, label: &str) -> Result<Secret> {
    let Some(password) = source.read()? else {
        return secret_source::ask_new(source, &question(label), check_password);
    };
    check_password(&password).map_err(|wrong| {
        Failure::usage(wrong).hint("use a longer one, or one of several words with a capital letter and a number among them")
    })?;
    Ok(password)
}

fn check_password(password: &[u8]) -> Result<(), String> {
    let text = std::str::from_utf8(password).map_err(|_| "The password is not UTF-8 text".to_owned())?;
    match &password_rules::broken(text)[..] {
        [] => Ok(()),
        broken => Err(format!("The password needs {}", broken.join(", "))),
    }
}

/// Labels are stored readable. One that could be a password probably is, from somebody who took `password:` the wrong way.
fn warn_if_password(label: &str, origin: &str, report: &Report) {
    if !label.contains(char::is_whitespace) && password_rules::broken(label).is_empty() {
        report.warn(format!("{origin}: what follows \"password:\" is the label, which everybody can read, and not the password"));
    }
}

fn certificate(path: &Path, allow_expired: bool, report: &Report) -> Result<Certificate> {
    let certificate = parse_key(path, Certificate::parse)?;
    check_certificate(&certificate, &text::path(path).to_string(), allow_expired, report)?;
    Ok(certificate)
}

/// As whom a recipient signs in. Dates do not matter: a certificate only says who it is, and a new one says the same.
fn signs_in(person: SignsIn, origin: &str, configuration: &Configuration<'_>, report: &Report) -> Result<RecipientId> {
    let (certificate, shown) = match person {
        SignsIn::As(id) => {
            if let Some(doubt) = person::doubt(&id) {
                report.warn(format!("{origin}: {doubt}"));
            }
            return Ok(id);
        }
        SignsIn::Listed(code) => (directory::who_signs_in(code, origin, configuration, report)?, origin.to_owned()),
        SignsIn::Certified(path) => (parse_key(&path, Certificate::parse)?, text::path(&path).to_string()),
    };
    let id = certificate.serial_number().and_then(|serial_number| RecipientId::of_serial_number(serial_number).ok());
    id.ok_or_else(|| {
        Failure::usage(format!("{shown}: the certificate does not say who signs in: its serialNumber is not one such as PNOEE-..."))
            .hint("cert:PATH encrypts to the certificate itself, if it is one for encryption")
    })
}

/// The certificate of the card in `reader`, or of the only one.
fn of_card(cards: &Cards<'_>, reader: Option<&OsStr>, allow_expired: bool, report: &Report) -> Result<Certificate> {
    let token = cards.one(reader)?;
    let shown = format!("the card in \"{}\"", text::brief(token.reader().as_bytes()));
    let Some(certificate) = token.certificate() else {
        return Err(Failure::usage(format!("{shown} has no certificate")));
    };
    check_certificate(certificate, &shown, allow_expired, report)?;
    Ok(certificate.clone())
}

/// Looks at dates and uses. `shown` is what the certificate is called.
fn check_certificate(certificate: &Certificate, shown: &str, allow_expired: bool, report: &Report) -> Result<()> {
    let now = SystemTime::now();
    let refused = match certificate.validity_at(now) {
        Validity::Valid => None,
        Validity::Expired => Some(format!("the certificate expired on {}", text::day(certificate.not_after()))),
        Validity::NotYetValid => Some(format!("the certificate is not valid before {}", text::day(certificate.not_before()))),
    };
    if let Some(why) = refused {
        if !allow_expired {
            return Err(Failure::usage(format!("{shown}: {why}"))
                .hint("ask the recipient for the current one; --allow-expired encrypts to this one all the same"));
        }
        report.warn(format!("{shown}: {why}"));
    } else if certificate.not_after() < now + EXPIRES_SOON {
        let day = text::day(certificate.not_after());
        report.warn(format!(
            "{shown}: the certificate expires on {day}; who replaces the card or key then cannot open the container"
        ));
    }
    match certificate.usage_warning() {
        None => {}
        Some(UsageWarning::NoKeyAgreement) => {
            report.warn(format!("{shown}: the certificate is not meant for encryption (keyUsage lacks keyAgreement)"));
        }
        Some(UsageWarning::NoKeyEncipherment) => {
            report.warn(format!("{shown}: the certificate is not meant for encryption (keyUsage lacks keyEncipherment)"));
        }
    }
    Ok(())
}

fn parse_key<T>(path: &Path, parse: impl Fn(&[u8]) -> Result<T, keys::Error>) -> Result<T> {
    let read = keys::read(stdin::open(path, "the key of a recipient")?);
    read.and_then(|octets| parse(&octets)).map_err(|error| crate::failure::of_key(path, &error))
}

fn secret(path: &Path, report: &Report) -> Result<Secret> {
    let secret = secret_file::read(path)?;
    if secret.len() < secret_file::LEN {
        let wrong = format!("the secret has {} octets; {} are wanted", secret.len(), secret_file::LEN);
        return Err(Failure::about(path, Code::Usage, wrong).hint("make one with: cdoc2 keygen --type secret -o PATH"));
    }
    if secret.len() > secret_file::LEN {
        let (shown, len) = (text::path(path), secret.len());
        report.warn(format!(
            "{shown}: the secret has {len} octets; libcdoc, and so DigiDoc4, opens containers with {} only",
            secret_file::LEN
        ));
    }
    Ok(secret)
}

/// The Java implementation gives the whole container up when it meets a curve that it does not know.
fn warn_of_curves(slots: &[Slot], report: &Report) {
    let foreign = slots.iter().find_map(|slot| match slot.public_key() {
        Some(PublicKey::Ec(key)) if key.curve() != Curve::Secp384r1 => Some(key.curve()),
        _ => None,
    });
    if let Some(curve) = foreign {
        report.warn(format!(
            "a recipient's key is on {}; programs built on the Java implementation cannot open such a container, for no recipient",
            curve.name()
        ));
    }
}
