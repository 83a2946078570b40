//! A run, and what it took of the machine.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::drive::{self, Errand, Plan, Target};
use crate::outcome::Tally;
use crate::process::{Memory, Processes};

/// What came of a run, or of several of the same kind.
#[derive(Clone, Debug, Default)]
pub(crate) struct Measured {
    pub(crate) tally: Tally,
    /// Time of the processor that the server took.
    pub(crate) server_cpu: Duration,
    /// And what measuring took.
    pub(crate) generator_cpu: Duration,
    /// The server's memory: at the end of the last run, and the most in any.
    pub(crate) memory: Memory,
}

impl Measured {
    /// Adds another run of the same kind.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.tally.merge(&other.tally);
        self.server_cpu += other.server_cpu;
        self.generator_cpu += other.generator_cpu;
        self.memory = Memory { resident: other.memory.resident, peak: self.memory.peak.max(other.memory.peak) };
    }

    /// Microseconds of the processor that the server took for a request.
    pub(crate) fn server_cpu_us(&self) -> f64 {
        self.each(self.server_cpu)
    }

    /// Microseconds of the processor that the generator took for a request.
    pub(crate) fn generator_cpu_us(&self) -> f64 {
        self.each(self.generator_cpu)
    }

    /// Failed requests cost, too: they count.
    fn each(&self, sum: Duration) -> f64 {
        sum.as_secs_f64() * 1e6 / (self.tally.good() + self.tally.bad()).max(1) as f64
    }
}

/// Runs `plan` against `target`, which `server` answers for; also the workers' errands, when they are done.
pub(crate) async fn run<E: Errand>(
    server: &Processes,
    target: &Arc<Target>,
    plan: Plan,
    errand: impl FnMut() -> E,
) -> io::Result<(Measured, Vec<E>)> {
    let own = Processes::own();
    server.forget_peak()?;
    let (server_before, own_before) = (server.cpu()?, own.cpu()?);
    let (tally, errands) = drive::run(target, plan, errand).await;
    let measured = Measured {
        tally,
        server_cpu: server.cpu()?.saturating_sub(server_before),
        generator_cpu: own.cpu()?.saturating_sub(own_before),
        memory: server.memory()?,
    };
    Ok((measured, errands))
}
