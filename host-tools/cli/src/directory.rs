//! Directories as the person at the command line sees them: who is asked, what was found, and why it was taken or left.

use std::time::SystemTime;

use cdoc2::keys::{Certificate, EidType, UsageWarning};
use cdoc2_client::directory::{self, Candidate, Directory, Found, Kind, Query, QueryKind, Reason, SearchError, Verdict};
use cdoc2_client::person_code::Code as PersonCode;

use crate::configuration::Configuration;
use crate::exit::{Code, Failure, Result};
use crate::report::Report;
use crate::text;

/// Asks the directories, having said which; `whom` is what the one who is asked for is called here, for a code stands in no message.
pub(crate) fn find(query: &Query, whom: &str, configuration: &Configuration<'_>, report: &Report) -> Result<Found> {
    let config = configuration.load()?;
    for directory in directory::asked(config.directories(), query) {
        let what = match query.kind() {
            QueryKind::Person => "personal code",
            QueryKind::Organisation => "registry code",
            QueryKind::Name => "name",
        };
        report.note(format!("the directory \"{}\" ({}) learns the {what} of {whom}", directory.name(), address(directory)));
    }
    let found =
        directory::search(config.directories(), query, SystemTime::now()).map_err(|error| failure(&error, config.path()))?;
    for failure in &found.failures {
        report.warn(failure.to_string());
    }
    for directory in &found.cut {
        report.warn(format!("the directory \"{directory}\" has more than it gave, or than its size_limit lets it give"));
    }
    Ok(found)
}

/// The certificates of whoever has this code: those that fit, of which there is at least one.
pub(crate) fn certificates(
    code: PersonCode,
    origin: &str,
    configuration: &Configuration<'_>,
    report: &Report,
) -> Result<Vec<Certificate>> {
    let found = find(&Query::Code(code), origin, configuration, report)?;
    let taken: Vec<_> = found.taken().filter_map(|candidate| candidate.certificate.clone()).collect();
    if taken.is_empty() {
        return Err(nobody(&found, origin));
    }
    for candidate in &found.candidates {
        report.note(format!("{origin}: {}", summary(candidate)));
    }
    Ok(taken)
}

/// A certificate by which whoever has this code can sign in: that there is one says that the code is somebody's, and not only well-formed.
pub(crate) fn who_signs_in(
    code: PersonCode,
    origin: &str,
    configuration: &Configuration<'_>,
    report: &Report,
) -> Result<Certificate> {
    let found = find(&Query::Code(code), origin, configuration, report)?;
    let now = SystemTime::now();
    let mut fitting = found.candidates.iter().filter(|candidate| candidate.may_sign_in(now)).peekable();
    let certificate = fitting.peek().and_then(|candidate| candidate.certificate.clone());
    for candidate in fitting {
        report.note(format!("{origin}: {}", place(candidate)));
    }
    certificate.ok_or_else(|| {
        Failure::new(
            Code::NoRecord,
            format!("{origin}: no directory that answered has a certificate by which this person can sign in"),
        )
        .hint("is the code right? share:CODE encrypts to whoever signs in with it, without looking")
    })
}

/// Not one certificate was taken, and why.
pub(crate) fn nobody(found: &Found, whom: &str) -> Failure {
    if found.candidates.is_empty() {
        return Failure::new(Code::NoRecord, format!("{whom}: no directory that answered has a certificate"))
            .hint("is the code or the name right? whoever has no certificate in a directory can send one: cert:PATH");
    }
    let why: Vec<_> = found.candidates.iter().map(summary).collect();
    Failure::new(Code::NoRecord, format!("{whom}: there is no certificate to encrypt to: {}", why.join("; ")))
        .hint("an ID-card, a Digi-ID or an organisation's certificate for encryption is wanted; cdoc2 recipients find lists what there is")
}

fn failure(error: &SearchError, path: &std::path::Path) -> Failure {
    match error {
        SearchError::NoDirectory => Failure::usage(error.to_string()).hint(format!(
            "add [[directory]] to {}; cdoc2 man recipients shows how, and queries says what a directory is asked by",
            text::path(path)
        )),
        SearchError::AllFailed(_) | SearchError::System(_) => Failure::new(Code::Server, error.to_string())
            .hint("is the network there, and are url and authorities in the configuration right?"),
    }
}

fn address(directory: &Directory) -> String {
    directory.url().as_str().trim_end_matches('/').to_owned()
}

/// A certificate in a line, without whose it is.
fn summary(candidate: &Candidate) -> String {
    format!("{}, {}", place(candidate), verdict(candidate))
}

/// What it is, until when, and where.
fn place(candidate: &Candidate) -> String {
    let until = candidate.validity.map_or_else(String::new, |(_, until)| format!(" until {}", text::day(until)));
    format!("{}{until} in \"{}\"", kind(candidate.kind), candidate.directories.join(", "))
}

/// A kind in words.
pub(crate) fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Eid(EidType::IdCard) => "ID-card",
        Kind::Eid(EidType::DigiId) => "Digi-ID",
        Kind::Eid(EidType::DigiIdEResident) => "Digi-ID of an e-resident",
        Kind::MobileId => "Mobile-ID",
        Kind::SmartId => "Smart-ID",
        Kind::Organisation => "organisation",
        Kind::Other => "certificate of another kind",
    }
}

/// A kind as JSON has it.
pub(crate) fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Eid(EidType::IdCard) => "id-card",
        Kind::Eid(EidType::DigiId) => "digi-id",
        Kind::Eid(EidType::DigiIdEResident) => "digi-id-e-resident",
        Kind::MobileId => "mobile-id",
        Kind::SmartId => "smart-id",
        Kind::Organisation => "organisation",
        Kind::Other => "other",
    }
}

/// A verdict in words.
pub(crate) fn verdict(candidate: &Candidate) -> String {
    let Verdict::Left(reason) = candidate.verdict else { return "taken".to_owned() };
    let why = match reason {
        Reason::Unreadable => "not a sound certificate",
        Reason::OtherHolder => "it is somebody else's",
        Reason::Authority => "it is an authority's",
        Reason::Issuer => "none of the directory's issuers has issued it, says the configuration",
        Reason::Tls => "it is for TLS",
        Reason::MobileId => "Mobile-ID cannot decrypt",
        Reason::SmartId => "Smart-ID cannot decrypt",
        Reason::KeyUsage(UsageWarning::NoKeyAgreement) => "not for encryption (keyUsage lacks keyAgreement)",
        Reason::KeyUsage(UsageWarning::NoKeyEncipherment) => "not for encryption (keyUsage lacks keyEncipherment)",
        Reason::NotYetValid => "not valid yet",
        Reason::Expired => "expired",
        Reason::Key => "its key is of a kind, on a curve or of a length that CDOC2 does not know",
    };
    format!("left: {why}")
}

/// Why a certificate was left, as JSON has it.
pub(crate) fn reason_name(reason: Reason) -> &'static str {
    match reason {
        Reason::Unreadable => "unreadable",
        Reason::OtherHolder => "other-holder",
        Reason::Authority => "authority",
        Reason::Issuer => "issuer",
        Reason::Tls => "tls",
        Reason::MobileId => "mobile-id",
        Reason::SmartId => "smart-id",
        Reason::KeyUsage(_) => "key-usage",
        Reason::NotYetValid => "not-yet-valid",
        Reason::Expired => "expired",
        Reason::Key => "key",
    }
}
