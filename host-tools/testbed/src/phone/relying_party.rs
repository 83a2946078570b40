//! Who may ask: one relying party, the same for both services.

use super::reply::Refusal;

/// By what the services know the relying party.
pub const RELYING_PARTY_UUID: &str = "00000000-0000-4000-8000-000000000000";
/// What phones show of it.
pub const RELYING_PARTY_NAME: &str = "CDOC2 test bed";

/// Octets of the longest name (Smart-ID RP API 2.0, "relyingPartyName handling").
const MAX_NAME_LEN: usize = 32;

/// Whether a request is that party's. The UUID counts letter by letter, the name does not (Mobile-ID REST API, 2.1 and 2.2).
pub(super) fn check(uuid: &str, name: &str) -> Result<(), Refusal> {
    let is_uuid =
        uuid.split('-').map(str::len).eq([8, 4, 4, 4, 12]) && uuid.bytes().all(|octet| octet == b'-' || octet.is_ascii_hexdigit());
    if !is_uuid {
        return Err(Refusal::bad_request("relyingPartyUUID is no UUID"));
    }
    if name.is_empty() || name.len() > MAX_NAME_LEN {
        return Err(Refusal::bad_request("relyingPartyName has 1 to 32 octets"));
    }
    if uuid == RELYING_PARTY_UUID && name.to_lowercase() == RELYING_PARTY_NAME.to_lowercase() {
        Ok(())
    } else {
        Err(Refusal { status: 401, reason: "the relying party is not known" })
    }
}
