//! Why a ticket does not open a share: for the log and the metrics, not for whoever sent it.

use axum::response::{IntoResponse, Response};
use cdoc2_auth_token::{Unverified, ticket};
use revocation::service::Denied;

use super::NO_SHARE;
use crate::metrics;
use crate::refusal::Refusal;
use crate::requests::Reason;

/// A reason, with nothing of the ticket in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rejection {
    /// There are not one ticket and one certificate.
    NoTicket,
    /// The ticket cannot be read, or does not disclose exactly one audience.
    Ticket(ticket::Malformed),
    /// The ticket is for another server.
    OtherServer,
    /// The ticket is for another share than is asked for.
    OtherShare,
    /// The certificate cannot be read.
    Certificate,
    /// The certificate's subject is no person.
    NoPerson,
    /// Who says that the ticket is theirs is not the subject of the certificate.
    OtherIssuer,
    /// The certificate is not valid yet.
    NotYetValid,
    /// The certificate is not valid any more.
    Expired,
    /// The certificate's key did not sign the ticket.
    Unsigned(Unverified),
    /// The certificate is not trusted; why, as `revocation` calls it.
    Untrusted(&'static str),
    /// There is no such share, or not any more.
    NoShare,
    /// The share is somebody else's.
    OtherRecipient,
    /// The certificate is revoked, or that cannot be found out.
    Revocation(Denied),
    /// The nonce is none of this share, too old, or used.
    Nonce,
    /// The database does not answer, or there is no time or chance.
    Unavailable,
}

impl Rejection {
    /// Its name in log and metrics.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::NoTicket => "no_ticket",
            Self::Ticket(malformed) => of_ticket(malformed),
            Self::OtherServer => "other_server",
            Self::OtherShare => "other_share",
            Self::Certificate => "malformed_certificate",
            Self::NoPerson => "no_person",
            Self::OtherIssuer => "other_issuer",
            Self::NotYetValid => "not_yet_valid",
            Self::Expired => "expired",
            Self::Unsigned(Unverified::Algorithm) => "algorithm",
            Self::Unsigned(Unverified::Signature) => "signature",
            Self::Untrusted(why) => why,
            Self::NoShare => "no_share",
            Self::OtherRecipient => "other_recipient",
            Self::Revocation(denied) => denied.name(),
            Self::Nonce => "nonce",
            Self::Unavailable => "unavailable",
        }
    }

    /// What the client is told: that it shows nothing that could be checked; that nobody can tell at the moment; else always the same, by the interface's
    /// "404 is also returned, when recipient id in record does not match".
    fn refusal(self) -> Refusal {
        match self {
            Self::NoTicket => Refusal::Unauthorized(
                "one ticket and the certificate that signed it are needed: x-cdoc2-auth-token and x-cdoc2-auth-x5c",
            ),
            Self::Revocation(Denied::NoAnswer(_)) | Self::Unavailable => Refusal::Unavailable,
            Self::Ticket(_)
            | Self::OtherServer
            | Self::OtherShare
            | Self::Certificate
            | Self::NoPerson
            | Self::OtherIssuer
            | Self::NotYetValid
            | Self::Expired
            | Self::Unsigned(_)
            | Self::Untrusted(_)
            | Self::NoShare
            | Self::OtherRecipient
            | Self::Revocation(Denied::Revoked | Denied::Unknown)
            | Self::Nonce => NO_SHARE,
        }
    }
}

fn of_ticket(malformed: ticket::Malformed) -> &'static str {
    use ticket::Malformed;

    match malformed {
        Malformed::Length
        | Malformed::Form
        | Malformed::Header
        | Malformed::Type
        | Malformed::Payload
        | Malformed::DigestAlgorithm
        | Malformed::Issuer(_)
        | Malformed::Signature => "malformed_ticket",
        Malformed::Algorithm => "algorithm",
        Malformed::Disclosure | Malformed::DuplicateDigest | Malformed::UnknownDisclosure => "disclosure",
        Malformed::NotOneAudience => "not_one_audience",
        Malformed::Audience(_) => "malformed_audience",
    }
}

impl IntoResponse for Rejection {
    fn into_response(self) -> Response {
        metrics::ticket(self.name());
        let mut response = self.refusal().into_response();
        response.extensions_mut().insert(Reason(self.name()));
        response
    }
}
