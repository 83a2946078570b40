//! Shares servers under load, one on each store: nonces and shares by tickets of either kind, and new shares.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cdoc2_api::ShareId;
use cdoc2_server::store::Store;
use cdoc2_tests::postgresql::Postgresql;
use clap::Args;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::connection::{Connection, Fault, Pin};
use crate::drive::{Connections, Errand, Pace, Plan, Target};
use crate::fill::{self, Expiring};
use crate::measure::{self, Measured};
use crate::ocsp::Responder;
use crate::peer::Peer;
use crate::people::{self, People, Signature};
use crate::pki::Authority;
use crate::process::Processes;
use crate::report::{Goal, Report, Row};
use crate::servers::{self, Authorities, Settings};
use crate::stage::{self, Result, Stage, say, toml_string, total};
use crate::tickets::{Given, Nonces, Pairs, Place, Post, Prepared, Present};

/// Connections that are used at the same time, for what is measured and for what is not.
const WORKERS: usize = 32;
/// For POST, which waits for the disk.
const POST_WORKERS: usize = 256;
/// Verified tickets a second that are aimed at: with ES256, on connections that are kept, on two processors.
const WANTED: f64 = 1500.0;
/// Where numbers of shares begin that are for the second kind of signature: above all of the first kind, and of what expires.
const APART: u64 = 1 << 32;
/// As many as there is time for.
const MANY: u64 = 10_000_000;

/// What is loaded, and for how long.
#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    stage: Stage,
    /// Shares that are stored beforehand, half of them for each kind of signature [default: 100000; with --quick 10000]
    #[arg(long, value_name = "N")]
    shares: Option<u64>,
    /// People of each kind of signature
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=50_000))]
    people: u32,
    /// Only this store
    #[arg(long, value_enum)]
    store: Option<Kind>,
    /// A database, as in the server's configuration, instead of one that is started for this; shares stay in it, and its own time is not measured
    #[arg(long, value_name = "URL")]
    postgresql: Option<String>,
}

/// Where shares are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Kind {
    /// A file.
    Sqlite,
    /// A database.
    Postgresql,
}

impl Kind {
    const ALL: [Self; 2] = [Self::Sqlite, Self::Postgresql];

    /// Its name in the tables.
    fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgresql => "PostgreSQL",
        }
    }
}

/// How long each kind of load lasts.
#[derive(Clone, Copy, Debug)]
struct Schedule {
    /// Rounds of the loads whose top rates are wanted.
    rounds: usize,
    /// Tickets that are signed before a round of shares alone.
    tickets: u64,
    /// A load.
    steady: Duration,
    /// Shares put live so long: shorter than the load, so that as many expire as come.
    put_for: i64,
    /// More shares, which expire all the while.
    expiring: Expiring,
}

impl Schedule {
    const WHOLE: Self = Self {
        rounds: 3,
        tickets: 10_000,
        steady: Duration::from_secs(8),
        put_for: 3,
        expiring: Expiring { count: 20_000, from: 0, until: 150 },
    };
    const QUICK: Self = Self {
        rounds: 1,
        tickets: 3000,
        steady: Duration::from_secs(2),
        put_for: 2,
        expiring: Expiring { count: 3000, from: 0, until: 60 },
    };
}

/// What both servers have.
#[derive(Clone, Copy)]
struct Site<'s> {
    folder: &'s Path,
    authority: &'s Authority,
    program: &'s Path,
    ocsp: &'s str,
}

/// A server that is loaded.
struct Scene<'s> {
    schedule: Schedule,
    stage: &'s Stage,
    peer: Peer,
    /// For each kind of signature.
    places: [Place; 2],
    store: Arc<dyn Store>,
    report: &'s mut Report,
}

/// Runs everything, and prints it.
pub(crate) async fn shares(options: &Options) -> Result<()> {
    let begin = Instant::now();
    let stage = &options.stage;
    let shares = options.shares.unwrap_or(if stage.quick { 10_000 } else { 100_000 }) / 2;
    if shares < options.people.into() {
        return Err("--shares: each of the people needs one at least".into());
    }
    let folder = stage.folder()?;
    say("certificates");
    let authority = Authority::generate()?;
    let people = |signature, first| People::generate(&authority, signature, options.people, first, shares).map(Arc::new);
    let people = [people(Signature::Es256, 0)?, people(Signature::Rs256, APART)?];
    let responder = Responder::start(authority.ocsp()?).await?;
    let program = stage.program()?;
    let site = Site { folder: folder.path(), authority: &authority, program: &program, ocsp: &responder.url };

    let mut report = Report { setting: setting(options, shares), ..Report::default() };
    for kind in Kind::ALL.into_iter().filter(|kind| options.store.is_none_or(|only| only == *kind)) {
        // It ends when what is measured on it is done.
        let database = (kind == Kind::Postgresql && options.postgresql.is_none()).then(|| {
            say("PostgreSQL");
            Postgresql::start()
        });
        let line = match (kind, &options.postgresql, &database) {
            (Kind::Postgresql, Some(url), _) => format!("postgresql = {}", toml_string(url)),
            (Kind::Postgresql, None, Some(database)) => format!("postgresql = {}", toml_string(&database.database())),
            _ => format!("sqlite = {}", toml_string(&folder.path().join("shares.sqlite").to_string_lossy())),
        };
        if let Some(database) = &database {
            report.setting.insert("PostgreSQL", database.sql(&database.url(), "SHOW server_version"));
        }
        let id = database.as_ref().map(Postgresql::id);
        Scene::prepare(kind, &line, id, site, &people, stage, &mut report).await?.load().await?;
    }
    report.setting.insert("took", format!("{:.0} s", begin.elapsed().as_secs_f64()));
    stage.publish(&report)
}

impl<'s> Scene<'s> {
    /// Shares in the store, a server, and who asks it. `database` is the first process of the store's own.
    async fn prepare(
        kind: Kind,
        line: &str,
        database: Option<u32>,
        site: Site<'_>,
        people: &[Arc<People>; 2],
        stage: &'s Stage,
        report: &'s mut Report,
    ) -> Result<Self> {
        let schedule = if stage.quick { Schedule::QUICK } else { Schedule::WHOLE };
        let name = kind.name();
        let folder = site.folder.join(name);
        std::fs::create_dir_all(&folder)?;
        let certificate = site.authority.server(stage.server_key, &folder)?;
        let [root, intermediate] = [site.authority.write_root(&folder)?, site.authority.write_intermediate(&folder)?];
        let store = stage::open(line).await?;
        say(&format!("{name}: shares"));
        let none = Expiring { count: 0, ..schedule.expiring };
        for (people, expiring) in people.iter().zip([none, schedule.expiring]) {
            fill::fill(&store, people, expiring).await?;
        }
        let settings = Settings { store: line, ocsp: Some(site.ocsp) };
        let authorities = Authorities { root: &root, intermediate: &intermediate };
        let (program, address) = servers::shares(site.program, &folder, &certificate, authorities, settings).await?;
        let clients = stage::clients(&Pin::new(certificate.der.clone()), POST_WORKERS)?;
        let mut peer = Peer::new(name, program, Arc::new(Target { address, clients }), None)?;
        peer.processes = peer.processes.with_database(database);
        let places = people.each_ref().map(|people| Place::new(people, address));
        Ok(Self { schedule, stage, peer, places, store, report })
    }

    /// Every kind of load.
    async fn load(mut self) -> Result<()> {
        let mut nonces = Vec::new();
        for place in self.places.clone() {
            // Answers of OCSP are in the server's cache from now on.
            say(&format!("{}: each of the people once", self.peer.name));
            let first = place.people.first_of_each().map(|number| (people::id(number), number));
            self.look(&place, first.collect()).await?;
            nonces.extend(self.alone(&place).await?);
            self.pairs(&place).await?;
        }
        if !nonces.is_empty() {
            self.report.rows.push(Row::new("nonce, kept alive", self.peer.name, &total(&nonces)));
        }
        self.put().await
    }

    /// Whether a load of this name was asked for.
    fn wants(&self, load: &str) -> bool {
        self.stage.only.as_ref().is_none_or(|only| load.contains(only.as_str()))
    }

    /// Runs `plan` on the server.
    async fn run<E: Errand>(&self, load: &str, plan: Plan, errand: impl FnMut() -> E) -> Result<(Measured, Vec<E>)> {
        say(&format!("{}: {load}", self.peer.name));
        Ok(measure::run(&self.peer.processes, &self.peer.recipient, plan, errand).await?)
    }

    /// Nonces alone, and then shares alone, by tickets that were signed meanwhile; what came of the nonces.
    async fn alone(&mut self, place: &Place) -> Result<Vec<Measured>> {
        let Schedule { rounds, tickets, .. } = self.schedule;
        let algorithm = place.people.signature().algorithm().name();
        let load = format!("GET, {algorithm}, kept alive");
        let (mut nonces, mut gets, mut signing) = (Vec::new(), Vec::new(), Duration::ZERO);
        if !self.wants(&load) {
            return Ok(nonces);
        }
        // It ends with the last ticket, long before the nonces do.
        let plan = Plan { max_requests: tickets, ..closed(WORKERS, Duration::from_secs(120)) };
        for _ in 0..rounds {
            let (measured, errands) = self.run("nonce, kept alive", plan.clone(), || Nonces::new(place)).await?;
            nonces.push(measured);
            let given = errands.into_iter().flat_map(|errand| errand.given).collect();
            let before = Processes::own().cpu()?;
            let present = Present::new(sign(place, given).await?);
            signing += Processes::own().cpu()?.saturating_sub(before);
            // As many as there are nonces, should some have failed.
            let plan = Plan { max_requests: present.len(), ..plan.clone() };
            gets.push(self.run(&load, plan, || present.clone()).await?.0);
        }
        let (gets, count) = (total(&gets), nonces.iter().map(|round| round.tally.good()).sum::<u64>());
        let each = signing.as_secs_f64() * 1e6 / count.max(1) as f64;
        self.report.setting.insert(place.people.signature().cost(), format!("{each:.0} µs of the generator's processor"));
        self.report.rows.push(Row::new(&load, self.peer.name, &gets));
        if place.people.signature() == Signature::Es256 {
            let what = format!("{load}, {}: verified a second", self.peer.name);
            self.report.targets.push(Goal::at_least(what, WANTED, gets.tally.rate(), 0));
        }
        Ok(nonces)
    }

    /// Nonces and shares in turn, as fast as it goes, at half of that rate, and with a handshake for each two.
    async fn pairs(&mut self, place: &Place) -> Result<()> {
        let Schedule { rounds, steady, .. } = self.schedule;
        let algorithm = place.people.signature().algorithm().name();
        let top = closed(WORKERS, steady / 2);
        let load = format!("nonce and GET, {algorithm}, kept alive");
        if self.wants(&load) {
            let mut measured = Vec::new();
            for _ in 0..rounds {
                measured.push(self.run(&load, top.clone(), || Pairs::new(place)).await?.0);
            }
            let measured = total(&measured);
            self.report.rows.push(Row::new(&load, self.peer.name, &measured));
            let pace = Pace::Open(measured.tally.rate() / 2.0);
            let plan = Plan { pace, ..closed(4 * WORKERS, steady) };
            let load = format!("{load}, half the top rate");
            let measured = self.run(&load, plan, || Pairs::new(place)).await?.0;
            self.report.rows.push(Row::new(&load, self.peer.name, &measured));
        }
        let load = format!("nonce and GET, {algorithm}, a handshake for both");
        if self.wants(&load) {
            let plan = Plan { connections: Connections::New, ..top };
            let measured = self.run(&load, plan, || Pairs::new(place)).await?.0;
            self.report.rows.push(Row::new(&load, self.peer.name, &measured));
        }
        Ok(())
    }

    /// New shares, which expire as fast as they come.
    async fn put(&mut self) -> Result<()> {
        let Schedule { steady, put_for, .. } = self.schedule;
        let (load, place) = ("POST, kept alive", self.places[0].clone());
        if !self.wants(load) {
            return Ok(());
        }
        let (measured, posts) = self.run(load, closed(POST_WORKERS, steady), || Post::new(&place, put_for)).await?;
        let behind = stage::behind(&self.store).await?;
        self.report.rows.push(Row::new(load, self.peer.name, &measured));
        let goal = Goal::below(format!("{load}, {}: clean-up behind by", self.peer.name), 5.0, behind as f64, "s");
        self.report.targets.push(goal);
        let put: Vec<_> = posts.into_iter().flat_map(|post| post.put).collect();
        say(&format!("{}: {} of the shares that were put", self.peer.name, put.len()));
        self.look(&place, put).await
    }

    /// Fetches shares by their ids. Each is like one whose number is known.
    async fn look(&self, place: &Place, wanted: Vec<(ShareId, u64)>) -> Result<()> {
        let (permits, mut tasks) = (Arc::new(Semaphore::new(WORKERS)), JoinSet::new());
        for (id, number) in wanted {
            let (target, permits, place) = (Arc::clone(&self.peer.recipient), Arc::clone(&permits), place.clone());
            tasks.spawn(async move {
                let _permit = permits.acquire_owned().await;
                let client = &target.clients[target.client_of(number as usize)];
                let mut connection = Connection::open(client, target.address).await?;
                place.fetch(&mut connection, &id, number).await?;
                connection.close().await;
                Ok::<(), Fault>(())
            });
        }
        while let Some(result) = tasks.join_next().await {
            result?.map_err(|fault| format!("{}: a share that is there was asked for: {fault}", self.peer.name))?;
        }
        Ok(())
    }
}

/// As fast as it goes, on connections that are kept.
fn closed(workers: usize, duration: Duration) -> Plan {
    Plan { connections: Connections::KeptAlive, pace: Pace::Closed, workers, duration, max_requests: MANY }
}

/// Signs tickets for all nonces, on all processors.
async fn sign(place: &Place, mut given: Vec<Given>) -> Result<Vec<Prepared>> {
    say(&format!("{} tickets, {}", given.len(), place.people.signature().algorithm().name()));
    let mut tasks = JoinSet::new();
    let share = given.len().div_ceil(std::thread::available_parallelism()?.get()).max(1);
    while !given.is_empty() {
        let (place, part) = (place.clone(), given.split_off(given.len().saturating_sub(share)));
        tasks.spawn_blocking(move || part.into_iter().map(|given| given.sign(&place)).collect::<Vec<_>>());
    }
    Ok(tasks.join_all().await.into_iter().flatten().collect())
}

/// What the figures depend on.
fn setting(options: &Options, shares: u64) -> BTreeMap<&'static str, String> {
    BTreeMap::from([
        ("machine", stage::machine()),
        ("shares", format!("{shares} for each kind of signature, of {} people", options.people)),
        ("servers' key", format!("{:?}", options.stage.server_key)),
    ])
}
