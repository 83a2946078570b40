//! What a client gets instead of what it asked for.

use std::borrow::Cow;
use std::time::Duration;

use axum::Json;
use axum::http::header::{CONNECTION, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// Why a request is not answered. Sorted by status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The request is wrong; the text tells the sender what in it.
    BadRequest(Cow<'static, str>),
    /// The client does not show what says who it is; the text names it.
    Unauthorized(&'static str),
    /// Nothing there, or somebody else's: the two look alike.
    NotFound(&'static str),
    /// The path is known, but not with this method, or not on this port; the text says what is.
    MethodNotAllowed(&'static str),
    /// The body did not come in time.
    TooSlow,
    /// The body is longer than this many octets.
    TooLong(usize),
    /// The body is not declared as JSON.
    NotJson,
    /// The address sends too many requests. After this time it may send one.
    TooMany(Duration),
    /// The database does not answer, or something else that may pass.
    Unavailable,
}

#[derive(Serialize)]
struct Body<'a> {
    error: &'a str,
}

impl Refusal {
    fn status(&self) -> StatusCode {
        match self {
            Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::Unauthorized(_) => StatusCode::UNAUTHORIZED,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::TooLong(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::NotJson => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooMany(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn text(self) -> Cow<'static, str> {
        match self {
            Self::BadRequest(what) => what,
            Self::Unauthorized(what) | Self::NotFound(what) | Self::MethodNotAllowed(what) => what.into(),
            Self::TooSlow => "the body did not come in time".into(),
            Self::TooLong(limit) => format!("the body is longer than {limit} octets").into(),
            Self::NotJson => "Content-Type must be application/json".into(),
            Self::TooMany(_) => "too many requests from this address; try again later".into(),
            Self::Unavailable => "not available at the moment; try again later".into(),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = self.status();
        let retry = match self {
            Self::TooMany(wait) => Some(wait.as_secs() + 1),
            Self::Unavailable => Some(5),
            _ => None,
        };
        // The rest of a body that was not read would be taken for the next request.
        let close = matches!(self, Self::TooSlow | Self::TooLong(_));
        let mut response = (status, Json(Body { error: &self.text() })).into_response();
        if let Some(seconds) = retry {
            response.headers_mut().insert(RETRY_AFTER, seconds.into());
        }
        if close {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}
