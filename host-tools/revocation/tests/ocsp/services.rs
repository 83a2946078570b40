//! Look-ups: what is asked, remembered and decided.

use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use metrics_exporter_prometheus::PrometheusBuilder;
use revocation::ocsp::build::refuse;
use revocation::ocsp::{Fault, Nonce, NonceRule, RESPONSE_TYPE, Refusal, Status};
use revocation::service::{BreakerSettings, Denied, Failure, HttpError, Question};
use revocation::{Clock as _, Ocsp, Policy, Settings};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use crate::peers::{Hands, Peer, Reply, answer_to, answers_to};
use crate::pki::{NOON, Owner, at, question, response_of, revoked, says};

/// A root, its responder, a service that asks it, and the time.
struct Scene {
    root: Arc<Owner>,
    peer: Peer,
    clock: Arc<Hands>,
    ocsp: Ocsp,
}

impl Scene {
    /// The responder says that everything is good.
    async fn new(policy: Policy) -> Self {
        Self::with(|settings| settings.policy = policy).await
    }

    async fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let (root, clock) = (Arc::new(Owner::root("root")), Hands::at(NOON));
        let peer = Peer::start(|_| Reply::HangUp).await;
        let mut settings = Settings::default();
        settings.url = Some(peer.url.clone());
        settings.breaker = BreakerSettings { failures: 1000, pause: Duration::from_secs(15) };
        change(&mut settings);
        let ocsp = Ocsp::with_clock(settings, Handle::current(), clock.clone());
        let scene = Self { root, peer, clock, ocsp };
        scene.responder_says(Status::Good);
        scene
    }

    fn responder_says(&self, status: Status) {
        let (root, clock) = (Arc::clone(&self.root), Arc::clone(&self.clock));
        self.peer.now(move |request| Reply::ocsp(answer_to(request, &root, status, clock.now())));
    }

    fn question(&self, number: u8) -> Question {
        question(&self.root.issuer(), number)
    }

    /// Why there is no answer if the responder behaves so.
    async fn failure(&self, behave: impl Fn(&[u8]) -> Reply + Send + Sync + 'static) -> Failure {
        self.peer.now(behave);
        match self.check().await {
            Err(Denied::NoAnswer(failure)) => failure,
            other => panic!("{other:?}"),
        }
    }

    async fn check(&self) -> Result<(), Denied> {
        self.ocsp.check(&self.question(7)).await
    }
}

const NO_CONNECTION: Result<(), Denied> = Err(Denied::NoAnswer(Failure::Http(HttpError::Connection)));

#[tokio::test]
async fn every_status_decides() {
    let scene = Scene::new(Policy::Hard).await;
    for (number, status, decision) in
        [(1, Status::Good, Ok(())), (2, revoked(), Err(Denied::Revoked)), (3, Status::Unknown, Err(Denied::Unknown))]
    {
        scene.responder_says(status);
        assert_eq!(scene.ocsp.check(&scene.question(number)).await, decision);
    }
}

#[tokio::test]
async fn whatever_is_no_answer_is_told_apart() {
    let scene = Scene::new(Policy::Hard).await;
    let good = {
        let root = Arc::clone(&scene.root);
        move |request: &[u8]| answer_to(request, &root, Status::Good, at(NOON))
    };
    let http = Failure::Http;
    assert_eq!(scene.failure(|_| Reply::HangUp).await, http(HttpError::Connection));
    assert_eq!(scene.failure(|_| Reply::Now(500, RESPONSE_TYPE, vec![])).await, http(HttpError::Status(500)));
    assert_eq!(scene.failure(|_| Reply::Now(302, RESPONSE_TYPE, vec![])).await, http(HttpError::Status(302)));
    assert_eq!(scene.failure(|_| Reply::Now(200, "text/html", vec![])).await, http(HttpError::Type));
    assert_eq!(scene.failure(|_| Reply::ocsp(vec![0x30; 1 << 20])).await, http(HttpError::TooLong));
    assert_eq!(scene.failure(|_| Reply::ocsp(b"garbage".to_vec())).await.name(), "malformed");
    assert_eq!(scene.failure(|_| Reply::ocsp(vec![])).await.name(), "malformed");
    let answer = good.clone();
    let cut = move |request: &[u8]| {
        let octets = answer(request);
        Reply::ocsp(octets[..octets.len() - 1].to_vec())
    };
    assert_eq!(scene.failure(cut).await.name(), "malformed");
    for refusal in [Refusal::TryLater, Refusal::Unauthorized, Refusal::InternalError] {
        assert_eq!(scene.failure(move |_| Reply::ocsp(refuse(refusal).unwrap())).await, Failure::Refused(refusal));
    }
    let stranger = Owner::root("root");
    let scene_root = Arc::clone(&scene.root);
    let forged = move |request: &[u8]| {
        let request = revocation::ocsp::Request::parse(request).unwrap();
        let id = request.certificates[0].clone();
        let response = response_of(&scene_root, at(NOON), request.nonce).answer(says(id, Status::Good, at(NOON)));
        Reply::ocsp(stranger.sign(response))
    };
    assert_eq!(scene.failure(forged).await, Failure::Fault(Fault::Signature));
}

#[tokio::test]
async fn responder_that_is_slow_is_not_waited_for() {
    let scene = Scene::with(|settings| settings.timeout = Duration::from_millis(1)).await;
    assert_eq!(scene.failure(|_| Reply::Never).await, Failure::Http(HttpError::Timeout));
}

#[tokio::test]
async fn replayed_answer_is_not_believed() {
    let scene = Scene::new(Policy::Hard).await;
    let root = Arc::clone(&scene.root);
    scene.peer.now(move |request| {
        let request = revocation::ocsp::Request::parse(request).unwrap();
        let good = says(request.certificates[0].clone(), Status::Good, at(NOON));
        Reply::ocsp(root.sign(response_of(&root, at(NOON), Some(Nonce::random().unwrap())).answer(good)))
    });
    assert_eq!(scene.check().await, Err(Denied::NoAnswer(Failure::Fault(Fault::OtherNonce))));
}

#[tokio::test]
async fn nonce_is_sent_unless_omitted() {
    for (rule, sent) in [(NonceRule::Omitted, false), (NonceRule::Optional, true), (NonceRule::Required, true)] {
        let scene = Scene::with(|settings| settings.rules.nonce = rule).await;
        let root = Arc::clone(&scene.root);
        scene.peer.now(move |request| {
            assert_eq!(revocation::ocsp::Request::parse(request).unwrap().nonce.is_some(), sent);
            Reply::ocsp(answer_to(request, &root, Status::Good, at(NOON)))
        });
        assert_eq!(scene.check().await, Ok(()));
    }
}

#[tokio::test]
async fn responder_of_the_certificate_is_asked() {
    let scene = Scene::with(|settings| settings.url = None).await;
    assert_eq!(scene.check().await, Err(Denied::NoAnswer(Failure::NoResponder)));
    let mut question = scene.question(7);
    question.responder = Some("https://localhost/".into());
    assert_eq!(scene.ocsp.check(&question).await, Err(Denied::NoAnswer(Failure::Http(HttpError::Address))));
    question.responder = Some(scene.peer.url.clone());
    assert_eq!(scene.ocsp.check(&question).await, Ok(()));
}

#[tokio::test]
async fn answer_is_remembered_until_the_maximum_age() {
    let scene = Scene::new(Policy::Hard).await;
    for _ in 0..3 {
        assert_eq!(scene.check().await, Ok(()));
    }
    assert_eq!(scene.peer.asked(), 1);
    scene.clock.forward(15 * 60);
    assert_eq!(scene.check().await, Ok(()));
    assert_eq!(scene.peer.asked(), 2);
    scene.ocsp.check(&scene.question(8)).await.unwrap();
    assert_eq!(scene.peer.asked(), 3, "another certificate is another question");
}

#[tokio::test]
async fn answer_is_remembered_until_its_next_update() {
    let scene = Scene::new(Policy::Hard).await;
    let (root, clock) = (Arc::clone(&scene.root), Arc::clone(&scene.clock));
    scene.peer.now(move |request| {
        Reply::ocsp(answers_to(request, &root, clock.now(), |certificate| {
            let mut answer = says(certificate, Status::Good, clock.now());
            answer.next_update = Some(at(clock.now().as_secs() + 100));
            answer
        }))
    });
    assert_eq!(scene.check().await, Ok(()));
    scene.clock.forward(74);
    assert_eq!(scene.check().await, Ok(()));
    assert_eq!(scene.peer.asked(), 1);
    scene.clock.forward(26);
    assert_eq!(scene.check().await, Ok(()));
    assert_eq!(scene.peer.asked(), 2);
}

#[tokio::test]
async fn answer_is_refreshed_before_it_expires() {
    let scene = Scene::new(Policy::Hard).await;
    assert_eq!(scene.check().await, Ok(()));
    let gate = Arc::new(Semaphore::new(0));
    let (root, clock, closed) = (Arc::clone(&scene.root), Arc::clone(&scene.clock), Arc::clone(&gate));
    scene.peer.now(move |request| Reply::Later(Arc::clone(&closed), answer_to(request, &root, revoked(), clock.now())));
    scene.clock.forward(15 * 60 * 3 / 4);
    assert_eq!(scene.ocsp.recall(&scene.question(7)), Some(Ok(())), "the old answer serves");
    scene.peer.until_asked(2).await;
    assert_eq!(scene.ocsp.recall(&scene.question(7)), Some(Ok(())), "and is asked for once");
    gate.add_permits(1);
    // What is remembered has expired; whether the new answer has come or is awaited, it is the second.
    scene.clock.forward(15 * 60 / 4);
    assert_eq!(scene.check().await, Err(Denied::Revoked));
    assert_eq!(scene.peer.asked(), 2);
}

#[tokio::test]
async fn one_question_serves_all_who_wait() {
    let scene = Scene::new(Policy::Hard).await;
    let gate = Arc::new(Semaphore::new(0));
    let (root, closed) = (Arc::clone(&scene.root), Arc::clone(&gate));
    scene.peer.now(move |request| Reply::Later(Arc::clone(&closed), answer_to(request, &root, Status::Good, at(NOON))));
    let question = scene.question(7);
    let mut checks: Vec<Pin<Box<_>>> = (0..100).map(|_| Box::pin(scene.ocsp.check(&question))).collect();
    std::future::poll_fn(|context| {
        assert!(checks.iter_mut().all(|check| check.as_mut().poll(context).is_pending()));
        Poll::Ready(())
    })
    .await;
    gate.add_permits(1);
    for check in checks {
        assert_eq!(check.await, Ok(()));
    }
    assert_eq!(scene.peer.asked(), 1);
}

#[tokio::test]
async fn answer_comes_though_who_asked_is_gone() {
    let scene = Scene::new(Policy::Hard).await;
    let question = scene.question(7);
    let mut check = Box::pin(scene.ocsp.check(&question));
    std::future::poll_fn(|context| {
        assert!(check.as_mut().poll(context).is_pending());
        Poll::Ready(())
    })
    .await;
    drop(check);
    assert_eq!(scene.check().await, Ok(()));
    assert_eq!(scene.peer.asked(), 1);
}

#[tokio::test]
async fn too_many_questions_are_turned_down_at_once() {
    let scene = Scene::with(|settings| settings.max_pending = 2).await;
    scene.peer.now(|_| Reply::Never);
    let questions = [scene.question(1), scene.question(2)];
    let mut pending: Vec<Pin<Box<_>>> = questions.iter().map(|question| Box::pin(scene.ocsp.check(question))).collect();
    std::future::poll_fn(|context| {
        assert!(pending.iter_mut().all(|check| check.as_mut().poll(context).is_pending()));
        Poll::Ready(())
    })
    .await;
    assert_eq!(scene.ocsp.check(&scene.question(3)).await, Err(Denied::NoAnswer(Failure::Busy)));
}

#[tokio::test]
async fn hard_policy_needs_an_answer() {
    let scene = Scene::new(Policy::Hard).await;
    assert_eq!(scene.check().await, Ok(()));
    scene.peer.now(|_| Reply::HangUp);
    scene.clock.forward(899);
    assert_eq!(scene.check().await, Ok(()), "it is remembered");
    scene.clock.forward(1);
    assert_eq!(scene.check().await, NO_CONNECTION);
    scene.responder_says(Status::Good);
    assert_eq!(scene.check().await, Ok(()));
}

#[tokio::test]
async fn grace_is_given_to_who_was_good_and_ends() {
    let scene = Scene::new(Policy::Grace(Duration::from_secs(1000))).await;
    assert_eq!(scene.check().await, Ok(()));
    scene.peer.now(|_| Reply::HangUp);
    assert_eq!(scene.ocsp.check(&scene.question(8)).await, NO_CONNECTION, "nothing is known of this one");
    // The answer named a nextUpdate an hour away.
    scene.clock.forward(3600 + 999);
    assert_eq!(scene.check().await, Ok(()));
    scene.clock.forward(1);
    assert_eq!(scene.check().await, NO_CONNECTION);
}

#[tokio::test]
async fn grace_covers_a_responder_that_lies() {
    let scene = Scene::new(Policy::Grace(Duration::from_secs(1000))).await;
    assert_eq!(scene.check().await, Ok(()));
    scene.peer.now(|_| Reply::ocsp(b"garbage".to_vec()));
    scene.clock.forward(3600);
    assert_eq!(scene.check().await, Ok(()));
}

#[tokio::test]
async fn soft_policy_takes_what_is_not_known() {
    let scene = Scene::new(Policy::Soft).await;
    scene.peer.now(|_| Reply::HangUp);
    assert_eq!(scene.check().await, Ok(()));
}

#[tokio::test]
async fn what_a_responder_said_is_never_softened() {
    for policy in [Policy::Hard, Policy::Grace(Duration::from_secs(1_000_000)), Policy::Soft] {
        let scene = Scene::new(policy).await;
        assert_eq!(scene.check().await, Ok(()));
        scene.clock.forward(900);
        for (status, denied) in [(revoked(), Denied::Revoked), (Status::Unknown, Denied::Unknown)] {
            scene.responder_says(status);
            assert_eq!(scene.check().await, Err(denied));
            scene.peer.now(|_| Reply::HangUp);
            scene.clock.forward(100_000);
            assert_eq!(scene.check().await, Err(denied), "{policy:?}");
        }
        scene.responder_says(Status::Good);
        assert_eq!(scene.check().await, Ok(()), "a suspension may end");
    }
}

#[tokio::test]
async fn old_answer_does_not_clear_who_was_revoked_since() {
    let scene = Scene::with(|settings| settings.rules.nonce = NonceRule::Omitted).await;
    scene.clock.forward(100);
    scene.responder_says(revoked());
    assert_eq!(scene.check().await, Err(Denied::Revoked));
    scene.clock.forward(900);
    let replay = |said_at| {
        let root = Arc::clone(&scene.root);
        scene.peer.now(move |request| Reply::ocsp(answer_to(request, &root, Status::Good, at(said_at))));
    };
    replay(NOON + 99);
    assert_eq!(scene.check().await, Err(Denied::Revoked));
    replay(NOON + 100);
    assert_eq!(scene.check().await, Ok(()));
}

#[tokio::test]
async fn unknown_certificate_is_asked_about_again_soon() {
    let scene = Scene::new(Policy::Hard).await;
    scene.responder_says(Status::Unknown);
    assert_eq!(scene.check().await, Err(Denied::Unknown));
    scene.responder_says(Status::Good);
    assert_eq!(scene.check().await, Err(Denied::Unknown));
    scene.clock.forward(60);
    assert_eq!(scene.check().await, Ok(()));
}

#[tokio::test]
async fn revoked_ones_are_not_driven_out_by_others() {
    let scene = Scene::with(|settings| {
        settings.policy = Policy::Soft;
        settings.max_remembered = 2;
    })
    .await;
    scene.responder_says(revoked());
    assert_eq!(scene.check().await, Err(Denied::Revoked));
    scene.responder_says(Status::Good);
    for number in 10..20 {
        assert_eq!(scene.ocsp.check(&scene.question(number)).await, Ok(()));
    }
    scene.peer.now(|_| Reply::HangUp);
    assert_eq!(scene.check().await, Err(Denied::Revoked));
    let asked = scene.peer.asked();
    assert_eq!(scene.ocsp.check(&scene.question(10)).await, Ok(()));
    assert_eq!(scene.peer.asked(), asked + 1, "it was driven out");
}

#[tokio::test]
async fn responder_that_fails_is_left_alone_and_tried_again() {
    let scene = Scene::with(|settings| settings.breaker = BreakerSettings { failures: 3, pause: Duration::from_secs(15) }).await;
    scene.peer.now(|_| Reply::Now(503, "text/plain", vec![]));
    let unavailable = Err(Denied::NoAnswer(Failure::Http(HttpError::Status(503))));
    let left_alone = Err(Denied::NoAnswer(Failure::LeftAlone));
    for _ in 0..3 {
        assert_eq!(scene.check().await, unavailable);
    }
    assert_eq!(scene.check().await, left_alone);
    assert_eq!(scene.peer.asked(), 3);
    scene.clock.forward(15);
    assert_eq!(scene.check().await, unavailable, "tried once");
    assert_eq!(scene.check().await, left_alone);
    scene.responder_says(Status::Good);
    assert_eq!(scene.check().await, left_alone);
    scene.clock.forward(15);
    assert_eq!(scene.check().await, Ok(()));
    assert_eq!(scene.ocsp.check(&scene.question(8)).await, Ok(()), "everybody may ask again");
}

#[tokio::test]
async fn flapping_responder_is_not_left_alone() {
    let scene = Scene::with(|settings| settings.breaker.failures = 2).await;
    for number in 0..20 {
        scene.peer.now(|_| Reply::ocsp(refuse(Refusal::TryLater).unwrap()));
        assert_eq!(scene.ocsp.check(&scene.question(number)).await, Err(Denied::NoAnswer(Failure::Refused(Refusal::TryLater))));
        scene.responder_says(Status::Good);
        assert_eq!(scene.ocsp.check(&scene.question(number)).await, Ok(()));
    }
}

#[tokio::test]
async fn odd_answers_do_not_shut_others_out() {
    let scene = Scene::with(|settings| settings.breaker.failures = 1).await;
    for _ in 0..3 {
        scene.peer.now(|_| Reply::ocsp(refuse(Refusal::Unauthorized).unwrap()));
        assert_eq!(scene.check().await, Err(Denied::NoAnswer(Failure::Refused(Refusal::Unauthorized))));
        scene.peer.now(|_| Reply::ocsp(b"garbage".to_vec()));
        assert!(scene.check().await.is_err());
    }
    scene.responder_says(Status::Good);
    assert_eq!(scene.ocsp.check(&scene.question(8)).await, Ok(()));
}

#[tokio::test]
async fn responder_that_is_down_is_no_answer() {
    let closed = {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        format!("http://{}/", listener.local_addr().unwrap())
    };
    let scene = Scene::with(|settings| settings.url = Some(closed)).await;
    assert_eq!(scene.check().await, NO_CONNECTION);
}

#[test]
fn runtime_that_is_gone_is_no_answer() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let scene = runtime.block_on(Scene::new(Policy::Hard));
    runtime.shutdown_background();
    let other = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    assert_eq!(other.block_on(scene.check()), Err(Denied::NoAnswer(Failure::Internal)));
}

#[tokio::test]
async fn everything_is_counted() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let page = recorder.handle();
    // Whatever the service does here, it does on this thread.
    let _guard = metrics::set_default_local_recorder(&recorder);
    revocation::describe_metrics();
    let scene = Scene::with(|settings| {
        settings.policy = Policy::Grace(Duration::from_secs(60));
        settings.breaker = BreakerSettings { failures: 1, pause: Duration::from_secs(15) };
    })
    .await;
    scene.check().await.unwrap();
    scene.check().await.unwrap();
    scene.peer.now(|_| Reply::HangUp);
    scene.clock.forward(3600);
    scene.check().await.unwrap();
    assert!(scene.ocsp.check(&scene.question(8)).await.is_err());
    let page = page.render();
    let taken = format!("ocsp_request_duration_seconds_count{{responder=\"{}\"}} 2", scene.peer.url);
    let breaker = format!("ocsp_breaker_open{{responder=\"{}\"}} 1", scene.peer.url);
    for line in [
        "ocsp_requests_total{outcome=\"good\"} 1",
        "ocsp_requests_total{outcome=\"http\"} 1",
        "ocsp_requests_total{outcome=\"left_alone\"} 1",
        "ocsp_cache_total{result=\"hit\"} 1",
        "ocsp_cache_total{result=\"expired\"} 1",
        "ocsp_cache_total{result=\"miss\"} 2",
        "ocsp_decisions_total{decision=\"accepted\"} 2",
        "ocsp_decisions_total{decision=\"accepted_without_answer\"} 1",
        "ocsp_decisions_total{decision=\"refused_without_answer\"} 1",
        "ocsp_pending_requests 0",
        &taken,
        &breaker,
    ] {
        assert!(page.lines().any(|found| found == line), "{line}\n{page}");
    }
}
