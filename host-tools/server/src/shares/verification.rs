//! Whether a ticket opens a share: specification, "Verifying SD-JWT (verifying authentication ticket)", a function each step.
//!
//! The order is another one. What a stranger can make up is found out first, and costs no more than two signatures. Nothing is looked for in the database,
//! and no responder is asked, before it is known who signed; so all that follows is about the person whom a trusted authority certified, and tells
//! nobody else anything. The nonce is taken at the very end: neither a stranger nor a responder that is down can use it up.

use cdoc2_api::{ExpiryTime, ShareId};
use cdoc2_auth_token::{Audience, BaseUrl, Ticket};
use revocation::Ocsp;
use revocation::service::Question;
use rustls::pki_types::UnixTime;

use super::presented::Presented;
use super::rejection::Rejection;
use super::signer::Signer;
use super::{Authorities, Shared};
use crate::expiry;
use crate::store::StoredShare;
use crate::watched::Watched;

/// The share `id`, if what is presented opens it. That uses up the nonce.
pub(super) async fn verify(shared: &Shared, presented: Presented<'_>, id: &ShareId) -> Result<StoredShare, Rejection> {
    let now = UnixTime::now();
    let ticket = one_audience(presented.ticket)?;
    this_server(ticket.audience(), &shared.url)?;
    this_share(ticket.audience(), id)?;
    let signer = Signer::parse(presented.certificate)?;
    same_person(&ticket, &signer)?;
    valid_now(&signer, now)?;
    signed(&ticket, &signer)?;
    let authorities = shared.authorities.get();
    let question = trusted(&authorities, &signer, now)?;

    let stored = kept(&shared.store, id).await?;
    recipient(&signer, &stored)?;
    not_revoked(shared.ocsp.as_ref(), &authorities, &question, &signer, now).await?;
    fresh_nonce(&shared.store, ticket.audience()).await?;
    Ok(stored)
}

/// Step 1: the ticket is signed by the key of the certificate, with an algorithm for such a key.
fn signed(ticket: &Ticket, signer: &Signer) -> Result<(), Rejection> {
    ticket.verify_signature(&signer.public_key_info).map_err(Rejection::Unsigned)
}

/// Step 2: a trusted authority issued the certificate, to sign in with. The question is for step 3.
fn trusted(authorities: &Authorities, signer: &Signer, now: UnixTime) -> Result<Question, Rejection> {
    authorities.verify(&signer.certificate, &[], now).map_err(|untrusted| Rejection::Untrusted(untrusted.name()))
}

/// Step 3, first half: the certificate is valid. Responders say "good" of expired ones, too.
fn valid_now(signer: &Signer, now: UnixTime) -> Result<(), Rejection> {
    let [not_before, not_after] = signer.validity;
    if now < not_before {
        Err(Rejection::NotYetValid)
    } else if now > not_after {
        Err(Rejection::Expired)
    } else {
        Ok(())
    }
}

/// Step 3, second half: the certificate is not revoked, as its responder says; while that does not answer, as a list says, or the policy.
async fn not_revoked(
    ocsp: Option<&Ocsp>,
    authorities: &Authorities,
    question: &Question,
    signer: &Signer,
    now: UnixTime,
) -> Result<(), Rejection> {
    let decision = match ocsp {
        Some(ocsp) => ocsp.check_or(question, || authorities.listed(&signer.certificate, &[], now)).await,
        None => authorities.check_lists(&signer.certificate, &[], now),
    };
    decision.map_err(Rejection::Revocation)
}

/// Steps 4 and 5: exactly one audience is disclosed, and has a server, a share and a nonce in it.
fn one_audience(ticket: &str) -> Result<Ticket, Rejection> {
    Ticket::parse(ticket).map_err(Rejection::Ticket)
}

/// Step 6: the audience is this server.
fn this_server(audience: &Audience, url: &BaseUrl) -> Result<(), Rejection> {
    if audience.server == *url { Ok(()) } else { Err(Rejection::OtherServer) }
}

/// Step 7, first half: the audience is the share that is asked for.
fn this_share(audience: &Audience, id: &ShareId) -> Result<(), Rejection> {
    if audience.share_id == *id { Ok(()) } else { Err(Rejection::OtherShare) }
}

/// Step 7, second half: the share is here, and has not expired.
async fn kept(store: &Watched, id: &ShareId) -> Result<StoredShare, Rejection> {
    let now = now()?;
    let found = store.share(id, now).await.map_err(|_| Rejection::Unavailable)?;
    // The store may compare with a clock of its own; this one is what the answer promises.
    found.filter(|stored| stored.expiry > now).ok_or(Rejection::NoShare)
}

/// Step 8: this server gave the nonce for this share, not long ago, and nobody has used it. It is used now.
async fn fresh_nonce(store: &Watched, audience: &Audience) -> Result<(), Rejection> {
    match store.take_nonce(&audience.share_id, &audience.nonce, now()?).await {
        Ok(true) => Ok(()),
        Ok(false) => Err(Rejection::Nonce),
        Err(_) => Err(Rejection::Unavailable),
    }
}

/// Step 9, first half: who says that the ticket is theirs is whom the certificate names.
fn same_person(ticket: &Ticket, signer: &Signer) -> Result<(), Rejection> {
    if *ticket.issuer() == signer.person { Ok(()) } else { Err(Rejection::OtherIssuer) }
}

/// Step 9, second half: the share is this person's.
fn recipient(signer: &Signer, stored: &StoredShare) -> Result<(), Rejection> {
    if signer.person == stored.share.recipient { Ok(()) } else { Err(Rejection::OtherRecipient) }
}

fn now() -> Result<ExpiryTime, Rejection> {
    expiry::now().map_err(|_| Rejection::Unavailable)
}
