//! Random numbers, and keeping something under a name that is one.

use crate::refusal::Refusal;
use crate::store::Error;

/// A name may be taken by chance, though hardly ever twice: if it is each time, the random numbers are not random.
const ATTEMPTS: u32 = 3;

/// Octets from the CSPRNG.
pub(crate) fn octets<const LEN: usize>() -> Result<[u8; LEN], Error> {
    let mut octets = [0; LEN];
    aws_lc_rs::rand::fill(&mut octets).map_err(|_| Error::Unavailable("there are no random numbers".into()))?;
    Ok(octets)
}

/// Keeps something under a new name: `put` does it.
pub(crate) async fn keep<N: Clone, F: Future<Output = Result<(), Error>>>(
    name: impl Fn() -> Result<N, Error>,
    put: impl Fn(N) -> F,
) -> Result<N, Refusal> {
    for _ in 0..ATTEMPTS {
        let name = name().map_err(|error| {
            tracing::error!(%error, "there is no name for it");
            Refusal::Unavailable
        })?;
        match put(name.clone()).await {
            Ok(()) => return Ok(name),
            Err(Error::Taken) => {}
            Err(Error::Unavailable(_) | Error::Unsound(_)) => return Err(Refusal::Unavailable),
        }
    }
    tracing::error!("each random name was taken already");
    Err(Refusal::Unavailable)
}
