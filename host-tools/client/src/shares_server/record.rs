//! What a record says of its shares, looked at before anything is sent to anybody.

use std::collections::BTreeSet;

use cdoc2::core::Feature;
use cdoc2::core::wire::capsule::{KeyShareRecipientType, KeySharesCapsule, ShareLocation, SharesScheme};
use cdoc2_api::{RecipientId, ShareId};
use cdoc2_auth_token::{BaseUrl, MAX_AUDIENCES};

use super::{Error, Unsound};
use crate::config::{Config, SharesServer};

/// The shares of one record: whose they are, and where.
#[derive(Debug)]
pub(super) struct Shares<'c> {
    pub(super) recipient: RecipientId,
    /// At least two, on as many servers.
    pub(super) places: Vec<Place<'c>>,
}

/// Where one share is.
#[derive(Debug)]
pub(super) struct Place<'c> {
    pub(super) server: &'c SharesServer,
    pub(super) share_id: ShareId,
}

/// As who somebody has to sign in for the shares of `capsule`.
///
/// # Errors
/// [`Error::Unsound`], or [`Error::Container`] for one of a kind that is not known: nobody can open it. Whether its servers are known is not looked at.
pub fn recipient(capsule: &KeySharesCapsule<'_>) -> Result<RecipientId, Error> {
    read(capsule).map(|(recipient, _)| recipient)
}

impl<'c> Shares<'c> {
    /// The shares of `capsule`, on servers of `config`: a container can name no other (specification, "Server identification and trust").
    pub(super) fn locate(capsule: &KeySharesCapsule<'_>, config: &'c Config) -> Result<Self, Error> {
        let (recipient, named) = read(capsule)?;
        let place = |(base_url, share_id): (BaseUrl, ShareId)| Ok(Place { server: config.shares_server(&base_url)?, share_id });
        Ok(Self { recipient, places: named.into_iter().map(place).collect::<Result<_, Error>>()? })
    }
}

fn read(capsule: &KeySharesCapsule<'_>) -> Result<(RecipientId, Vec<(BaseUrl, ShareId)>), Error> {
    if (capsule.recipient_type, capsule.shares_scheme) != (KeyShareRecipientType::SidMid, SharesScheme::NOfN) {
        return Err(cdoc2::Error::Unsupported(Feature::Capsule).into());
    }
    let recipient = capsule.recipient_id.as_str().ok_or(Unsound::Text)?.parse().map_err(Unsound::Recipient)?;
    Ok((recipient, named(capsule.shares.iter())?))
}

/// Servers and ids, no two of which are the same.
fn named<'b>(locations: impl Iterator<Item = ShareLocation<'b>>) -> Result<Vec<(BaseUrl, ShareId)>, Unsound> {
    let (mut named, mut count) = (Vec::new(), 0);
    let (mut servers, mut ids) = (BTreeSet::new(), BTreeSet::new());
    for location in locations {
        count += 1;
        // Counted to the end, but not read: a record may list as many as its header has room for.
        if count > MAX_AUDIENCES {
            continue;
        }
        let base_url: BaseUrl = location.server_base_url.as_str().ok_or(Unsound::Text)?.parse().map_err(Unsound::Server)?;
        let share_id: ShareId = location.share_id.as_str().ok_or(Unsound::Text)?.parse().map_err(Unsound::ShareId)?;
        if !servers.insert(base_url.clone()) {
            return Err(Unsound::SameServer(base_url.to_string()));
        }
        if !ids.insert(share_id.as_str().to_owned()) {
            return Err(Unsound::SameShareId);
        }
        named.push((base_url, share_id));
    }
    if (2..=MAX_AUDIENCES).contains(&count) { Ok(named) } else { Err(Unsound::Count(count)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cdoc2_api::{id, recipient_id};
    use cdoc2_auth_token::base_url;

    const IDS: [&str; 3] = ["0123456789abcdef01", "0123456789abcdef02", "0123456789abcdef03"];

    fn count(shares: &[(&str, &str)]) -> Result<usize, Unsound> {
        let locations = shares.iter().map(|(url, id)| ShareLocation { server_base_url: (*url).into(), share_id: (*id).into() });
        named(locations).map(|named| named.len())
    }

    #[test]
    fn shares_are_on_different_servers() {
        let [a, b, c] = IDS;
        assert_eq!(count(&[("https://a.example", a), ("https://b.example/", b), ("https://b.example:8443", c)]), Ok(3));
        for (shares, reason) in [
            (&[][..], Unsound::Count(0)),
            (&[("https://a.example", a)], Unsound::Count(1)),
            (&[("https://a.example", a), ("https://A.example:443/", b)], Unsound::SameServer("https://a.example:443".to_owned())),
            (&[("https://a.example", a), ("https://b.example", a)], Unsound::SameShareId),
            (&[("http://a.example", a), ("https://b.example", b)], Unsound::Server(base_url::Malformed::Scheme)),
            (&[("https://a.example", a), ("https://b.example", "../../other/x/123")], Unsound::ShareId(id::Malformed::Length)),
            (&[("https://a.example", a), ("https://b.example", "../../other/x/1234")], Unsound::ShareId(id::Malformed::Character)),
        ] {
            assert_eq!(count(shares), Err(reason), "{shares:?}");
        }
        let many: Vec<_> =
            (0..=MAX_AUDIENCES).map(|number| (format!("https://s{number}.example"), format!("{number:018}"))).collect();
        let many: Vec<_> = many.iter().map(|(url, id)| (&url[..], &id[..])).collect();
        assert_eq!(count(&many), Err(Unsound::Count(MAX_AUDIENCES + 1)));
        assert_eq!(count(&many[1..]), Ok(MAX_AUDIENCES));
    }

    #[test]
    fn what_is_no_text_is_refused() {
        let location = ShareLocation { server_base_url: cdoc2::core::wire::capsule::Text(b"\xff"), share_id: IDS[0].into() };
        assert_eq!(named([location].into_iter()), Err(Unsound::Text));
    }

    #[test]
    fn everything_else_of_a_record_is_known_or_refused() {
        let shares = ["https://a.example", "https://b.example"]
            .map(|url| ShareLocation { server_base_url: url.into(), share_id: IDS[0].into() });
        let capsule = KeySharesCapsule {
            shares: cdoc2::core::wire::capsule::Shares::new(&shares),
            salt: &[1; 32],
            recipient_type: KeyShareRecipientType::SidMid,
            shares_scheme: SharesScheme::NOfN,
            recipient_id: "etsi/PNOEE-60001017727".into(),
        };
        let locate = |capsule: &KeySharesCapsule<'_>| Shares::locate(capsule, &Config::default()).map(drop).unwrap_err();
        for unknown in [
            KeySharesCapsule { recipient_type: KeyShareRecipientType::Unknown(2), ..capsule },
            KeySharesCapsule { shares_scheme: SharesScheme::Unknown(2), ..capsule },
        ] {
            assert!(matches!(locate(&unknown), Error::Container(cdoc2::Error::Unsupported(Feature::Capsule))));
        }
        let other = KeySharesCapsule { recipient_id: "PNOEE-60001017727".into(), ..capsule };
        assert!(matches!(locate(&other), Error::Unsound(Unsound::Recipient(recipient_id::Malformed::Scheme))));
        assert!(matches!(locate(&capsule), Error::Unsound(Unsound::SameShareId)));
        assert!(matches!(recipient(&capsule), Err(Error::Unsound(Unsound::SameShareId))));
    }
}
