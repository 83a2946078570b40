//! Services that are busy, slow, silent or gone, and people who give up.

use std::time::Duration;

use cdoc2_client::auth::{Algorithm, AuthSigner, Error, MobileId, Pace, Service as Kind, Signed, SmartId};
use cdoc2_client::config::SigningService;
use cdoc2_client::https::{self, Timeouts};
use serde_json::json;

use crate::phone::{
    INPUT, PHONE, SESSION, Terminal, World, by_mobile_id, by_smart_id, es256, mari, mobile_id_ok, pace, rs256, session, smart_id_ok,
};
use crate::service::Reply;

fn with_pace(config: &SigningService, pace: Pace) -> Result<Signed, Error> {
    SmartId::new(config, pace).sign(&mari(), INPUT, Algorithm::Rs256, &mut Terminal::new())
}

#[test]
fn a_busy_service_is_asked_again() {
    let world = World::new();
    let (key, sim) = (world.smart_id(), world.mobile_id());
    let smart_id = smart_id_ok(key.certificate(), &rs256(&key, INPUT));
    let mobile_id = mobile_id_ok(sim.certificate(), &es256(&sim, INPUT), "SHA256WithECEncryption");
    for (by, statuses, ok) in
        [(by_smart_id as fn(&_) -> Result<Signed, Error>, [502, 429], smart_id), (by_mobile_id, [503, 429], mobile_id)]
    {
        // Four failures in a row are forgiven, and then one more row of them.
        let service = world.service(move |_, before| match before {
            0 | 1 => Reply::Status(statuses[before]),
            2 => Reply::Json(json!({ "sessionID": SESSION })),
            3 => Reply::Status(500),
            4 => Reply::Nothing,
            5 | 6 => Reply::Status(502),
            7 => Reply::Json(json!({ "state": "RUNNING" })),
            8 | 9 => Reply::Octets(503, "retry-after: 0\r\n", Vec::new()),
            _ => Reply::Json(ok.clone()),
        });
        by(&world.config(&service)).unwrap();
        let methods: String = service.asked().iter().map(|request| request.method.chars().next().unwrap()).collect();
        assert_eq!(methods, "PPPGGGGGGGG");
    }
}

#[test]
fn a_service_that_stays_out_of_order_is_given_up() {
    let world = World::new();
    let max_failures = usize::try_from(Pace::default().max_failures).unwrap();
    for begins in [false, true] {
        let service = world.service(move |request, _| match request.method.as_str() {
            "POST" if begins => Reply::Json(json!({ "sessionID": SESSION })),
            _ => Reply::Status(503),
        });
        let error = by_smart_id(&world.config(&service)).unwrap_err();
        assert!(matches!(error, Error::Service { service: Kind::SmartId, reason: https::Error::Busy(None) }), "{error}");
        assert!(error.may_be_tried_again());
        assert_eq!(service.asked().len(), max_failures + usize::from(begins));
    }
    // Later than there is time for.
    let service = world.service(|_, _| Reply::Octets(429, "retry-after: 3600\r\n", Vec::new()));
    let error = by_smart_id(&world.config(&service)).unwrap_err();
    let busy = matches!(error, Error::Service { reason: https::Error::Busy(Some(wait)), .. } if wait == Duration::from_secs(3600));
    assert!(busy, "{error}");
    assert_eq!(service.asked().len(), 1);
}

#[test]
fn a_service_that_is_gone_is_said_at_once() {
    let world = World::new();
    let service = world.service(|_, _| Reply::Nothing);
    let config = world.config(&service);
    drop(service);
    for error in [by_smart_id(&config).unwrap_err(), by_mobile_id(&config).unwrap_err()] {
        assert!(matches!(error, Error::Service { reason: https::Error::Connect { .. }, .. }), "{error}");
        assert!(error.may_be_tried_again());
    }
}

#[test]
fn a_session_that_never_ends_is_given_up() {
    let world = World::new();
    let service = world.service(session(|| Reply::Json(json!({ "state": "RUNNING" }))));
    let hurried = Pace { deadline: Duration::from_millis(300), long_poll: Duration::from_millis(100), ..pace() };
    let error = with_pace(&world.config(&service), hurried).unwrap_err();
    assert!(matches!(error, Error::Unfinished(Kind::SmartId)), "{error}");
    assert!(error.may_be_tried_again());
    // The service is never asked to wait for longer than there is time.
    for request in service.asked().iter().filter(|request| request.method == "GET") {
        let wait: u64 = request.target.split_once("?timeoutMs=").unwrap().1.parse().unwrap();
        assert!(wait <= 100, "{wait}");
    }
}

#[test]
fn a_silent_service_is_left_in_the_end() {
    let world = World::new();
    let service = world.service(|_, _| Reply::Silence);
    let hurried = Pace { timeouts: Timeouts { total: Duration::from_millis(100), ..Timeouts::default() }, ..pace() };
    let error = with_pace(&world.config(&service), hurried).unwrap_err();
    assert!(matches!(error, Error::Service { reason: https::Error::TimedOut { .. }, .. }), "{error}");
}

/// The service would keep everybody waiting until the end of the test: only who gives up gets on.
#[test]
fn whoever_gives_up_need_not_wait() {
    let world = World::new();
    for silent_at in [0, 1, 2] {
        let service = world.service(move |request, before| match request.method.as_str() {
            _ if before == silent_at => Reply::Silence,
            "POST" => Reply::Json(json!({ "sessionID": SESSION })),
            _ => Reply::Json(json!({ "state": "RUNNING" })),
        });
        let config = world.config(&service);
        let mut terminal = Terminal::giving_up(|| service.asked().len() > silent_at);
        let error = if silent_at == 1 {
            let mut signer = MobileId::new(&config, PHONE.parse().unwrap(), pace());
            signer.sign(&mari(), INPUT, Algorithm::Es256, &mut terminal).unwrap_err()
        } else {
            SmartId::new(&config, pace()).sign(&mari(), INPUT, Algorithm::Rs256, &mut terminal).unwrap_err()
        };
        assert!(matches!(error, Error::Cancelled), "{silent_at}: {error}");
        assert!(!error.may_be_tried_again());
        assert_eq!((terminal.codes.len(), service.asked().len()), (1, silent_at + 1));
    }
}

#[test]
fn whoever_gives_up_between_two_attempts_makes_no_other() {
    let world = World::new();
    let service = world.service(|_, _| Reply::Status(503));
    let slow = Pace { back_off: Duration::from_secs(30), ..pace() };
    let config = world.config(&service);
    // A few questions after the one and only request, so that a better time is waited for already.
    let mut questions = 0;
    let mut terminal = Terminal::giving_up(|| {
        questions += service.asked().len();
        questions > 5
    });
    let error = SmartId::new(&config, slow).sign(&mari(), INPUT, Algorithm::Rs256, &mut terminal).unwrap_err();
    assert!(matches!(error, Error::Cancelled), "{error}");
    assert_eq!(service.asked().len(), 1);
}
