//! Opening a container by signing in to shares servers (UC.Client.04): who signs, with what, and when they are asked again.

mod failure;
mod screen;

use std::path::Path;

use cdoc2::Unlocked;
use cdoc2::core::wire::capsule::Capsule;
use cdoc2::keys::{Certificate, PrivateKey};
use cdoc2_client::auth::{
    AuthSigner, CardSigner, Error as SignerError, Interaction, MobileId, ModuleSigner, Pace, PhoneNumber, SmartId, SoftwareSigner,
    Untrusted,
};
use cdoc2_client::config::{Config, SigningService};
use cdoc2_client::https::Timeouts;
use cdoc2_client::pkcs11::Module;
use cdoc2_client::shares_server::{Error, RecipientId, SharesHolder};
use cdoc2_client::token::{PinRef, Token};
use clap::{Args, ValueEnum};

use crate::exit::{Code, Failure, Result};
use crate::pin::PinEntry;
use crate::secret_source::{SecretSource, tell};
use crate::unlock::Unlocking;
use crate::{args, person, pkcs11, prompt, text};
use screen::Screen;

/// How somebody signs in, if that opens the container.
#[derive(Debug, Args)]
#[command(next_help_heading = "Signing in")]
pub(crate) struct SignIn {
    /// Sign in to the shares servers over which the key is split.
    ///
    /// smart-id and mobile-id ask on your phone; id-card takes the smart card that is connected, pkcs11 the token of --pkcs11, and key the key of --key with
    /// --cert, or of --p12.
    #[arg(long, value_enum, value_name = "MEANS")]
    pub(crate) auth: Option<Means>,
    /// The number of the phone with Mobile-ID, with its country, such as +37251234567. Without it it is asked for.
    #[arg(long, value_name = "NUMBER", requires = "auth")]
    pub(crate) phone: Option<PhoneNumber>,
    /// Who signs in, where the container is for several people: a personal code, perhaps with PNOEE- or the like before it.
    #[arg(long, value_name = "CODE", requires = "auth")]
    pub(crate) person: Option<String>,
}

/// By what somebody proves who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Means {
    /// The Smart-ID app.
    SmartId,
    /// Mobile-ID, on a SIM.
    MobileId,
    /// An ID-card, or another smart card of PC/SC.
    IdCard,
    /// A token behind a PKCS#11 module.
    Pkcs11,
    /// A private key in a file, with its certificate.
    Key,
}

impl args::Unlock {
    /// By what to sign in, if that was asked for; and nothing that another means would take beside it.
    ///
    /// # Errors
    /// Something is missing, or too much.
    pub(crate) fn means(&self) -> Result<Option<Means>> {
        let Some(means) = self.sign_in.auth else { return Ok(None) };
        if self.password || self.secret.is_some() || self.token {
            return Err(Failure::usage(
                "one thing opens a container: --auth signs in, and --password, --secret and --token do not",
            ));
        }
        let has_file = self.key.is_some() || self.p12.is_some();
        match means {
            Means::Key if self.key.is_some() == self.p12.is_some() => {
                return Err(Failure::usage("--auth key signs in with --key PATH and --cert PATH, or with --p12 PATH"));
            }
            Means::Key if self.key.is_some() && self.cert.is_none() => {
                return Err(Failure::usage("whoever signs in shows a certificate").hint("--cert PATH names that of --key"));
            }
            Means::Pkcs11 if self.pkcs11.pkcs11.is_none() => {
                return Err(Failure::usage("--auth pkcs11 signs in with a token")
                    .hint("--pkcs11 MODULE names the module behind which it is"));
            }
            _ => {}
        }
        if has_file && means != Means::Key || self.pkcs11.pkcs11.is_some() && means != Means::Pkcs11 {
            return Err(Failure::usage("--auth names another means than --key, --p12 or --pkcs11")
                .hint("write --auth key for a key in a file, --auth pkcs11 for a token behind a module"));
        }
        if self.sign_in.phone.is_some() && means != Means::MobileId {
            return Err(Failure::usage("--phone is for --auth mobile-id"));
        }
        Ok(Some(means))
    }
}

impl<'a> Unlocking<'a> {
    /// Opens the container by what shares servers give to who signs in by `means`.
    pub(crate) fn by_signing_in(&self, means: Means) -> Result<Unlocked<'a>> {
        let people = self.people()?;
        let config = self.configuration.load()?;
        match means {
            Means::SmartId => {
                let service = service("Smart-ID", "smart_id", config.smart_id(), &config)?;
                self.by_phone(&mut SmartId::new(service, Pace::default()), &people, &config)
            }
            Means::MobileId => {
                let service = service("Mobile-ID", "mobile_id", config.mobile_id(), &config)?;
                only(&people)?;
                self.by_phone(&mut MobileId::new(service, self.phone()?, Pace::default()), &people, &config)
            }
            Means::IdCard => self.by_card(&people, &config),
            Means::Pkcs11 => match &self.args.pkcs11.pkcs11 {
                Some(path) => self.by_module(path, &people, &config),
                None => unreachable!("checked before anything was read"),
            },
            Means::Key => self.by_key(&people, &config),
        }
    }

    /// Everybody who may be meant: those for whom there are shares, or the one of them that was named. At least one.
    fn people(&self) -> Result<Vec<RecipientId>> {
        let named = self.args.sign_in.person.as_deref().map(|text| {
            person::parse(text)
                .map_err(|wrong| Failure::usage(format!("--person: {wrong}")).hint(format!("write {}", person::FORM)))
        });
        let named = named.transpose()?;
        let mut people: Vec<RecipientId> = Vec::new();
        for record in self.selected() {
            let Capsule::KeyShares(capsule) = record.capsule else { continue };
            let Some(id) = capsule.recipient_id.as_str().and_then(|text| text.parse().ok()) else { continue };
            if named.as_ref().is_none_or(|named| *named == id) && !people.contains(&id) {
                people.push(id);
            }
        }
        if people.is_empty() {
            let whom = if named.is_some() { "for this person" } else { "for whoever signs in" };
            return Err(self.no_record(&format!("the container has no record {whom}")));
        }
        Ok(people)
    }

    fn no_record(&self, why: &str) -> Failure {
        self.about_input(Code::NoRecord, why).hint(format!("cdoc2 inspect {} shows who can open it", text::path(self.input)))
    }

    /// One attempt.
    fn attempt(
        &self,
        person: &RecipientId,
        signer: &mut dyn AuthSigner,
        screen: &mut dyn Interaction,
        config: &Config,
    ) -> Result<Unlocked<'a>, Error> {
        let mut holder = SharesHolder::new(person, signer, screen, config, Timeouts::default());
        self.container.unlock_with(&mut holder, &self.args.selection())
    }

    /// Attempts until it is done, or the person at the terminal does not want to try again (UC.Client.04, 8a and 12a). `screen` is new every time.
    fn attempts(
        &self,
        person: &RecipientId,
        signer: &mut dyn AuthSigner,
        screen: impl Fn() -> Screen,
        config: &Config,
    ) -> Result<Result<Unlocked<'a>, Error>> {
        let mut is_first = true;
        loop {
            let mut screen = screen();
            let outcome = self.attempt(person, signer, &mut screen, config);
            // Whoever gives up at a question that follows has no phone in hand any more.
            drop(screen);
            match outcome {
                // Which kind of key a SIM has, only its first signature tells.
                Err(Error::Signer(SignerError::Untrusted(Untrusted::Algorithm(_)))) if is_first => {
                    tell("The phone signs in another way than was expected, and has to ask once more.");
                }
                Err(error) if is_offered(&error) && !self.report.batch && prompt::is_possible() => {
                    tell(&format!("{}.", failure::text(&error)));
                    if !prompt::agrees("Try again?")? {
                        return Ok(Err(error));
                    }
                }
                outcome => return Ok(outcome),
            }
            is_first = false;
        }
    }

    fn by_phone(&self, signer: &mut dyn AuthSigner, people: &[RecipientId], config: &Config) -> Result<Unlocked<'a>> {
        let person = only(people)?;
        self.attempts(person, signer, Screen::with_phone, config)?.map_err(|error| self.sign_in_failure(&error, true))
    }

    fn phone(&self) -> Result<PhoneNumber> {
        if let Some(phone) = &self.args.sign_in.phone {
            return Ok(phone.clone());
        }
        if self.report.batch || !prompt::is_possible() {
            return Err(Failure::usage("Mobile-ID is asked by a phone number").hint("pass --phone +372..."));
        }
        loop {
            match prompt::ask_openly("Phone number, with its country (+372...)")?.parse() {
                Ok(phone) => return Ok(phone),
                Err(error) => tell(&format!("{error}. Try again.")),
            }
        }
    }

    /// With the card of somebody for whom there is a record; PIN1 is asked for once the servers have given their nonces.
    fn by_card(&self, people: &[RecipientId], config: &Config) -> Result<Unlocked<'a>> {
        let source = SecretSource::pin(&self.args.pin, self.report.batch);
        let mut entry = PinEntry::new(PinRef::Pin1, &source, self.args.pin.last_try);
        let (mut token, person) = self.card_of(people)?;
        let reader = token.reader().to_owned();
        loop {
            let mut signer = CardSigner::new(&mut token, &mut entry).with_last_try(self.args.pin.last_try);
            let outcome = self.attempts(person, &mut signer, Screen::plain, config)?;
            drop(signer);
            match outcome {
                Ok(unlocked) => return Ok(unlocked),
                Err(Error::Signer(SignerError::Card(error))) if entry.may_try_again(&error) => {}
                Err(Error::Signer(SignerError::Card(error))) => {
                    return Err(entry.take_failure().unwrap_or_else(|| crate::card::failure(&reader, &error)));
                }
                Err(error) => return Err(self.sign_in_failure(&error, false)),
            }
        }
    }

    /// The card of one of `people`; where there is none, why not.
    fn card_of<'p>(&self, people: &'p [RecipientId]) -> Result<(Token, &'p RecipientId)> {
        let found = self.cards.all()?;
        let tokens = found.into_iter().filter_map(|found| found.token.ok());
        let fitting = tokens.filter_map(|token| person_of(token.certificate()?, people).map(|person| (token, person)));
        let mut fitting: Vec<_> = fitting.collect();
        if fitting.len() > 1 {
            let names: Vec<_> = fitting.iter().map(|(token, _)| format!("\"{}\"", token.reader())).collect();
            return Err(Failure::usage(format!(
                "there are several cards of people for whom there is a record: in {}",
                names.join(", ")
            ))
            .hint("choose one with --reader NAME, or say with --person CODE who signs in"));
        }
        match fitting.pop() {
            Some(found) => Ok(found),
            // Says why there is no card at all; or that the one that is there is somebody else's.
            None => {
                let token = self.cards.one(None)?;
                let reader = text::brief(token.reader().as_bytes());
                Err(self.no_record(&format!("the container has no record for the person whose card is in \"{reader}\"")))
            }
        }
    }

    fn by_module(&self, path: &Path, people: &[RecipientId], config: &Config) -> Result<Unlocked<'a>> {
        let source = SecretSource::pin(&self.args.pin, self.report.batch);
        let mut entry = pkcs11::PinEntry::new(&source, self.args.pin.last_try);
        let module = Module::load(path).map_err(|error| pkcs11::failure(&error))?;
        let choice = self.args.pkcs11.choice();
        loop {
            let signer = ModuleSigner::new(&module, &choice, &mut entry);
            let mut signer = signer.map_err(|error| self.signer_failure(&error))?.with_last_try(self.args.pin.last_try);
            let person = self.who_signs(&mut signer, people)?;
            let outcome = self.attempts(person, &mut signer, Screen::plain, config)?;
            drop(signer);
            match outcome {
                Ok(unlocked) => return Ok(unlocked),
                Err(Error::Signer(SignerError::Module(error))) if entry.may_try_again(&error) => {}
                Err(Error::Signer(SignerError::Module(error))) => {
                    return Err(entry.take_failure().unwrap_or_else(|| pkcs11::failure(&error)));
                }
                Err(error) => return Err(self.sign_in_failure(&error, false)),
            }
        }
    }

    fn by_key(&self, people: &[RecipientId], config: &Config) -> Result<Unlocked<'a>> {
        let (key, certificate) = self.key_and_certificate(people)?;
        let mut signer = SoftwareSigner::new(&key, &certificate);
        let person = self.who_signs(&mut signer, people)?;
        self.attempts(person, &mut signer, Screen::plain, config)?.map_err(|error| self.sign_in_failure(&error, false))
    }

    /// What --key and --cert name, or the entry of --p12 that is one of `people`'s.
    fn key_and_certificate(&self, people: &[RecipientId]) -> Result<(PrivateKey, Certificate)> {
        if let (Some(key), Some(certificate)) = (&self.args.key, &self.args.cert) {
            let key = self.read_private_key(key)?;
            let certificate = crate::unlock::certificate_of(certificate, &key)?;
            return Ok((key, certificate));
        }
        let Some(path) = &self.args.p12 else { unreachable!("checked before anything was read") };
        let entries = self.read_pkcs12(path)?.into_entries().into_iter();
        let mut entries: Vec<_> = entries.filter_map(|entry| Some((entry.key, entry.certificate?))).collect();
        let fitting = entries.iter().position(|(_, certificate)| person_of(certificate, people).is_some());
        if entries.is_empty() {
            return Err(Failure::about(
                path,
                Code::Usage,
                "no certificate of a private key is in it, and whoever signs in shows one",
            ));
        }
        Ok(entries.swap_remove(fitting.unwrap_or(0)))
    }

    /// The one of `people` whose key `signer` has.
    fn who_signs<'p>(&self, signer: &mut dyn AuthSigner, people: &'p [RecipientId]) -> Result<&'p RecipientId> {
        let mut failed: Option<SignerError> = None;
        for person in people {
            match signer.algorithm(person) {
                Ok(_) => return Ok(person),
                // What is wrong with somebody's own certificate says more than that it is not another's.
                Err(error) if matches!(failed, None | Some(SignerError::Untrusted(Untrusted::OtherPerson))) => failed = Some(error),
                Err(_) => {}
            }
        }
        Err(match failed {
            None | Some(SignerError::Untrusted(Untrusted::OtherPerson)) => {
                self.no_record("the container has no record for the person whose certificate it is that would sign in")
            }
            Some(error) => self.signer_failure(&error),
        })
    }
}

/// Whether the person is asked if they want to try again. A wrong PIN has a question of its own, and a card that was removed needs more than that.
fn is_offered(error: &Error) -> bool {
    error.may_be_tried_again() && !matches!(error, Error::Signer(SignerError::Card(_) | SignerError::Module(_)))
}

/// Whoever it is where nothing but the record says who signs in.
fn only(people: &[RecipientId]) -> Result<&RecipientId> {
    match people {
        [person] => Ok(person),
        people => Err(Failure::usage(format!("the container is for {} people who sign in", people.len()))
            .hint("say who you are with --person CODE, or which record it is with --index N or --label LABEL")),
    }
}

/// The one of `people` whose certificate it is.
fn person_of<'p>(certificate: &Certificate, people: &'p [RecipientId]) -> Option<&'p RecipientId> {
    let serial_number = certificate.serial_number()?;
    people.iter().find(|person| person.semantics_identifier() == Some(serial_number))
}

/// What the configuration says of a service.
fn service<'c>(name: &str, section: &str, service: Option<&'c SigningService>, config: &Config) -> Result<&'c SigningService> {
    service.ok_or_else(|| {
        let path = text::path(config.path());
        let why = if config.is_there() {
            format!("{path} has no [{section}]")
        } else {
            format!("there is no configuration, which would be {path}")
        };
        Failure::usage(format!("{name} is not known: {why}")).hint("cdoc2 man decrypt describes what stands in it")
    })
}
