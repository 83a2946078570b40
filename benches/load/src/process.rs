//! What a process and its children take, from /proc (proc(5)).

use std::fs;
use std::io;
use std::time::Duration;

/// Time of the processor that a tick of `/proc/PID/stat` stands for: USER_HZ, 100 on every Linux.
const TICK: Duration = Duration::from_millis(10);

/// Processes that are measured together: one, and its children.
#[derive(Clone, Debug)]
pub(crate) struct Processes {
    own: Vec<u32>,
    /// The first process of a database that works for them alone. Its time counts as theirs; its memory does not, for its processes share most of it.
    database: Option<u32>,
}

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
        Ok(Self { own: std::iter::once(parent).chain(children).collect(), database: None })
    }

    /// With the processes of the database whose first one is `database`.
    pub(crate) fn with_database(self, database: Option<u32>) -> Self {
        Self { database, ..self }
    }

    /// This process.
    pub(crate) fn own() -> Self {
        Self { own: vec![std::process::id()], database: None }
    }

    /// Time of the processor so far, in user and in kernel mode.
    pub(crate) fn cpu(&self) -> io::Result<Duration> {
        let mut sum = Duration::ZERO;
        for pid in &self.own {
            sum += stat(*pid)?.own;
        }
        Ok(sum + self.database.map_or(Ok(Duration::ZERO), family)?)
    }

    /// Memory now.
    pub(crate) fn memory(&self) -> io::Result<Memory> {
        let mut sum = Memory::default();
        for pid in &self.own {
            let path = format!("/proc/{pid}/status");
            let status = fs::read_to_string(&path)?;
            sum.resident += status_octets(&status, "VmRSS:").ok_or_else(|| odd(&path))?;
            sum.peak += status_octets(&status, "VmHWM:").ok_or_else(|| odd(&path))?;
        }
        Ok(sum)
    }

    /// Starts counting the peak anew. Takes the right to write to the processes, which whoever started them has.
    pub(crate) fn forget_peak(&self) -> io::Result<()> {
        self.own.iter().try_for_each(|pid| fs::write(format!("/proc/{pid}/clear_refs"), "5"))
    }
}

fn odd(path: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("{path}: not as proc(5) describes it"))
}

/// Time of the processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Times {
    own: Duration,
    /// Of children that have ended.
    ended: Duration,
}

fn stat(pid: u32) -> io::Result<Times> {
    let path = format!("/proc/{pid}/stat");
    Times::parse(&fs::read_to_string(&path)?).ok_or_else(|| odd(&path))
}

/// Time of a process and all of its children, which come and go.
fn family(parent: u32) -> io::Result<Duration> {
    let children = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children"))?;
    let children = children.split_ascii_whitespace().filter_map(|pid| stat(pid.parse().ok()?).ok());
    let living: Duration = children.map(|times| times.own).sum();
    let Times { own, ended } = stat(parent)?;
    Ok(own + ended + living)
}

impl Times {
    /// `utime + stime`, fields 14 and 15, and `cutime + cstime`, 16 and 17. The second field is a name in parentheses, which may contain anything.
    fn parse(stat: &str) -> Option<Self> {
        let (_, after_name) = stat.rsplit_once(") ")?;
        let mut fields = after_name.split(' ').skip(14 - 3);
        let mut sum = || Some(TICK * fields.next()?.parse::<u32>().ok()?.checked_add(fields.next()?.parse().ok()?)?);
        Some(Self { own: sum()?, ended: sum()? })
    }
}

/// A line of `/proc/PID/status` in octets.
fn status_octets(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix(" kB")?.parse().ok().map(|kib: u64| kib * 1024)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn stat_is_read_past_odd_names() {
        let stat = "4 (a ) R 1) S 1 4 4 0 -1 4194560 100 0 0 0 17 25 3 4 20 0 3 0 1 2 3";
        assert_eq!(Times::parse(stat), Some(Times { own: TICK * 42, ended: TICK * 7 }));
        assert_eq!(Times::parse("4 (cut"), None);
    }

    #[test]
    fn children_that_ended_count() {
        let before = stat(std::process::id()).unwrap().ended;
        let count = "i=0; while [ $i -lt 300000 ]; do i=$((i + 1)); done";
        assert!(Command::new("sh").args(["-c", count]).status().unwrap().success());
        let own = std::process::id();
        assert!(stat(own).unwrap().ended > before && family(own).unwrap() >= stat(own).unwrap().ended);
    }

    #[test]
    fn own_process_has_memory_and_a_peak() {
        let memory = Processes::own().memory().unwrap();
        assert!(memory.resident > 0 && memory.peak > 0, "{memory:?}");
        assert_eq!(status_octets("VmPeak:\t 1 kB\nVmRSS:\t   12 kB\n", "VmRSS:"), Some(12 * 1024));
    }
}
