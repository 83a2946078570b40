//! Opening a container: by which key, by which record, and with which password.

use std::path::Path;

use cdoc2::core::wire::capsule::Capsule;
use cdoc2::core::wire::header::RecipientRecord;
use cdoc2::keys::{self, Certificate, Pkcs12, PrivateKey};
use cdoc2::{Container, Error, Selection, Unlocked, label};
use cdoc2_client::capsule_server::{ServerHolder, SoftwareHolder, without_server};
use cdoc2_client::config::Config;
use cdoc2_client::https::Timeouts;
use cdoc2_client::pkcs11::{Choice, Module, ModuleHolder};
use cdoc2_client::token::{self, PinRef, Token, TokenHolder};

use crate::args;
use crate::card::{self, Cards, Found};
use crate::configuration::Configuration;
use crate::exit::{Code, Failure, Result};
use crate::pin::PinEntry;
use crate::report::Report;
use crate::secret_source::{Secret, SecretSource, tell};
use crate::sign_in::Means;
use crate::{failure, pkcs11, prompt, secret_file, servers, stdin, text};

/// How often somebody at a terminal may type a password.
const TRIES: usize = 3;

/// How many labels a question names; a container can hold thousands.
const SHOWN_HINTS: usize = 5;

/// What opens a container, before any file is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method<'a> {
    Key(&'a Path),
    Pkcs12(&'a Path),
    Password,
    Secret(&'a Path),
    Token,
    Pkcs11(&'a Path),
    SignIn(Means),
}

impl args::Unlock {
    /// What was asked for; `None` if nothing was.
    ///
    /// # Errors
    /// More than one of them.
    pub(crate) fn method(&self) -> Result<Option<Method<'_>>> {
        if let Some(means) = self.means()? {
            return Ok(Some(Method::SignIn(means)));
        }
        let given = [
            self.key.as_deref().map(Method::Key),
            self.p12.as_deref().map(Method::Pkcs12),
            self.password.then_some(Method::Password),
            self.secret.as_deref().map(Method::Secret),
            self.token.then_some(Method::Token),
            self.pkcs11.pkcs11.as_deref().map(Method::Pkcs11),
        ];
        let mut given = given.into_iter().flatten();
        let method = given.next();
        match given.next() {
            None => Ok(method),
            Some(_) => Err(Failure::usage(
                "one thing opens a container: --key, --p12, --password, --secret, --token, --pkcs11 or --auth, not several of them",
            )),
        }
    }

    pub(crate) fn selection(&self) -> Selection {
        match (&self.label, self.index) {
            (Some(label), _) => Selection::Label(label.clone()),
            (None, Some(index)) => Selection::Index(index),
            (None, None) => Selection::Any,
        }
    }
}

impl args::Pkcs11 {
    /// Which of the module's keys are meant.
    pub(crate) fn choice(&self) -> Choice<'_> {
        Choice { slot: self.slot, token_label: self.token_label.as_deref(), key_label: self.key_label.as_deref() }
    }
}

/// Reads the envelope of the container at `input`.
pub(crate) fn open(input: &Path) -> Result<Container> {
    let opened = if stdin::is_meant(input) { Container::spool(&mut stdin::take("the container")?) } else { Container::open(input) };
    opened.map_err(|error| failure::of_container(input, &error))
}

/// A container to be opened, and what is known about how.
pub(crate) struct Unlocking<'a> {
    pub(crate) input: &'a Path,
    pub(crate) container: &'a Container,
    pub(crate) args: &'a args::Unlock,
    /// Where the password comes from, if one opens it.
    pub(crate) password: &'a SecretSource<'a>,
    pub(crate) cards: &'a Cards<'a>,
    /// Where the servers are listed that capsules may be on.
    pub(crate) configuration: &'a Configuration<'a>,
    pub(crate) report: Report,
}

impl<'a> Unlocking<'a> {
    /// Opens the container by what was asked for; by a card that is connected, if it can; or by a password, where that is all it can be.
    pub(crate) fn unlock(&self, method: Option<Method<'_>>) -> Result<Unlocked<'a>> {
        let unlocked = match method {
            Some(Method::Key(path)) => self.with_key(path),
            Some(Method::Pkcs12(path)) => self.with_pkcs12(path),
            Some(Method::Secret(path)) => self.with(&cdoc2::Unlock::SymmetricKey(secret_file::read(path)?)),
            Some(Method::Password) => self.with_password(),
            Some(Method::Token) => self.with_token(),
            Some(Method::Pkcs11(path)) => self.with_pkcs11(path),
            Some(Method::SignIn(means)) => self.by_signing_in(means),
            None if self.password.is_given() && self.may_be_password() => self.with_password(),
            None => match self.fitting_token() {
                Ok(token) => self.with_this_token(token),
                Err(_) if self.cards.is_named() => self.with_token(),
                Err(_) if self.may_be_password() => self.with_password(),
                Err(Some(why)) => {
                    let why = why.reason_of("nothing is given to open the container with, and no card does");
                    Err(if self.selected().any(|record| servers::is_split(&record)) { why.hint(self.what_to_give()) } else { why })
                }
                Err(None) => Err(Failure::usage("nothing is given to open the container with").hint(self.what_to_give())),
            },
        }?;
        self.report.detail(format!("record {} opens the container", unlocked.index()));
        Ok(unlocked)
    }

    /// Whoever can sign in has perhaps nothing else.
    fn what_to_give(&self) -> &'static str {
        let mut records = self.selected().peekable();
        let is_split = records.peek().is_some() && records.all(|record| servers::is_split(&record));
        if is_split {
            "sign in with --auth smart-id, --auth mobile-id or --auth id-card"
        } else if self.selected().any(|record| servers::is_split(&record)) {
            "give one of --key PATH, --p12 PATH, --password, --secret PATH, --token or --pkcs11 MODULE, or sign in with --auth smart-id, mobile-id or id-card"
        } else {
            "give one of --key PATH, --p12 PATH, --password, --secret PATH, --token or --pkcs11 MODULE"
        }
    }

    fn with(&self, unlock: &cdoc2::Unlock) -> Result<Unlocked<'a>> {
        self.try_with(unlock).map_err(|error| self.failure(&error))
    }

    fn try_with(&self, unlock: &cdoc2::Unlock) -> Result<Unlocked<'a>, Error> {
        self.container.unlock(unlock, &self.args.selection(), self.args.max_kdf_iterations)
    }

    pub(crate) fn failure(&self, error: &Error) -> Failure {
        failure::of_container(self.input, error)
    }

    /// Something that is wrong with the container.
    pub(crate) fn about_input(&self, code: Code, why: impl std::fmt::Display) -> Failure {
        if stdin::is_meant(self.input) {
            Failure::new(code, format!("standard input: {why}"))
        } else {
            Failure::about(self.input, code, why)
        }
    }

    pub(crate) fn read_private_key(&self, path: &Path) -> Result<PrivateKey> {
        let octets = read_key(path)?;
        self.with_passphrase(path, |passphrase| PrivateKey::parse(&octets, passphrase))
    }

    pub(crate) fn read_pkcs12(&self, path: &Path) -> Result<Pkcs12> {
        let octets = read_key(path)?;
        self.with_passphrase(path, |passphrase| Pkcs12::parse(&octets, passphrase))
    }

    fn with_key(&self, path: &Path) -> Result<Unlocked<'a>> {
        let key = self.read_private_key(path)?;
        let certificate = self.args.cert.as_deref().map(|path| certificate_of(path, &key)).transpose()?;
        self.with_private_key(key, certificate.as_ref())?.map_err(|error| self.failure(&error))
    }

    /// Opens it with `key`; `certificate` is shown to the server that keeps the capsule, if one does.
    fn with_private_key(&self, key: PrivateKey, certificate: Option<&Certificate>) -> Result<Result<Unlocked<'a>, Error>> {
        let config = self.config()?;
        let unlock = cdoc2::Unlock::PrivateKey(key);
        let holder = SoftwareHolder::new(&unlock, self.args.max_kdf_iterations, certificate);
        let mut holder = ServerHolder::new(holder, &config, Timeouts::default());
        Ok(self.container.unlock_with(&mut holder, &self.args.selection()))
    }

    /// The configuration, if a capsule may be on a server.
    fn config(&self) -> Result<Config> {
        if self.selected().any(|record| servers::is_on_server(&record)) { self.configuration.load() } else { Ok(Config::default()) }
    }

    /// Tries every key of the file; the one that has a record says more than those that have none.
    fn with_pkcs12(&self, path: &Path) -> Result<Unlocked<'a>> {
        let mut failed: Option<Error> = None;
        for entry in self.read_pkcs12(path)?.into_entries() {
            match self.with_private_key(entry.key, entry.certificate.as_ref())? {
                Ok(unlocked) => return Ok(unlocked),
                Err(error) if failed.is_none() || !matches!(error, Error::NoRecord(_)) => failed = Some(error),
                Err(_) => {}
            }
        }
        // A file without a key was refused before.
        Err(failed.map_or_else(|| failure::of_key(path, &keys::Error::Malformed("no private key")), |error| self.failure(&error)))
    }

    /// Parses the key file at `path`, whose passphrase is had from where it is said to come from. One that is typed wrong is asked for again.
    fn with_passphrase<T>(
        &self,
        path: &Path,
        parse: impl Fn(&mut dyn FnMut() -> Result<Secret, KeyFailure>) -> Result<T, KeyFailure>,
    ) -> Result<T> {
        let source = SecretSource::key_password(&self.args.key_password, self.report.batch);
        let question = format!("Passphrase of {}", text::path(path));
        let mut given = source.read()?;
        let mut was_asked = false;
        for tries_left in (0..TRIES).rev() {
            let parsed = parse(&mut || match given.take() {
                Some(passphrase) => Ok(passphrase),
                None => {
                    was_asked = true;
                    source.ask(&question).map_err(KeyFailure::Source)
                }
            });
            match parsed {
                Ok(key) => return Ok(key),
                Err(KeyFailure::Key(keys::Error::WrongPassphrase)) if was_asked && tries_left > 0 => {
                    tell("Wrong passphrase. Try again.")
                }
                Err(KeyFailure::Key(error)) => return Err(failure::of_key(path, &error)),
                Err(KeyFailure::Source(failure)) => return Err(failure),
            }
        }
        Err(failure::of_key(path, &keys::Error::WrongPassphrase))
    }

    /// Opens it with the card that fits; or with the only one there is, which says why it does not.
    fn with_token(&self) -> Result<Unlocked<'a>> {
        match self.cards.all()?.into_iter().filter_map(|found| found.token.ok()).find(|token| self.is_for(token)) {
            Some(token) => self.with_this_token(token),
            None => self.with_this_token(self.cards.one(None)?),
        }
    }

    /// A card for which there is a record. Where there is none, something else may open the container; if nothing does, this is why none of the
    /// cards did, unless there is no record that any card could open.
    fn fitting_token(&self) -> Result<Token, Option<Failure>> {
        if !self.selected().any(|record| matches!(record.capsule, Capsule::EccPublicKey(_) | Capsule::KeyServer(_))) {
            return Err(None);
        }
        let mut held = Vec::new();
        for Found { reader, token } in self.cards.all()? {
            match token {
                Ok(token) if self.is_for(&token) => return Ok(token),
                token => held.push((reader, token.err())),
            }
        }
        Err(Some(card::none_fits(&held)))
    }

    fn is_for(&self, token: &Token) -> bool {
        self.selected().filter_map(|record| without_server(&record)).any(|record| token.fits(&record))
    }

    pub(crate) fn selected(&self) -> impl Iterator<Item = RecipientRecord<'a>> {
        let selection = self.args.selection();
        let records = (1..).zip(self.container.envelope().header().records());
        records.filter(move |(index, record)| selection.includes(*index, record)).map(|(_, record)| record)
    }

    fn with_this_token(&self, mut token: Token) -> Result<Unlocked<'a>> {
        let source = SecretSource::pin(&self.args.pin, self.report.batch);
        let mut entry = PinEntry::new(PinRef::Pin1, &source, self.args.pin.last_try);
        let config = self.config()?;
        loop {
            let holder = TokenHolder::new(&mut token, &mut entry).with_last_try(self.args.pin.last_try);
            let mut holder = ServerHolder::new(holder, &config, Timeouts::default());
            match self.container.unlock_with(&mut holder, &self.args.selection()) {
                Ok(unlocked) => return Ok(unlocked),
                Err(token::Error::Container(error)) => return Err(self.failure(&error)),
                Err(error) if entry.may_try_again(&error) => {}
                Err(error) => return Err(entry.take_failure().unwrap_or_else(|| card::failure(token.reader(), &error))),
            }
        }
    }

    fn with_pkcs11(&self, path: &Path) -> Result<Unlocked<'a>> {
        let choice = self.args.pkcs11.choice();
        let source = SecretSource::pin(&self.args.pin, self.report.batch);
        let mut entry = pkcs11::PinEntry::new(&source, self.args.pin.last_try);
        let config = self.config()?;
        let module = Module::load(path).map_err(|error| pkcs11::failure(&error))?;
        loop {
            let holder = ModuleHolder::new(&module, &choice, &mut entry).map_err(|error| pkcs11::failure(&error))?;
            let mut holder = ServerHolder::new(holder.with_last_try(self.args.pin.last_try), &config, Timeouts::default());
            let outcome = self.container.unlock_with(&mut holder, &self.args.selection());
            drop(holder);
            match outcome {
                Ok(unlocked) => return Ok(unlocked),
                Err(cdoc2_client::pkcs11::Error::Container(error)) => return Err(self.failure(&error)),
                Err(error) if entry.may_try_again(&error) => {}
                Err(error) => return Err(entry.take_failure().unwrap_or_else(|| pkcs11::failure(&error))),
            }
        }
    }

    /// Whether a password is the only thing that somebody who gave nothing can have meant.
    fn may_be_password(&self) -> bool {
        let is_any = self.container.envelope().header().records().any(|record| matches!(record.capsule, Capsule::Pbkdf2(_)));
        is_any && (self.password.is_given() || !self.report.batch && prompt::is_possible())
    }

    fn with_password(&self) -> Result<Unlocked<'a>> {
        if let Some(password) = self.password.read()? {
            return self.with(&cdoc2::Unlock::Password(password));
        }
        let Some(question) = self.question() else {
            // No password opens it, so none is asked for; the library says why.
            return self.with(&cdoc2::Unlock::Password(Secret::default()));
        };
        for _ in 1..TRIES {
            let unlock = cdoc2::Unlock::Password(self.password.ask(&question)?);
            match self.try_with(&unlock) {
                Err(Error::Rejected) => tell("Wrong password. Try again."),
                outcome => return outcome.map_err(|error| self.failure(&error)),
            }
        }
        self.with(&cdoc2::Unlock::Password(self.password.ask(&question)?))
    }

    /// The question for a password, with the labels of all records that it may open: they are the hints that the sender gave. `None` if there is
    /// no such record.
    fn question(&self) -> Option<String> {
        let selection = self.args.selection();
        let records = (1..).zip(self.container.envelope().header().records());
        let hints: Vec<String> = records
            .filter(|(index, record)| matches!(record.capsule, Capsule::Pbkdf2(_)) && selection.includes(*index, record))
            .map(|(_, record)| format!("\"{}\"", text::brief(&label::name(&record.key_label))))
            .collect();
        match &hints[..] {
            [] => None,
            hints if hints.len() <= SHOWN_HINTS => Some(format!("Password for {}", hints.join(" or "))),
            hints => Some(format!("Password for {} or {} others", hints[..SHOWN_HINTS].join(", "), hints.len() - SHOWN_HINTS)),
        }
    }
}

/// The certificate at `path`, which must be that of `key`.
pub(crate) fn certificate_of(path: &Path, key: &PrivateKey) -> Result<Certificate> {
    let read = keys::read(stdin::open(path, "the certificate")?).and_then(|octets| Certificate::parse(&octets));
    let certificate = read.map_err(|error| failure::of_key(path, &error))?;
    if *certificate.public_key() != key.public_key() {
        return Err(Failure::usage(format!("{}: is not the certificate of the key that --key names", text::path(path))));
    }
    Ok(certificate)
}

fn read_key(path: &Path) -> Result<Secret> {
    keys::read(stdin::open(path, "the private key")?).map_err(|error| failure::of_key(path, &error))
}

/// Why there is no key: the file, or the passphrase.
#[derive(Debug)]
enum KeyFailure {
    Key(keys::Error),
    Source(Failure),
}

impl From<keys::Error> for KeyFailure {
    fn from(error: keys::Error) -> Self {
        Self::Key(error)
    }
}
