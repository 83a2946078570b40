//! What is printed and written.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::path::Path;

use serde::Serialize;

use crate::measure::Measured;

/// Octets of a MiB.
const MIB: f64 = 1024.0 * 1024.0;

/// All that was measured.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Report {
    /// The machine and what was on it.
    pub(crate) setting: BTreeMap<&'static str, String>,
    pub(crate) rows: Vec<Row>,
    pub(crate) ratios: Vec<Ratio>,
    pub(crate) targets: Vec<Goal>,
}

/// One kind of load on one server.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) load: String,
    pub(crate) server: &'static str,
    pub(crate) requests: u64,
    pub(crate) failed: u64,
    pub(crate) seconds: f64,
    pub(crate) rate: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) p999_ms: f64,
    pub(crate) server_cpu_us: f64,
    pub(crate) generator_cpu_us: f64,
    pub(crate) resident_mib: f64,
    pub(crate) peak_mib: f64,
    /// Failures by kind.
    pub(crate) faults: BTreeMap<String, u64>,
}

/// A server against nginx, round by round in the same run.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Ratio {
    pub(crate) load: String,
    pub(crate) server: &'static str,
    /// Rates, over nginx's of the same round: the median, the least, the most.
    pub(crate) rate: [f64; 3],
    /// The processor's time for a request, over nginx's, of all rounds.
    pub(crate) cpu: f64,
}

/// Something that is to be reached.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Goal {
    pub(crate) what: String,
    pub(crate) wanted: String,
    pub(crate) seen: String,
    pub(crate) met: bool,
}

impl Row {
    /// `measured` as a row.
    pub(crate) fn new(load: &str, server: &'static str, measured: &Measured) -> Self {
        let tally = &measured.tally;
        Self {
            load: load.to_owned(),
            server,
            requests: tally.good(),
            failed: tally.bad(),
            seconds: tally.elapsed.as_secs_f64(),
            rate: tally.rate(),
            p50_ms: tally.quantile_ms(0.5),
            p99_ms: tally.quantile_ms(0.99),
            p999_ms: tally.quantile_ms(0.999),
            server_cpu_us: measured.server_cpu_us(),
            generator_cpu_us: measured.generator_cpu_us(),
            resident_mib: measured.memory.resident as f64 / MIB,
            peak_mib: measured.memory.peak as f64 / MIB,
            faults: tally.faults.iter().map(|(fault, count)| (fault.to_string(), *count)).collect(),
        }
    }
}

impl Ratio {
    /// Both servers' rounds, in the same order.
    pub(crate) fn new(load: &str, server: &'static str, rounds: &[Measured], nginx: &[Measured]) -> Option<Self> {
        let rate = |(ours, theirs): (&Measured, &Measured)| ours.tally.rate() / theirs.tally.rate();
        let mut rates: Vec<f64> = rounds.iter().zip(nginx).map(rate).filter(|ratio| ratio.is_finite()).collect();
        rates.sort_by(f64::total_cmp);
        let cpu = |rounds: &[Measured]| {
            let mut sum = Measured::default();
            rounds.iter().for_each(|round| sum.merge(round));
            sum.server_cpu_us()
        };
        let (least, most) = (*rates.first()?, *rates.last()?);
        // Of an even number there are two in the middle.
        let median = (rates[(rates.len() - 1) / 2] + rates[rates.len() / 2]) / 2.0;
        Some(Self { load: load.to_owned(), server, rate: [median, least, most], cpu: cpu(rounds) / cpu(nginx) })
    }
}

impl Goal {
    /// `seen` must reach `wanted`; `digits` of it after the point matter.
    pub(crate) fn at_least(what: String, wanted: f64, seen: f64, digits: usize) -> Self {
        Self { what, wanted: format!("{wanted}"), seen: format!("{seen:.digits$}"), met: seen >= wanted }
    }

    /// `seen` must be less than `wanted`, both in `unit`.
    pub(crate) fn below(what: String, wanted: f64, seen: f64, unit: &str) -> Self {
        Self { what, wanted: format!("below {wanted} {unit}"), seen: format!("{seen:.1} {unit}"), met: seen < wanted }
    }
}

impl Report {
    /// As tables in Markdown.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        let mut line = |arguments: std::fmt::Arguments<'_>| writeln!(text, "{arguments}").expect("a string takes everything");
        for (name, value) in &self.setting {
            line(format_args!("- {name}: {value}"));
        }
        line(format_args!(
            "\n| load | server | requests/s | p50 ms | p99 ms | p99.9 ms | µs of CPU a request | generator's | MiB, peak | failed |"
        ));
        line(format_args!("|---|---|--:|--:|--:|--:|--:|--:|--:|--:|"));
        for row in &self.rows {
            line(format_args!(
                "| {} | {} | {:.0} | {:.1} | {:.1} | {:.1} | {:.0} | {:.0} | {:.0}, {:.0} | {} |",
                row.load,
                row.server,
                row.rate,
                row.p50_ms,
                row.p99_ms,
                row.p999_ms,
                row.server_cpu_us,
                row.generator_cpu_us,
                row.resident_mib,
                row.peak_mib,
                row.failed
            ));
        }
        for row in self.rows.iter().filter(|row| row.failed > 0) {
            for (fault, count) in &row.faults {
                line(format_args!("\n{}, {}: {count} of {}: {fault}", row.load, row.server, row.requests + row.failed));
            }
        }
        if !self.ratios.is_empty() {
            line(format_args!(
                "\n| over nginx, by rounds of the same run | server | rate, median (least to most) | CPU a request |"
            ));
            line(format_args!("|---|---|--:|--:|"));
        }
        for Ratio { load, server, rate: [median, least, most], cpu } in &self.ratios {
            line(format_args!("| {load} | {server} | {median:.2} ({least:.2} to {most:.2}) | {cpu:.2} |"));
        }
        if !self.targets.is_empty() {
            line(format_args!("\n| target | wanted | seen | |\n|---|--:|--:|---|"));
        }
        for Goal { what, wanted, seen, met } in &self.targets {
            line(format_args!("| {what} | {wanted} | {seen} | {} |", if *met { "met" } else { "missed" }));
        }
        text
    }

    /// Everything as JSON, in file `path`.
    pub(crate) fn write_json(&self, path: &Path) -> io::Result<()> {
        std::fs::write(path, serde_json::to_string_pretty(self)? + "\n")
    }

    /// The rows as CSV (RFC 4180), in file `path`.
    pub(crate) fn write_csv(&self, path: &Path) -> io::Result<()> {
        let mut text = String::from(
            "load,server,requests,failed,seconds,rate,p50_ms,p99_ms,p999_ms,server_cpu_us,generator_cpu_us,resident_mib,peak_mib\r\n",
        );
        for row in &self.rows {
            let Row { load, server, requests, failed, seconds, rate, p50_ms, p99_ms, p999_ms, .. } = row;
            let Row { server_cpu_us, generator_cpu_us, resident_mib, peak_mib, .. } = row;
            text += &format!(
                "\"{load}\",\"{server}\",{requests},{failed},{seconds:.3},{rate:.1},{p50_ms:.3},{p99_ms:.3},{p999_ms:.3},"
            );
            text += &format!("{server_cpu_us:.1},{generator_cpu_us:.1},{resident_mib:.1},{peak_mib:.1}\r\n");
        }
        std::fs::write(path, text)
    }
}
