//! Every way in which a session can end without a signature has its own name, its own words, and advice.

use std::collections::HashSet;
use std::time::Duration;

use cdoc2_client::auth::{Algorithm, AuthSigner as _, EndState, Error, MobileId, Service as Kind, SmartId};
use cdoc2_client::config::SigningService;
use cdoc2_client::https;
use cdoc2_testbed::phone::{Behaviour, Timing, mobile_id, smart_id};
use serde_json::json;

use crate::bed::Bed;
use crate::phone::{PHONE, Terminal, World, by_mobile_id, by_smart_id, pace, session};
use crate::service::Reply;

fn state(error: &Error, kind: Kind) -> EndState {
    match error {
        Error::Ended { service, state } if *service == kind => state.clone(),
        other => panic!("{other}"),
    }
}

#[test]
fn smart_id_says_why() {
    let bed = Bed::new();
    let mut words = HashSet::new();
    for (end, expected, again) in [
        (smart_id::End::UserRefused, EndState::Refused, true),
        (smart_id::End::Timeout, EndState::TimedOut, true),
        (smart_id::End::DocumentUnusable, EndState::DocumentUnusable, false),
        (smart_id::End::WrongVc, EndState::WrongCode, true),
        (smart_id::End::RequiredInteractionNotSupportedByApp, EndState::InteractionNotSupported, false),
        (smart_id::End::UserRefusedCertChoice, EndState::RefusedAccountChoice, true),
        (smart_id::End::UserRefusedDisplayTextAndPin, EndState::RefusedPin, true),
        (smart_id::End::UserRefusedVcChoice, EndState::RefusedCodeChoice, true),
        (smart_id::End::UserRefusedConfirmationMessage, EndState::RefusedQuestion, true),
        (smart_id::End::UserRefusedConfirmationMessageWithVcChoice, EndState::RefusedQuestionWithCodeChoice, true),
    ] {
        bed.smart_id.set_behaviour(Behaviour::Ends(end));
        let error = bed.smart_id_error();
        assert_eq!(state(&error, Kind::SmartId), expected);
        assert_eq!(error.may_be_tried_again(), again, "{end:?}");
        assert!(error.to_string().starts_with("Smart-ID: ") && words.insert(error.to_string()), "{error}");
    }
}

#[test]
fn mobile_id_says_why() {
    let bed = Bed::new();
    let mut words = HashSet::new();
    for (end, expected, again) in [
        (mobile_id::End::Timeout, EndState::TimedOut, true),
        (mobile_id::End::NotMidClient, EndState::NotMobileId, false),
        (mobile_id::End::UserCancelled, EndState::Refused, true),
        (mobile_id::End::SignatureHashMismatch, EndState::SimMismatch, false),
        (mobile_id::End::PhoneAbsent, EndState::PhoneAbsent, true),
        (mobile_id::End::DeliveryError, EndState::DeliveryFailed, true),
        (mobile_id::End::SimError, EndState::SimFailed, true),
    ] {
        bed.mobile_id.set_behaviour(Behaviour::Ends(end));
        let error = bed.mobile_id_error();
        assert_eq!(state(&error, Kind::MobileId), expected);
        assert_eq!(error.may_be_tried_again(), again, "{end:?}");
        assert!(error.to_string().starts_with("Mobile-ID: ") && words.insert(error.to_string()), "{error}");
    }
}

#[test]
fn whoever_ignores_the_phone_times_out() {
    let bed = Bed::new();
    bed.smart_id.set_behaviour(Behaviour::Ignores);
    bed.mobile_id.set_behaviour(Behaviour::Ignores);
    let timing = Timing { answered_within: Duration::from_millis(50), ..Timing::default() };
    bed.testbed.smart_id().set_timing(timing);
    bed.testbed.mobile_id().set_timing(timing);
    assert_eq!(state(&bed.smart_id_error(), Kind::SmartId), EndState::TimedOut);
    assert_eq!(state(&bed.mobile_id_error(), Kind::MobileId), EndState::TimedOut);
}

#[test]
fn words_that_are_in_no_document_are_shown() {
    let world = World::new();
    let complete =
        |result: serde_json::Value| session(move || Reply::Json(json!({ "state": "COMPLETE", "result": result.clone() })));
    let service = world.service(complete(json!({ "endResult": "SOMETHING_NEW" })));
    let error = by_smart_id(&world.config(&service)).unwrap_err();
    assert_eq!(state(&error, Kind::SmartId), EndState::Other("SOMETHING_NEW".to_owned()));
    let service = world.service(complete(json!("SOMETHING_NEW")));
    let error = by_mobile_id(&world.config(&service)).unwrap_err();
    assert_eq!(state(&error, Kind::MobileId), EndState::Other("SOMETHING_NEW".to_owned()));
    assert!(!error.may_be_tried_again());
}

#[test]
fn sessions_that_do_not_begin_say_why() {
    let bed = Bed::new();
    let begins = |expected: EndState, again: bool| {
        let before = bed.testbed.smart_id().requests();
        let error = bed.smart_id_error();
        assert_eq!(bed.testbed.smart_id().requests() - before, 1);
        assert_eq!(state(&error, Kind::SmartId), expected);
        assert_eq!(error.may_be_tried_again(), again, "{expected:?}");
    };
    for (status, expected, again) in
        [(smart_id::NO_SUITABLE_ACCOUNT, EndState::NoFitAccount, false), (smart_id::SEE_APP, EndState::SeeApp, true)]
    {
        bed.smart_id.set_behaviour(Behaviour::Status(status));
        begins(expected, again);
    }
    for (status, expected) in
        [(403, EndState::Forbidden), (smart_id::TOO_OLD, EndState::TooOld), (smart_id::MAINTENANCE, EndState::Maintenance)]
    {
        bed.testbed.smart_id().set_status(Some(status));
        begins(expected, false);
    }
    bed.testbed.smart_id().set_status(None);
    let (config, mut terminal) = (bed.config(), Terminal::new());
    let mut smart_id = SmartId::new(config.smart_id().unwrap(), pace());
    let jaan = "etsi/PNOEE-38001085718".parse().unwrap();
    let error = smart_id.sign(&jaan, &bed.input(), Algorithm::Rs256, &mut terminal).unwrap_err();
    assert_eq!((state(&error, Kind::SmartId), error.may_be_tried_again()), (EndState::NoAccount, false));
    let mut mobile_id = MobileId::new(config.mobile_id().unwrap(), PHONE.parse().unwrap(), pace());
    let error = mobile_id.sign(&jaan, &bed.input(), Algorithm::Es256, &mut terminal).unwrap_err();
    assert_eq!(state(&error, Kind::MobileId), EndState::NotMobileId);

    let config = bed.config_of_a_stranger();
    let error = bed.by_smart_id(config.smart_id().unwrap(), &mut terminal).unwrap_err();
    assert_eq!((state(&error, Kind::SmartId), error.may_be_tried_again()), (EndState::UnknownRelyingParty, false));
    let error = bed.by_mobile_id(config.mobile_id().unwrap(), &mut terminal).unwrap_err();
    assert_eq!((state(&error, Kind::MobileId), error.may_be_tried_again()), (EndState::UnknownRelyingParty, false));
    // A code is shown before anybody is asked, but no phone has shown one.
    assert!(bed.smart_id.displayed().is_empty() && bed.mobile_id.displayed().is_empty());
}

/// What the status of the first answer means; nothing else is asked.
fn begun(world: &World, status: u16, by: fn(&SigningService) -> Result<cdoc2_client::auth::Signed, Error>) -> Error {
    let service = world.service(move |_, _| Reply::Status(status));
    let error = by(&world.config(&service)).unwrap_err();
    assert_eq!(service.asked().len(), 1, "{status}");
    error
}

#[test]
fn other_statuses_are_no_end_states() {
    let world = World::new();
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
    let bed = Bed::new();
    let timing = Timing { remembered_for: Duration::ZERO, ..Timing::default() };
    bed.testbed.smart_id().set_timing(timing);
    bed.testbed.mobile_id().set_timing(timing);
    for (kind, error) in [(Kind::SmartId, bed.smart_id_error()), (Kind::MobileId, bed.mobile_id_error())] {
        assert_eq!(state(&error, kind), EndState::UnknownSession);
        assert!(error.may_be_tried_again());
    }
}

#[test]
fn who_asks_may_be_forgotten_meanwhile() {
    let world = World::new();
    for (kind, by) in [(Kind::SmartId, by_smart_id as fn(&_) -> _), (Kind::MobileId, by_mobile_id)] {
        let service = world.service(session(|| Reply::Status(401)));
        let error: Error = by(&world.config(&service)).unwrap_err();
        assert_eq!(state(&error, kind), EndState::UnknownRelyingParty);
    }
}
