//! Random names: of what is kept, and of what is good for one time.

use crate::refusal::Refusal;
use crate::store;

/// A name that is taken means that the random numbers are not random; one more attempt tells that from chance.
const ATTEMPTS: u32 = 2;

/// Octets from the CSPRNG.
pub(crate) fn octets<const LEN: usize>() -> Result<[u8; LEN], Refusal> {
    let mut octets = [0; LEN];
    aws_lc_rs::rand::fill(&mut octets).map_err(|_| Refusal::Unavailable)?;
    Ok(octets)
}

/// 128 random bits, in hexadecimal.
pub(crate) fn hexadecimal() -> Result<String, Refusal> {
    Ok(format!("{:032x}", u128::from_be_bytes(octets()?)))
}

/// Keeps something under a new name: `put` does it.
pub(crate) async fn keep<N: Clone, F: Future<Output = Result<(), store::Error>>>(
    name: impl Fn() -> Result<N, Refusal>,
    put: impl Fn(N) -> F,
) -> Result<N, Refusal> {
    for _ in 0..ATTEMPTS {
        let name = name()?;
        match put(name.clone()).await {
            Ok(()) => return Ok(name),
            Err(store::Error::Taken) => tracing::error!("a random name was taken already"),
            Err(store::Error::Unavailable(_) | store::Error::Unsound(_)) => return Err(Refusal::Unavailable),
        }
    }
    Err(Refusal::Unavailable)
}
