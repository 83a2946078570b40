//! Every way in which a session can end without a signature has its own name, its own words, and advice.

use std::collections::HashSet;

use cdoc2_client::auth::{EndState, Error, Service as Kind};
use cdoc2_client::config::SigningService;
use cdoc2_client::https;
use serde_json::json;

use crate::phone::{SESSION, World, by_mobile_id, by_smart_id, session};
use crate::service::Reply;

fn state(error: &Error, kind: Kind) -> EndState {
    match error {
        Error::Ended { service, state } if *service == kind => state.clone(),
        other => panic!("{other}"),
    }
}

#[test]
fn smart_id_says_why() {
    let world = World::new();
    let mut words = HashSet::new();
    for (end_result, expected, again) in [
        ("USER_REFUSED", EndState::Refused, true),
        ("TIMEOUT", EndState::TimedOut, true),
        ("DOCUMENT_UNUSABLE", EndState::DocumentUnusable, false),
        ("WRONG_VC", EndState::WrongCode, true),
        ("REQUIRED_INTERACTION_NOT_SUPPORTED_BY_APP", EndState::InteractionNotSupported, false),
        ("USER_REFUSED_CERT_CHOICE", EndState::RefusedAccountChoice, true),
        ("USER_REFUSED_DISPLAYTEXTANDPIN", EndState::RefusedPin, true),
        ("USER_REFUSED_VC_CHOICE", EndState::RefusedCodeChoice, true),
        ("USER_REFUSED_CONFIRMATIONMESSAGE", EndState::RefusedQuestion, true),
        ("USER_REFUSED_CONFIRMATIONMESSAGE_WITH_VC_CHOICE", EndState::RefusedQuestionWithCodeChoice, true),
        ("SOMETHING_NEW", EndState::Other("SOMETHING_NEW".to_owned()), false),
    ] {
        let status = json!({ "state": "COMPLETE", "result": { "endResult": end_result } });
        let service = world.service(session(move || Reply::Json(status.clone())));
        let error = by_smart_id(&world.config(&service)).unwrap_err();
        assert_eq!(state(&error, Kind::SmartId), expected);
        assert_eq!(error.may_be_tried_again(), again, "{end_result}");
        assert!(error.to_string().starts_with("Smart-ID: ") && words.insert(error.to_string()), "{error}");
    }
}

#[test]
fn mobile_id_says_why() {
    let world = World::new();
    let mut words = HashSet::new();
    for (result, expected, again) in [
        ("TIMEOUT", EndState::TimedOut, true),
        ("NOT_MID_CLIENT", EndState::NotMobileId, false),
        ("USER_CANCELLED", EndState::Refused, true),
        ("SIGNATURE_HASH_MISMATCH", EndState::SimMismatch, false),
        ("PHONE_ABSENT", EndState::PhoneAbsent, true),
        ("DELIVERY_ERROR", EndState::DeliveryFailed, true),
        ("SIM_ERROR", EndState::SimFailed, true),
        ("SOMETHING_NEW", EndState::Other("SOMETHING_NEW".to_owned()), false),
    ] {
        let status = json!({ "state": "COMPLETE", "result": result, "time": "2019-07-23T11:36:38" });
        let service = world.service(session(move || Reply::Json(status.clone())));
        let error = by_mobile_id(&world.config(&service)).unwrap_err();
        assert_eq!(state(&error, Kind::MobileId), expected);
        assert_eq!(error.may_be_tried_again(), again, "{result}");
        assert!(error.to_string().starts_with("Mobile-ID: ") && words.insert(error.to_string()), "{error}");
    }
}

/// What the status of the first answer means; nothing else is asked.
fn begun(world: &World, status: u16, by: fn(&SigningService) -> Result<cdoc2_client::auth::Signed, Error>) -> Error {
    let service = world.service(move |_, _| Reply::Status(status));
    let error = by(&world.config(&service)).unwrap_err();
    assert_eq!(service.asked().len(), 1, "{status}");
    error
}

#[test]
fn sessions_that_do_not_begin_say_why() {
    let world = World::new();
    for (status, expected, again) in [
        (401, EndState::UnknownRelyingParty, false),
        (403, EndState::Forbidden, false),
        (404, EndState::NoAccount, false),
        (471, EndState::NoFitAccount, false),
        (472, EndState::SeeApp, true),
        (480, EndState::TooOld, false),
        (580, EndState::Maintenance, false),
    ] {
        let error = begun(&world, status, by_smart_id);
        assert_eq!(state(&error, Kind::SmartId), expected);
        assert_eq!(error.may_be_tried_again(), again, "{status}");
    }
    assert_eq!(state(&begun(&world, 401, by_mobile_id), Kind::MobileId), EndState::UnknownRelyingParty);
    for by in [by_smart_id, by_mobile_id] {
        let error = begun(&world, 400, by);
        assert!(matches!(&error, Error::Service { reason: https::Error::Refused(words), .. } if words.is_empty()), "{error}");
        let error = begun(&world, 405, by);
        assert!(matches!(error, Error::Service { reason: https::Error::Status(405), .. }), "{error}");
    }
    // Mobile-ID would make the phone ring once more.
    let error = begun(&world, 500, by_mobile_id);
    assert!(matches!(error, Error::Service { reason: https::Error::Status(500), .. }), "{error}");
}

#[test]
fn sessions_that_are_forgotten_say_so() {
    let world = World::new();
    for (kind, by) in [(Kind::SmartId, by_smart_id as fn(&_) -> _), (Kind::MobileId, by_mobile_id)] {
        let service = world.service(session(|| Reply::Status(404)));
        let error: Error = by(&world.config(&service)).unwrap_err();
        assert_eq!(state(&error, kind), EndState::UnknownSession);
        assert!(error.may_be_tried_again());
        let service = world.service(|request, _| match request.method.as_str() {
            "POST" => Reply::Json(json!({ "sessionID": SESSION })),
            _ => Reply::Status(401),
        });
        let error = by(&world.config(&service)).unwrap_err();
        assert_eq!(state(&error, kind), EndState::UnknownRelyingParty);
    }
}
