//! Revocation lists, alone and behind a responder.

use std::sync::Arc;
use std::time::Duration;

use rcgen::{
    CertificateRevocationListParams, Issuer, KeyIdMethod, RevocationReason, RevokedCertParams, SerialNumber, date_time_ymd,
};
use revocation::ocsp::Status;
use revocation::{Crls, Policy};
use rustls::AlertDescription::{AccessDenied, CertificateRevoked};
use rustls_pki_types::{CertificateRevocationListDer, UnixTime};

use crate::handshakes::{builder, handshake_of, ocsp};
use crate::peers::Reply;
use crate::pki::{Owner, client, revoked};

/// A list of `owner`, on which certificate 8 stands; until the end of `year`.
fn list(owner: &Owner, year: i32) -> CertificateRevocationListDer<'static> {
    let params = CertificateRevocationListParams {
        this_update: date_time_ymd(2020, 1, 1),
        next_update: date_time_ymd(year, 12, 31),
        crl_number: SerialNumber::from_slice(&[1]),
        issuing_distribution_point: None,
        revoked_certs: vec![RevokedCertParams {
            serial_number: SerialNumber::from_slice(&[8]),
            revocation_time: date_time_ymd(2020, 1, 1),
            reason_code: Some(RevocationReason::KeyCompromise),
            invalidity_date: None,
        }],
        key_identifier_method: KeyIdMethod::Sha256,
    };
    params.signed_by(&Issuer::from_params(&owner.params, &owner.key)).unwrap().der().clone()
}

/// The next update of a list until the end of 2021.
fn end_of_2021() -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(1_640_908_800))
}

fn crls(list: CertificateRevocationListDer<'_>) -> Arc<Crls> {
    Arc::new(Crls::new(&[list]).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_alone_decide() {
    let root = Owner::root("root");
    let (seven, eight) = (root.issue(client(7)), root.issue(client(8)));
    let current = || builder(&root).crls(crls(list(&root, 2100)));
    assert_eq!(handshake_of(current(), &seven, &[]).await, Ok(()));
    assert_eq!(handshake_of(current(), &eight, &[]).await, Err(CertificateRevoked));
    // What an old list says against somebody still holds.
    assert_eq!(handshake_of(builder(&root).crls(crls(list(&root, 2021))), &eight, &[]).await, Err(CertificateRevoked));
    let other = Owner::root("other");
    for useless in [list(&root, 2021), list(&other, 2100), list(&Owner::root("root"), 2100)] {
        assert_eq!(handshake_of(builder(&root).crls(crls(useless)), &seven, &[]).await, Err(AccessDenied));
    }
    assert_eq!(handshake_of(builder(&root).crls(Arc::new(Crls::default())), &seven, &[]).await, Err(AccessDenied));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_list_of_the_issuer_is_looked_at() {
    let root = Owner::root("root");
    let (seven, eight) = (root.issue(client(7)), root.issue(client(8)));
    // An older list, one of an older key of the same authority, and one of a stranger come first.
    let all = [list(&root, 2021), list(&Owner::root("root"), 2100), list(&Owner::root("other"), 2100), list(&root, 2100)];
    let lists = Arc::new(Crls::new(&all).unwrap());
    assert_eq!(handshake_of(builder(&root).crls(Arc::clone(&lists)), &seven, &[]).await, Ok(()));
    assert_eq!(handshake_of(builder(&root).crls(lists), &eight, &[]).await, Err(CertificateRevoked));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_are_looked_at_where_no_responder_answers() {
    let root = Arc::new(Owner::root("root"));
    let (seven, eight) = (root.issue(client(7)), root.issue(client(8)));
    for policy in [Policy::Hard, Policy::Soft] {
        let (peer, ocsp) = ocsp(&root, Status::Good, policy).await;
        peer.now(|_| Reply::HangUp);
        let both = |list| builder(&root).ocsp(ocsp.clone()).crls(crls(list));
        assert_eq!(handshake_of(both(list(&root, 2100)), &seven, &[]).await, Ok(()));
        assert_eq!(handshake_of(both(list(&root, 2100)), &eight, &[]).await, Err(CertificateRevoked));
        let told = if policy == Policy::Soft { Ok(()) } else { Err(AccessDenied) };
        assert_eq!(handshake_of(both(list(&root, 2021)), &seven, &[]).await, told, "the policy decides");
        assert_eq!(handshake_of(both(list(&root, 2021)), &eight, &[]).await, Err(CertificateRevoked), "an old list");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn responder_knows_better_than_a_list() {
    let root = Arc::new(Owner::root("root"));
    let (seven, eight) = (root.issue(client(7)), root.issue(client(8)));
    for (status, told) in [(Status::Good, Ok(())), (revoked(), Err(CertificateRevoked))] {
        let (_peer, ocsp) = ocsp(&root, status, Policy::Hard).await;
        for owner in [&seven, &eight] {
            let both = builder(&root).ocsp(ocsp.clone()).crls(crls(list(&root, 2100)));
            assert_eq!(handshake_of(both, owner, &[]).await, told);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_are_replaced_in_use() {
    let root = Owner::root("root");
    let lists = crls(list(&root, 2021));
    let seven = root.issue(client(7));
    assert_eq!(handshake_of(builder(&root).crls(Arc::clone(&lists)), &seven, &[]).await, Err(AccessDenied));
    assert_eq!(lists.next_updates(), [end_of_2021()]);
    lists.replace(&[list(&root, 2100)]).unwrap();
    assert_eq!(handshake_of(builder(&root).crls(Arc::clone(&lists)), &seven, &[]).await, Ok(()));
    let error = lists.replace(&[list(&root, 2100), vec![0x30, 0].into()]).unwrap_err();
    assert_eq!(error.place, 1);
    assert_eq!(handshake_of(builder(&root).crls(lists), &seven, &[]).await, Ok(()), "the others stay");
}
