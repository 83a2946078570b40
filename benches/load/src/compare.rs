//! The whole comparison: servers with the same settings, each kind of load on all of them in turn.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use cdoc2_api::{Capsule, ExpiryTime, TransactionId};
use cdoc2_server::store::Store;
use clap::Args;
use tempfile::TempDir;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::capsule_server::{self, Settings};
use crate::connection::{Client, Connection, Fault, Pin};
use crate::drive::{self, Connections, Job, Pace, Plan, Target};
use crate::fill::{self, Expiring};
use crate::measure::{self, Measured};
use crate::nginx;
use crate::ocsp::Responder;
use crate::peer::Peer;
use crate::pki::{Authority, ServerKey};
use crate::population::{self, Population};
use crate::report::{Goal, Ratio, Report, Row};

/// Connections that are opened at the same time, where nothing is measured.
const PARALLEL: usize = 32;

/// nginx's name in the tables.
const NGINX: &str = "nginx";
/// The capsule server's.
const OCSP_ON: &str = "cdoc2-server, OCSP";
/// And without OCSP.
const OCSP_OFF: &str = "cdoc2-server";
/// The most memory that it should take.
const MEMORY_MIB: f64 = 200.0;

/// What is compared, and for how long.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Less of everything: under a minute, and good for a look only
    #[arg(long)]
    quick: bool,
    /// Capsules that are stored beforehand [default: 1000000; with --quick 50000]
    #[arg(long, value_name = "N")]
    capsules: Option<u64>,
    /// Recipients, each with a key of their own
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=50_000))]
    recipients: u32,
    /// Idle connections that are held open [default: 10000; with --quick 1000]
    #[arg(long, value_name = "N")]
    idle: Option<usize>,
    /// The servers' keys
    #[arg(long, value_enum, default_value = "p384")]
    server_key: ServerKey,
    /// Only loads with this in their name
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// The capsule server [default: built by cargo, as a release]
    #[arg(long, value_name = "PROGRAM")]
    server: Option<PathBuf>,
    /// nginx
    #[arg(long, value_name = "PROGRAM", default_value = "nginx")]
    nginx: PathBuf,
    /// A database, as in the server's configuration, instead of a SQLite file; capsules stay in it
    #[arg(long, value_name = "URL")]
    postgresql: Option<String>,
    /// Where temporary files are made; the database's speed is that of this disk
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
    /// Also writes everything as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Also writes the first table as CSV
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
}

/// Anything that ends a comparison.
type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// How long each kind of load lasts.
#[derive(Clone, Copy, Debug)]
struct Schedule {
    /// Rounds of the first load, each on all servers in turn.
    rounds: usize,
    /// One of them.
    round: Duration,
    /// A load at a fixed rate.
    steady: Duration,
    /// Capsules put live so long: shorter than the load, so that as many expire as come.
    put_for: i64,
    /// More capsules, which expire all the while.
    expiring: Expiring,
}

impl Schedule {
    const WHOLE: Self = Self {
        rounds: 6,
        round: Duration::from_secs(4),
        steady: Duration::from_secs(10),
        put_for: 3,
        expiring: Expiring { count: 200_000, from: 0, until: 300 },
    };
    const QUICK: Self = Self {
        rounds: 2,
        round: Duration::from_secs(2),
        steady: Duration::from_secs(2),
        put_for: 2,
        expiring: Expiring { count: 20_000, from: 0, until: 60 },
    };
}

/// All that takes part.
struct Scene {
    schedule: Schedule,
    population: Arc<Population>,
    /// nginx first.
    peers: Vec<Peer>,
    body_len: usize,
    report: Report,
    only: Option<String>,
    store: Arc<dyn Store>,
    _responder: Responder,
    // Dropped last: the servers have files in it.
    _folder: TempDir,
}

/// A capsule that is at a server.
struct Wanted {
    id: TransactionId,
    /// Its recipient's number.
    owner: usize,
    /// What it is, if that is to be compared.
    capsule: Option<Capsule>,
}

/// Runs everything, and prints it.
pub(crate) async fn compare(options: &Options) -> Result<()> {
    let begin = Instant::now();
    let mut scene = Scene::prepare(options).await?;
    scene.fetch().await?;
    scene.put().await?;
    scene.idle(options.idle.unwrap_or(if options.quick { 1000 } else { 10_000 })).await?;
    scene.memory();
    let Scene { mut report, .. } = scene;
    report.setting.insert("took", format!("{:.0} s", begin.elapsed().as_secs_f64()));
    print!("{}", report.text());
    if let Some(path) = &options.json {
        report.write_json(path).map_err(|cause| format!("{}: {cause}", path.display()))?;
    }
    if let Some(path) = &options.csv {
        report.write_csv(path).map_err(|cause| format!("{}: {cause}", path.display()))?;
    }
    Ok(())
}

impl Scene {
    /// Certificates, capsules, servers; each recipient has been at each server once.
    async fn prepare(options: &Options) -> Result<Self> {
        let schedule = if options.quick { Schedule::QUICK } else { Schedule::WHOLE };
        let capsules = options.capsules.unwrap_or(if options.quick { 50_000 } else { 1_000_000 });
        if capsules < options.recipients.into() {
            return Err("--capsules: each recipient needs one at least".into());
        }
        let mut folder = tempfile::Builder::new();
        folder.prefix("cdoc2-load-");
        let folder = match &options.folder {
            Some(parent) => folder.tempdir_in(parent),
            None => folder.tempdir(),
        }?;
        say("certificates");
        let authority = Authority::generate()?;
        let certificate = authority.server(options.server_key, folder.path())?;
        let root = authority.write_root(folder.path())?;
        let population = Arc::new(Population::generate(&authority, options.recipients, capsules)?);
        let pin = Pin::new(certificate.der.clone());
        let body = serde_json::to_vec(&population.capsule(0))?;

        let workers = std::thread::available_parallelism()?.get();
        let mut peers = Vec::new();
        say("nginx");
        let nginx_folder = folder.path().join("nginx");
        let (program, address) = nginx::start(&options.nginx, &nginx_folder, &certificate, &root, workers, &body).await?;
        let target = Arc::new(Target { address, clients: clients(&pin, &population, true)? });
        peers.push(Peer::new(NGINX, program, target, None)?);

        say(&format!("{capsules} capsules"));
        let filling = schedule.expiring;
        let stores = match &options.postgresql {
            Some(url) => {
                let line = format!("postgresql = {}", toml_string(url));
                fill::fill(&open(&line).await?, &population, filling).await?;
                [line.clone(), line]
            }
            None => {
                let files = ["one.sqlite", "other.sqlite"].map(|name| folder.path().join(name));
                let lines = files.each_ref().map(|file| format!("sqlite = {}", toml_string(&file.to_string_lossy())));
                fill::fill(&open(&lines[0]).await?, &population, filling).await?;
                // Each server has a file of its own: two would wait for one another's locks, and forget what they had read.
                std::fs::copy(&files[0], &files[1])?;
                lines
            }
        };
        let store = open(&stores[0]).await?;

        let program = match &options.server {
            Some(program) => program.clone(),
            None => build()?,
        };
        let responder = Responder::start(authority.ocsp()?).await?;
        let kinds = [(OCSP_ON, "ocsp", Some(responder.url.as_str())), (OCSP_OFF, "no-ocsp", None)];
        for ((name, place, ocsp), store) in kinds.into_iter().zip(&stores) {
            say(name);
            let settings = Settings { store, ocsp };
            let (program, addresses) =
                capsule_server::start(&program, &folder.path().join(place), &certificate, &root, settings).await?;
            let recipient = Arc::new(Target { address: addresses.recipient, clients: clients(&pin, &population, true)? });
            let sender = Arc::new(Target { address: addresses.sender, clients: clients(&pin, &population, false)? });
            // One sender's side is enough: it knows nothing of OCSP.
            peers.push(Peer::new(name, program, recipient, ocsp.is_some().then_some(sender))?);
        }

        let report = Report { setting: setting(options, capsules), ..Report::default() };
        let only = options.only.clone();
        let scene =
            Self { schedule, population, peers, body_len: body.len(), report, only, store, _responder: responder, _folder: folder };
        for peer in &scene.peers {
            scene.visit(peer).await?;
        }
        Ok(scene)
    }

    /// Each recipient fetches a capsule of theirs: it is the right one, and OCSP answers are in the cache from now on.
    async fn visit(&self, peer: &Peer) -> Result<()> {
        say(&format!("{}: each recipient once", peer.name));
        let wanted = (0..self.population.recipients().len() as u64).map(|number| Wanted {
            id: population::id(number),
            owner: self.population.owner(number),
            // Of nginx no more can be expected than an answer of the same size.
            capsule: (peer.name != NGINX).then(|| self.population.capsule(number)),
        });
        self.look(peer, wanted.collect()).await
    }

    /// Fetches what is wanted, each with a handshake.
    async fn look(&self, peer: &Peer, wanted: Vec<Wanted>) -> Result<()> {
        let (permits, mut tasks) = (Arc::new(Semaphore::new(PARALLEL)), JoinSet::new());
        for Wanted { id, owner, capsule } in wanted {
            let (target, permits, body_len) = (Arc::clone(&peer.recipient), Arc::clone(&permits), self.body_len);
            tasks.spawn(async move {
                let _permit = permits.acquire_owned().await;
                let mut connection = Connection::open(&target.clients[owner], target.address).await?;
                let answer = connection.exchange(&drive::get(target.address, &id)).await?;
                if answer.status != 200 {
                    return Err(Fault::Status(answer.status));
                }
                let right =
                    capsule.is_none_or(|capsule| serde_json::from_slice(answer.body).is_ok_and(|read: Capsule| read == capsule));
                if !right || answer.body.len() != body_len {
                    return Err(Fault::Body);
                }
                connection.close().await;
                Ok(())
            });
        }
        while let Some(result) = tasks.join_next().await {
            result?.map_err(|fault| format!("{}: a capsule that is there was asked for: {fault}", peer.name))?;
        }
        Ok(())
    }

    /// Whether a load of this name was asked for.
    fn wanted(&self, load: &str) -> bool {
        self.only.as_ref().is_none_or(|only| load.contains(only.as_str()))
    }

    /// Loads of GET, on all servers.
    async fn fetch(&mut self) -> Result<()> {
        let job = Job::Get(self.body_len);
        let Schedule { rounds, round, steady, .. } = self.schedule;
        let handshakes = Plan {
            job: job.clone(),
            connections: Connections::New,
            pace: Pace::Closed,
            workers: 32,
            duration: round,
            max_requests: 10_000_000,
        };
        let load = "GET, a handshake each";
        if self.wanted(load) {
            let top = self.in_turn(load, &handshakes, rounds).await?;
            self.compare_with_nginx(load, &top);
            for (peer, top) in self.peers.iter().zip(&top) {
                let load = "GET, a handshake each, half the top rate";
                let pace = Pace::Open(total(top).tally.rate() / 2.0);
                let plan = Plan { pace, workers: 512, duration: steady, ..handshakes.clone() };
                say(&format!("{load}: {}", peer.name));
                let measured = measure::run(&peer.processes, &peer.recipient, &self.population, plan).await?;
                self.report.rows.push(Row::new(load, peer.name, &measured));
                if peer.name != NGINX {
                    self.report.targets.push(latency(load, peer.name, &measured));
                }
            }
        }
        let load = "GET, kept alive";
        if self.wanted(load) {
            let plan = Plan { connections: Connections::KeptAlive, ..handshakes };
            let top = self.in_turn(load, &plan, rounds.div_ceil(2)).await?;
            self.compare_with_nginx(load, &top);
        }
        Ok(())
    }

    /// The same load on each server in turn, several times; what came of it, by server and round.
    async fn in_turn(&mut self, load: &str, plan: &Plan, rounds: usize) -> Result<Vec<Vec<Measured>>> {
        let mut all = vec![Vec::new(); self.peers.len()];
        for round in 1..=rounds {
            for (peer, results) in self.peers.iter().zip(&mut all) {
                say(&format!("{load}: {}, round {round} of {rounds}", peer.name));
                results.push(measure::run(&peer.processes, &peer.recipient, &self.population, plan.clone()).await?);
            }
        }
        for (peer, results) in self.peers.iter().zip(&all) {
            self.report.rows.push(Row::new(load, peer.name, &total(results)));
        }
        Ok(all)
    }

    /// Ratios of a load that all servers had; `all` is in their order.
    fn compare_with_nginx(&mut self, load: &str, all: &[Vec<Measured>]) {
        let Some((nginx, ours)) = all.split_first() else { return };
        for (peer, rounds) in self.peers.iter().skip(1).zip(ours) {
            let Some(ratio) = Ratio::new(load, peer.name, rounds, nginx) else { continue };
            if load == "GET, a handshake each" {
                let what = format!("{load}, {}: of nginx's rate", peer.name);
                self.report.targets.push(Goal::at_least(what, 0.8, ratio.rate[0], 2));
            }
            self.report.ratios.push(ratio);
        }
    }

    /// The most memory that a capsule server took under any load.
    fn memory(&mut self) {
        for server in [OCSP_ON, OCSP_OFF] {
            let peaks = self.report.rows.iter().filter(|row| row.server == server).map(|row| row.peak_mib);
            let goal = Goal::below(format!("{server}: memory, all loads"), MEMORY_MIB, peaks.fold(0.0, f64::max), "MiB");
            self.report.targets.push(goal);
        }
    }

    /// Loads of POST, on the capsule server that asks OCSP.
    async fn put(&mut self) -> Result<()> {
        let Some((peer, sender)) = self.peers.iter().find_map(|peer| Some((peer, peer.sender.clone()?))) else { return Ok(()) };
        let Schedule { steady, round, put_for, .. } = self.schedule;
        let run = |load: &str, plan: Plan| {
            say(load);
            measure::run(&peer.processes, &sender, &self.population, plan)
        };
        let load = "POST, kept alive";
        let top = Plan {
            job: Job::Post(put_for),
            connections: Connections::KeptAlive,
            pace: Pace::Closed,
            workers: 256,
            duration: steady,
            max_requests: 10_000_000,
        };
        if self.wanted(load) {
            let measured = run(load, top.clone()).await?;
            let behind = self.behind().await?;
            self.report.rows.push(Row::new(load, peer.name, &measured));
            self.look_up(peer, &measured.tally.put).await?;
            self.report.targets.push(Goal::at_least(
                format!("{load}, {}: durable a second", peer.name),
                5000.0,
                measured.tally.rate(),
                0,
            ));
            self.report.targets.push(Goal::below(format!("{load}: clean-up behind by"), 5.0, behind as f64, "s"));

            let load = "POST, kept alive, half the top rate";
            let pace = Pace::Open(measured.tally.rate() / 2.0);
            let measured = run(load, Plan { pace, ..top.clone() }).await?;
            self.report.rows.push(Row::new(load, peer.name, &measured));
            self.report.targets.push(latency(load, peer.name, &measured));
        }
        let load = "POST, a handshake each";
        if self.wanted(load) {
            let measured = run(load, Plan { connections: Connections::New, workers: 32, duration: round, ..top }).await?;
            self.look_up(peer, &measured.tally.put).await?;
            self.report.rows.push(Row::new(load, peer.name, &measured));
        }
        Ok(())
    }

    /// Seconds that the oldest capsule has outlived its expiry.
    async fn behind(&self) -> Result<i64> {
        let now = drive::unix_now();
        let oldest = self.store.oldest_expired(ExpiryTime::from_unix(now).ok_or("the clock is wrong")?).await?;
        Ok(oldest.map_or(0, |oldest| now - oldest.as_unix()))
    }

    /// Capsules that were acknowledged are there.
    async fn look_up(&self, peer: &Peer, put: &[(TransactionId, usize)]) -> Result<()> {
        say(&format!("{}: {} of the capsules that were put", peer.name, put.len()));
        let wanted = put.iter().map(|(id, owner)| Wanted { id: id.clone(), owner: *owner, capsule: None });
        self.look(peer, wanted.collect()).await
    }

    /// Many connections on which nothing happens, and a few on which something does.
    async fn idle(&mut self, count: usize) -> Result<()> {
        let load = format!("{count} idle connections, 50 GET a second");
        if !self.wanted(&load) {
            return Ok(());
        }
        for peer in self.peers.iter().filter(|peer| peer.sender.is_some()) {
            say(&format!("{load}: {}", peer.name));
            let (permits, mut tasks) = (Arc::new(Semaphore::new(PARALLEL)), JoinSet::new());
            for number in 0..count {
                let (target, permits) = (Arc::clone(&peer.recipient), Arc::clone(&permits));
                tasks.spawn(async move {
                    let _permit = permits.acquire_owned().await;
                    Connection::open(&target.clients[number % target.clients.len()], target.address).await
                });
            }
            let mut open = Vec::with_capacity(count);
            while let Some(connection) = tasks.join_next().await {
                open.push(connection?.map_err(|fault| format!("{load}: {fault}"))?);
            }
            let plan = Plan {
                job: Job::Get(self.body_len),
                connections: Connections::New,
                pace: Pace::Open(50.0),
                workers: PARALLEL,
                duration: self.schedule.round,
                max_requests: 10_000,
            };
            let measured = measure::run(&peer.processes, &peer.recipient, &self.population, plan).await?;
            for mut connection in open {
                if !connection.is_open() {
                    return Err(format!("{load}: {} closed a connection", peer.name).into());
                }
            }
            self.report.rows.push(Row::new(&load, peer.name, &measured));
        }
        Ok(())
    }
}

/// All rounds together.
fn total(rounds: &[Measured]) -> Measured {
    let mut sum = Measured::default();
    rounds.iter().for_each(|round| sum.merge(round));
    sum
}

fn latency(load: &str, server: &str, measured: &Measured) -> Goal {
    Goal::below(format!("{load}, {server}: p99"), 50.0, measured.tally.quantile_ms(0.99), "ms")
}

/// Clients for all recipients, with or without their certificates.
fn clients(pin: &Arc<Pin>, population: &Population, certified: bool) -> std::result::Result<Vec<Client>, rustls::Error> {
    let recipients = population.recipients().iter().enumerate();
    recipients.map(|(number, recipient)| Client::new(pin, number, certified.then_some(&**recipient))).collect()
}

/// The store that a line of the section `[store]` says.
async fn open(line: &str) -> Result<Arc<dyn Store>> {
    Ok(cdoc2_server::store::open(&toml::from_str(line)?).await?)
}

/// Builds the capsule server as a release, where cargo puts it.
fn build() -> Result<PathBuf> {
    say("building cdoc2-server");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build.args(["build", "--release", "--package", "cdoc2-server", "--message-format", "json-render-diagnostics"]);
    let output = build.current_dir(env!("CARGO_MANIFEST_DIR")).stderr(Stdio::inherit()).output()?;
    let messages = String::from_utf8(output.stdout)?;
    let executable = messages.lines().find_map(|line| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        (message["target"]["name"] == "cdoc2-server").then(|| message["executable"].as_str().map(PathBuf::from))?
    });
    executable.ok_or_else(|| "cdoc2-server could not be built; name one with --server".into())
}

/// `text` as TOML has it in quotes.
fn toml_string(text: &str) -> String {
    toml::Value::from(text).to_string()
}

/// What the figures depend on.
fn setting(options: &Options, capsules: u64) -> BTreeMap<&'static str, String> {
    let said = |program: &Path, argument: &str| {
        let output = Command::new(program).arg(argument).output().ok()?;
        let text = if output.stdout.is_empty() { output.stderr } else { output.stdout };
        Some(String::from_utf8_lossy(&text).lines().take(2).collect::<Vec<_>>().join(", "))
    };
    let model = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = model.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ")).map_or("", |(_, name)| name);
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    BTreeMap::from([
        ("machine", format!("{cores} of {model}; load average before: {}", load.trim())),
        ("nginx", said(&options.nginx, "-V").unwrap_or_default()),
        ("capsules", format!("{capsules}, of {} recipients with keys on P-384", options.recipients)),
        ("servers' key", format!("{:?}", options.server_key)),
    ])
}

/// Tells whoever waits what is happening.
fn say(what: &str) {
    eprintln!("load: {what}");
}
