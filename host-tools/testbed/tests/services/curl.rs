//! curl, and what it says.

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use base64ct::{Base64, Encoding as _};
use cdoc2_testbed::{Options, Testbed};
use serde_json::Value;

pub(crate) fn start() -> Testbed {
    Testbed::start(Options { ldap: false, ..Options::default() }).unwrap()
}

fn command(testbed: &Testbed, arguments: &[&str]) -> Command {
    let mut command = Command::new("curl");
    command.args(["-q", "--silent", "--show-error", "--tlsv1.3", "--cacert", "root.pem", "--max-time", "20"]).args(arguments);
    command.current_dir(testbed.folder());
    command
}

/// `curl`, which trusts the authority alone.
pub(crate) fn curl(testbed: &Testbed, arguments: &[&str]) -> Output {
    command(testbed, arguments).output().unwrap()
}

const STATUS: &[&str] = &["--write-out", "\n%{http_code}"];

/// Status and JSON; `null` if there is none.
fn answer(output: &Output) -> (u16, Value) {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    let (body, status) = text.rsplit_once('\n').unwrap_or_else(|| panic!("{output:?}"));
    (status.parse().unwrap(), serde_json::from_str(body).unwrap_or(Value::Null))
}

pub(crate) fn get(testbed: &Testbed, url: &str) -> (u16, Value) {
    answer(&curl(testbed, &[STATUS, &[url]].concat()))
}

/// Sends `body` as JSON.
pub(crate) fn post(testbed: &Testbed, url: &str, body: &Value) -> (u16, Value) {
    post_as(testbed, url, "application/json", body.to_string().as_bytes())
}

pub(crate) fn post_as(testbed: &Testbed, url: &str, content_type: &str, body: &[u8]) -> (u16, Value) {
    let header = format!("content-type: {content_type}");
    let arguments = [STATUS, &["--data-binary", "@-", "--header", &header, url]].concat();
    let mut child = command(testbed, &arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(body).unwrap();
    answer(&child.wait_with_output().unwrap())
}

/// The octets of a string of JSON.
pub(crate) fn octets(value: &Value) -> Vec<u8> {
    Base64::decode_vec(value.as_str().unwrap()).unwrap()
}

/// `request` with `value` as its `member`; without it, if that is `null`.
pub(crate) fn with(request: &Value, member: &str, value: Value) -> Value {
    let mut request = request.clone();
    let members = request.as_object_mut().unwrap();
    if value.is_null() {
        members.remove(member);
    } else {
        members.insert(member.to_owned(), value);
    }
    request
}
