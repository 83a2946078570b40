//! A server's interface without a network: requests as octets, and what every answer must be like.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use cdoc2_api::{ExpiryTime, expiry};
use tokio::runtime::Runtime;
use tower::ServiceExt as _;

/// Octets of the longest answer to a request that is refused.
const MAX_REFUSAL_LEN: usize = 512;
/// Octets of the longest answer: a capsule in base64.
const MAX_ANSWER_LEN: usize = 8192;

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        let mut values = self.headers.get_all(name).iter();
        let (Some(value), None) = (values.next(), values.next()) else { panic!("not one {name}") };
        value.to_str().unwrap()
    }

    pub(crate) fn expiry(&self) -> ExpiryTime {
        self.header(expiry::HEADER).parse().unwrap()
    }
}

/// What the server's HTTP library would make of `octets`.
pub(crate) fn request(octets: &[u8]) -> Option<Request<Vec<u8>>> {
    let mut fields = [httparse::EMPTY_HEADER; 16];
    let mut parsed = httparse::Request::new(&mut fields);
    let httparse::Status::Complete(body) = parsed.parse(octets).ok()? else { return None };
    let mut request = Request::builder().method(parsed.method?).uri(parsed.path?);
    for field in parsed.headers {
        request = request.header(field.name, field.value);
    }
    request.body(octets[body..].to_vec()).ok()
}

/// The answer, which is one of the interface's, and bounded.
pub(crate) fn ask(runtime: &Runtime, router: &Router, request: Request<Vec<u8>>) -> Answer {
    let is_head = request.method() == Method::HEAD;
    let (head, body) = runtime.block_on(async {
        let (head, body) = router.clone().oneshot(request.map(Body::from)).await.unwrap().into_parts();
        (head, to_bytes(body, MAX_ANSWER_LEN).await.expect("an answer that ends, and soon").to_vec())
    });
    let answer = Answer { status: head.status, headers: head.headers, body };
    let fields_len: usize = answer.headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    assert!(fields_len < 512, "{:?}", answer.headers);
    match answer.status.as_u16() {
        200 | 201 => {}
        400 | 401 | 404 | 405 | 413 | 415 => {
            assert_eq!(answer.header(CONTENT_TYPE.as_str()), "application/json");
            assert!(answer.body.len() <= MAX_REFUSAL_LEN, "{}", String::from_utf8_lossy(&answer.body));
            if !(is_head && answer.body.is_empty()) {
                let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
                let text = body.as_object().filter(|object| object.len() == 1).and_then(|object| object["error"].as_str());
                assert!(text.is_some_and(|text| !text.is_empty()), "{body}");
            }
        }
        // Nothing is slow, too much or out of order here.
        status => panic!("{status}"),
    }
    answer
}
