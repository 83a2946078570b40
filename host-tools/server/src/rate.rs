//! How often an address may do something: the generic cell rate algorithm, one number for each address.
//!
//! tat = the time at which all that was admitted would be through at the long-run rate; a newcomer is admitted if
//! max(tat, now) + interval - now <= burst * interval.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Addresses remembered at the same time; 2 MiB or so. While more are busy, further ones are not limited by this: the listener's limit of
/// connections holds for all.
const MAX_ORIGINS: usize = 65_536;

/// What one customer of a provider has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Origin {
    V4([u8; 4]),
    /// A /64.
    V6([u8; 8]),
}

impl From<IpAddr> for Origin {
    fn from(address: IpAddr) -> Self {
        // A socket for both versions writes ::ffff:192.0.2.1.
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address.octets()),
            IpAddr::V6(address) => {
                let [a, b, c, d, e, f, g, h, ..] = address.octets();
                Self::V6([a, b, c, d, e, f, g, h])
            }
        }
    }
}

/// A limit for each address.
#[derive(Debug)]
pub(crate) struct RateLimit {
    interval: Duration,
    burst: Duration,
    busy: Mutex<Busy>,
}

#[derive(Debug, Default)]
struct Busy {
    until: HashMap<Origin, Instant>,
    swept: Option<Instant>,
}

impl RateLimit {
    /// `None` for no limit, which is a rate of 0.
    pub(crate) fn new(per_second: u32, burst: u32) -> Option<Self> {
        let interval = Duration::from_secs(1).checked_div(per_second)?;
        Some(Self { interval, burst: interval.saturating_mul(burst), busy: Mutex::default() })
    }

    /// Takes one for `address`.
    ///
    /// # Errors
    /// There is none: how long to wait for one.
    pub(crate) fn admit(&self, address: IpAddr, now: Instant) -> Result<(), Duration> {
        let origin = address.into();
        let mut busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        let known = busy.until.get(&origin).copied();
        let until = known.unwrap_or(now).max(now) + self.interval;
        if let Some(wait) = until.saturating_duration_since(now).checked_sub(self.burst).filter(|wait| !wait.is_zero()) {
            return Err(wait);
        }
        if known.is_some() || busy.make_room(now) {
            busy.until.insert(origin, until);
        }
        Ok(())
    }
}

impl Busy {
    /// Whether there is room for one more. Looks through all at most once a second.
    fn make_room(&mut self, now: Instant) -> bool {
        if self.until.len() < MAX_ORIGINS {
            return true;
        }
        if self.swept.is_none_or(|swept| now.duration_since(swept) >= Duration::from_secs(1)) {
            self.swept = Some(now);
            self.until.retain(|_, until| *until > now);
        }
        self.until.len() < MAX_ORIGINS
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;

    const A: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    const B: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2));

    fn admitted(limit: &RateLimit, address: IpAddr, now: Instant, attempts: usize) -> usize {
        (0..attempts).filter(|_| limit.admit(address, now).is_ok()).count()
    }

    #[test]
    fn burst_then_rate() {
        let limit = RateLimit::new(10, 5).unwrap();
        let begin = Instant::now();
        assert_eq!(admitted(&limit, A, begin, 20), 5);
        assert_eq!(limit.admit(A, begin), Err(Duration::from_millis(100)));
        assert_eq!(admitted(&limit, A, begin + Duration::from_millis(99), 20), 0);
        assert_eq!(admitted(&limit, A, begin + Duration::from_millis(300), 20), 3);
        assert_eq!(admitted(&limit, A, begin + Duration::from_secs(60), 20), 5);
    }

    #[test]
    fn addresses_do_not_disturb_each_other() {
        let limit = RateLimit::new(1, 1).unwrap();
        let now = Instant::now();
        assert_eq!((admitted(&limit, A, now, 2), admitted(&limit, B, now, 2)), (1, 1));
    }

    #[test]
    fn one_customer_is_one_origin() {
        let limit = RateLimit::new(1, 1).unwrap();
        let now = Instant::now();
        let v6 = |last: u16, network: u16| IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, network, 0, 0, 0, last));
        assert_eq!(admitted(&limit, v6(1, 7), now, 1), 1);
        assert_eq!(admitted(&limit, v6(2, 7), now, 1), 0, "same /64");
        assert_eq!(admitted(&limit, v6(1, 8), now, 1), 1, "another /64");
        assert_eq!(admitted(&limit, A, now, 1), 1);
        assert_eq!(admitted(&limit, IpAddr::V6(Ipv4Addr::new(192, 0, 2, 1).to_ipv6_mapped()), now, 1), 0, "mapped");
    }

    #[test]
    fn rate_of_nothing_is_no_limit() {
        assert!(RateLimit::new(0, 5).is_none());
    }

    #[test]
    fn memory_is_bounded() {
        let limit = RateLimit::new(1, 1).unwrap();
        let begin = Instant::now();
        let address = |number: u32| IpAddr::V4(number.into());
        let most = u32::try_from(MAX_ORIGINS).unwrap();
        assert!((0..most + 10).all(|number| limit.admit(address(number), begin).is_ok()));
        assert_eq!(limit.busy.lock().unwrap().until.len(), MAX_ORIGINS);
        // All are through two seconds later, and make room.
        assert!(limit.admit(address(most + 20), begin + Duration::from_secs(2)).is_ok());
        assert_eq!(limit.busy.lock().unwrap().until.len(), 1);
        assert!(limit.admit(address(most + 20), begin + Duration::from_secs(2)).is_err());
    }
}
