//! What a process and its children take, from /proc (proc(5)).

use std::fs;
use std::io;
use std::time::Duration;

/// Time of the processor that a tick of `/proc/PID/stat` stands for: USER_HZ, 100 on every Linux.
const TICK: Duration = Duration::from_millis(10);

/// Processes that are measured together: one, and its children.
#[derive(Clone, Debug)]
pub(crate) struct Processes(Vec<u32>);

/// Memory of processes, in octets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Memory {
    /// Resident now.
    pub(crate) resident: u64,
    /// The most that was resident at a time since [`Processes::forget_peak`], each process for itself.
    pub(crate) peak: u64,
}

impl Processes {
    /// Process `parent`, and what it has started so far.
    pub(crate) fn of(parent: u32) -> io::Result<Self> {
        let children = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children"))?;
        let children = children.split_ascii_whitespace().filter_map(|pid| pid.parse().ok());
        Ok(Self(std::iter::once(parent).chain(children).collect()))
    }

    /// This process.
    pub(crate) fn own() -> Self {
        Self(vec![std::process::id()])
    }

    /// Time of the processor so far, in user and in kernel mode.
    pub(crate) fn cpu(&self) -> io::Result<Duration> {
        let mut ticks = 0;
        for pid in &self.0 {
            let path = format!("/proc/{pid}/stat");
            ticks += stat_ticks(&fs::read_to_string(&path)?).ok_or_else(|| odd(&path))?;
        }
        Ok(TICK * ticks)
    }

    /// Memory now.
    pub(crate) fn memory(&self) -> io::Result<Memory> {
        let mut sum = Memory::default();
        for pid in &self.0 {
            let path = format!("/proc/{pid}/status");
            let status = fs::read_to_string(&path)?;
            sum.resident += status_octets(&status, "VmRSS:").ok_or_else(|| odd(&path))?;
            sum.peak += status_octets(&status, "VmHWM:").ok_or_else(|| odd(&path))?;
        }
        Ok(sum)
    }

    /// Starts counting the peak anew. Takes the right to write to the processes, which whoever started them has.
    pub(crate) fn forget_peak(&self) -> io::Result<()> {
        self.0.iter().try_for_each(|pid| fs::write(format!("/proc/{pid}/clear_refs"), "5"))
    }
}

fn odd(path: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("{path}: not as proc(5) describes it"))
}

/// `utime + stime`, fields 14 and 15. The second field is a name in parentheses, which may contain anything.
fn stat_ticks(stat: &str) -> Option<u32> {
    let (_, after_name) = stat.rsplit_once(") ")?;
    let mut fields = after_name.split(' ').skip(14 - 3);
    let mut next = || fields.next()?.parse::<u32>().ok();
    Some(next()? + next()?)
}

/// A line of `/proc/PID/status` in octets.
fn status_octets(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix(" kB")?.parse().ok().map(|kib: u64| kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_is_read_past_odd_names() {
        let stat = "4 (a ) R 1) S 1 4 4 0 -1 4194560 100 0 0 0 17 25 0 0 20 0 3 0 1 2 3";
        assert_eq!(stat_ticks(stat), Some(42));
        assert_eq!(stat_ticks("4 (cut"), None);
    }

    #[test]
    fn own_process_has_memory_and_a_peak() {
        let memory = Processes::own().memory().unwrap();
        assert!(memory.resident > 0 && memory.peak > 0, "{memory:?}");
        assert_eq!(status_octets("VmPeak:\t 1 kB\nVmRSS:\t   12 kB\n", "VmRSS:"), Some(12 * 1024));
    }
}
