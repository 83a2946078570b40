//! The whole comparison: servers with the same settings, each kind of load on all of them in turn.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cdoc2_api::{Capsule, TransactionId};
use cdoc2_server::store::Store;
use clap::Args;
use tempfile::TempDir;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::capsules::{self, Get, Post};
use crate::connection::{Client, Connection, Fault, Pin};
use crate::drive::{Connections, Pace, Plan, Target};
use crate::fill::{self, Expiring};
use crate::measure::{self, Measured};
use crate::nginx;
use crate::ocsp::Responder;
use crate::peer::Peer;
use crate::pki::Authority;
use crate::population::{self, Population};
use crate::report::{Goal, Ratio, Report, Row};
use crate::servers::{self, Settings};
use crate::stage::{self, Result, Stage, latency, say, toml_string, total};

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
    #[command(flatten)]
    stage: Stage,
    /// Capsules that are stored beforehand [default: 1000000; with --quick 50000]
    #[arg(long, value_name = "N")]
    capsules: Option<u64>,
    /// Recipients, each with a key of their own
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=50_000))]
    recipients: u32,
    /// Idle connections that are held open [default: 10000; with --quick 1000]
    #[arg(long, value_name = "N")]
    idle: Option<usize>,
    /// nginx
    #[arg(long, value_name = "PROGRAM", default_value = "nginx")]
    nginx: PathBuf,
    /// A database, as in the server's configuration, instead of a SQLite file; capsules stay in it
    #[arg(long, value_name = "URL")]
    postgresql: Option<String>,
}

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
    scene.idle(options.idle.unwrap_or(if options.stage.quick { 1000 } else { 10_000 })).await?;
    scene.memory();
    let Scene { mut report, .. } = scene;
    report.setting.insert("took", format!("{:.0} s", begin.elapsed().as_secs_f64()));
    options.stage.publish(&report)
}

impl Scene {
    /// Certificates, capsules, servers; each recipient has been at each server once.
    async fn prepare(options: &Options) -> Result<Self> {
        let stage = &options.stage;
        let schedule = if stage.quick { Schedule::QUICK } else { Schedule::WHOLE };
        let capsules = options.capsules.unwrap_or(if stage.quick { 50_000 } else { 1_000_000 });
        if capsules < options.recipients.into() {
            return Err("--capsules: each recipient needs one at least".into());
        }
        let folder = stage.folder()?;
        say("certificates");
        let authority = Authority::generate()?;
        let certificate = authority.server(stage.server_key, folder.path())?;
        let root = authority.write_root(folder.path())?;
        let population = Arc::new(Population::generate(&authority, options.recipients, capsules)?);
        let pin = Pin::new(certificate.der.clone());
        let body = serde_json::to_vec(&population.capsule(0))?;

        let workers = std::thread::available_parallelism()?.get();
        let mut peers = Vec::new();
        say("nginx");
        let nginx_folder = folder.path().join("nginx");
        let (program, address) = nginx::start(&options.nginx, &nginx_folder, &certificate, &root, workers, &body).await?;
        let target = Arc::new(Target { address, clients: recipients(&pin, &population)? });
        peers.push(Peer::new(NGINX, program, target, None)?);

        say(&format!("{capsules} capsules"));
        let filling = schedule.expiring;
        let stores = match &options.postgresql {
            Some(url) => {
                let line = format!("postgresql = {}", toml_string(url));
                fill::fill(&stage::open(&line).await?, &population, filling).await?;
                [line.clone(), line]
            }
            None => {
                let files = ["one.sqlite", "other.sqlite"].map(|name| folder.path().join(name));
                let lines = files.each_ref().map(|file| format!("sqlite = {}", toml_string(&file.to_string_lossy())));
                fill::fill(&stage::open(&lines[0]).await?, &population, filling).await?;
                // Each server has a file of its own: two would wait for one another's locks, and forget what they had read.
                std::fs::copy(&files[0], &files[1])?;
                lines
            }
        };
        let store = stage::open(&stores[0]).await?;

        let program = stage.program()?;
        let responder = Responder::start(authority.ocsp()?).await?;
        let kinds = [(OCSP_ON, "ocsp", Some(responder.url.as_str())), (OCSP_OFF, "no-ocsp", None)];
        for ((name, place, ocsp), store) in kinds.into_iter().zip(&stores) {
            say(name);
            let settings = Settings { store, ocsp };
            let (program, addresses) =
                servers::capsules(&program, &folder.path().join(place), &certificate, &root, settings).await?;
            let recipient = Arc::new(Target { address: addresses.recipient, clients: recipients(&pin, &population)? });
            let sender =
                Arc::new(Target { address: addresses.sender, clients: stage::clients(&pin, population.recipients().len())? });
            // One sender's side is enough: it knows nothing of OCSP.
            peers.push(Peer::new(name, program, recipient, ocsp.is_some().then_some(sender))?);
        }

        let report = Report { setting: setting(options, capsules), ..Report::default() };
        let only = stage.only.clone();
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
                let answer = connection.exchange(&capsules::get(target.address, &id)).await?;
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
        let Schedule { rounds, round, steady, .. } = self.schedule;
        let handshakes =
            Plan { connections: Connections::New, pace: Pace::Closed, workers: 32, duration: round, max_requests: 10_000_000 };
        let load = "GET, a handshake each";
        if self.wanted(load) {
            let top = self.in_turn(load, &handshakes, rounds).await?;
            self.compare_with_nginx(load, &top);
            for (peer, top) in self.peers.iter().zip(&top) {
                let load = "GET, a handshake each, half the top rate";
                let pace = Pace::Open(total(top).tally.rate() / 2.0);
                let plan = Plan { pace, workers: 512, duration: steady, ..handshakes.clone() };
                say(&format!("{load}: {}", peer.name));
                let measured = self.get(peer, plan).await?;
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

    /// Recipients at a server fetch their capsules.
    async fn get(&self, peer: &Peer, plan: Plan) -> Result<Measured> {
        let target = &peer.recipient;
        let errand = || Get::new(&self.population, target.address, self.body_len);
        Ok(measure::run(&peer.processes, target, plan, errand).await?.0)
    }

    /// The same load on each server in turn, several times; what came of it, by server and round.
    async fn in_turn(&mut self, load: &str, plan: &Plan, rounds: usize) -> Result<Vec<Vec<Measured>>> {
        let mut all = vec![Vec::new(); self.peers.len()];
        for round in 1..=rounds {
            for (peer, results) in self.peers.iter().zip(&mut all) {
                say(&format!("{load}: {}, round {round} of {rounds}", peer.name));
                results.push(self.get(peer, plan.clone()).await?);
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
            measure::run(&peer.processes, &sender, plan, || Post::new(&self.population, sender.address, put_for))
        };
        let load = "POST, kept alive";
        let top = Plan {
            connections: Connections::KeptAlive,
            pace: Pace::Closed,
            workers: 256,
            duration: steady,
            max_requests: 10_000_000,
        };
        if self.wanted(load) {
            let (measured, posts) = run(load, top.clone()).await?;
            let behind = stage::behind(&self.store).await?;
            self.report.rows.push(Row::new(load, peer.name, &measured));
            self.look_up(peer, &posts).await?;
            self.report.targets.push(Goal::at_least(
                format!("{load}, {}: durable a second", peer.name),
                5000.0,
                measured.tally.rate(),
                0,
            ));
            self.report.targets.push(Goal::below(format!("{load}: clean-up behind by"), 5.0, behind as f64, "s"));

            let load = "POST, kept alive, half the top rate";
            let pace = Pace::Open(measured.tally.rate() / 2.0);
            let (measured, _) = run(load, Plan { pace, ..top.clone() }).await?;
            self.report.rows.push(Row::new(load, peer.name, &measured));
            self.report.targets.push(latency(load, peer.name, &measured));
        }
        let load = "POST, a handshake each";
        if self.wanted(load) {
            let (measured, posts) = run(load, Plan { connections: Connections::New, workers: 32, duration: round, ..top }).await?;
            self.look_up(peer, &posts).await?;
            self.report.rows.push(Row::new(load, peer.name, &measured));
        }
        Ok(())
    }

    /// Capsules that were acknowledged are there.
    async fn look_up(&self, peer: &Peer, posts: &[Post]) -> Result<()> {
        let put: Vec<&(TransactionId, usize)> = posts.iter().flat_map(|post| &post.put).collect();
        say(&format!("{}: {} of the capsules that were put", peer.name, put.len()));
        let wanted = put.into_iter().map(|(id, owner)| Wanted { id: id.clone(), owner: *owner, capsule: None });
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
                    Connection::open(&target.clients[target.client_of(number)], target.address).await
                });
            }
            let mut open = Vec::with_capacity(count);
            while let Some(connection) = tasks.join_next().await {
                open.push(connection?.map_err(|fault| format!("{load}: {fault}"))?);
            }
            let plan = Plan {
                connections: Connections::New,
                pace: Pace::Open(50.0),
                workers: PARALLEL,
                duration: self.schedule.round,
                max_requests: 10_000,
            };
            let measured = self.get(peer, plan).await?;
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

/// Clients for all recipients, with their certificates.
fn recipients(pin: &Arc<Pin>, population: &Population) -> std::result::Result<Vec<Client>, rustls::Error> {
    let recipients = population.recipients().iter().enumerate();
    recipients.map(|(number, recipient)| Client::new(pin, number, Some(recipient))).collect()
}

/// What the figures depend on.
fn setting(options: &Options, capsules: u64) -> BTreeMap<&'static str, String> {
    BTreeMap::from([
        ("machine", stage::machine()),
        ("nginx", stage::said(&options.nginx, "-V").unwrap_or_default()),
        ("capsules", format!("{capsules}, of {} recipients with keys on P-384", options.recipients)),
        ("servers' key", format!("{:?}", options.stage.server_key)),
    ])
}
