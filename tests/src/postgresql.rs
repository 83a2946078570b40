//! A PostgreSQL server of a test's own: its folder, its port, its end. The programs must be installed (`scripts/bootstrap`).

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use std::{fs, thread};

use tempfile::TempDir;

use crate::process::succeeds;

/// Longest that the server may take to start or to end.
const PATIENCE: Duration = Duration::from_secs(60);

/// Whose files they are when root runs the tests: PostgreSQL does not run as root.
const USER: &str = "nobody";

/// The role that owns everything, and needs no password.
const ROLE: &str = "cdoc2";

/// A server with durable writes, as they are set by default. It ends with the value or with the test's process, and nothing of it is left.
///
/// It listens on a port of 127.0.0.1 and on a socket in its folder.
#[derive(Debug)]
pub struct Postgresql {
    folder: TempDir,
    port: u16,
    options: Vec<String>,
    running: Option<Running>,
    databases: AtomicU32,
}

/// The server's processes.
#[derive(Debug)]
struct Running {
    /// The first one.
    id: u32,
    /// Started it, and ends it when its input is closed, however this process ends.
    shell: Child,
    stdin: Option<ChildStdin>,
}

impl Postgresql {
    /// A new server, which takes connections.
    ///
    /// # Panics
    /// PostgreSQL is not installed, or does not start.
    #[must_use]
    pub fn start() -> Self {
        Self::with(&[])
    }

    /// The same with settings, such as `max_connections=200`.
    ///
    /// # Panics
    /// PostgreSQL is not installed, or does not start.
    #[must_use]
    pub fn with(options: &[&str]) -> Self {
        let folder = tempfile::Builder::new().prefix("postgresql-").tempdir().expect("a temporary folder");
        give(folder.path());
        let mut initdb = as_user(&program("initdb"));
        initdb.args(["--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", "--username", ROLE, "--pgdata"]);
        succeeds(initdb.arg(folder.path().join("data")));
        let options = options.iter().map(|&option| option.to_owned()).collect();
        let mut server = Self { folder, port: 0, options, running: None, databases: AtomicU32::new(0) };
        for _ in 0..10 {
            // Between finding a free port and taking it another program may take it.
            server.port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a free port").port();
            if server.try_start() {
                return server;
            }
        }
        panic!("PostgreSQL does not start:\n{}", server.log())
    }

    /// Starts it after [`Postgresql::stop`] or [`Postgresql::kill`], with the same port and folder.
    ///
    /// # Panics
    /// It does not start, or runs already.
    pub fn start_again(&mut self) {
        assert!(self.running.is_none(), "it runs already");
        assert!(self.try_start(), "PostgreSQL does not start:\n{}", self.log());
    }

    /// Whether it came so far as to take connections.
    fn try_start(&mut self) -> bool {
        let status = self.folder.path().join("data/postmaster.pid");
        // That of one that was killed.
        let _ = fs::remove_file(&status);
        let running = Running::start(self.folder.path(), self.port, &self.options);
        let deadline = Instant::now() + PATIENCE;
        // The file's eighth line says how far it is.
        while fs::read_to_string(&status).unwrap_or_default().lines().nth(7).map(str::trim) != Some("ready") {
            if !is_running(running.id) || Instant::now() > deadline {
                running.leave();
                return false;
            }
            thread::sleep(Duration::from_millis(2));
        }
        self.running = Some(running);
        true
    }

    /// How to reach the database that is there from the start.
    #[must_use]
    pub fn url(&self) -> String {
        self.url_of("postgres")
    }

    fn url_of(&self, database: &str) -> String {
        format!("postgresql://{ROLE}@127.0.0.1:{}/{database}", self.port)
    }

    /// Makes an empty database; its URL.
    ///
    /// # Panics
    /// The server refuses.
    #[must_use]
    pub fn database(&self) -> String {
        self.database_with("")
    }

    /// The same with `options`, which go after `CREATE DATABASE` and a name.
    ///
    /// # Panics
    /// The server refuses.
    #[must_use]
    pub fn database_with(&self, options: &str) -> String {
        let name = format!("test{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.sql(&self.url(), &format!("CREATE DATABASE {name} {options}"));
        self.url_of(&name)
    }

    /// What `sql` gives in the database at `url`: a row a line, with `|` between columns.
    ///
    /// # Panics
    /// It fails.
    pub fn sql(&self, url: &str, sql: &str) -> String {
        let mut psql = Command::new(program("psql"));
        psql.args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1", "--command", sql, url]);
        succeeds(&mut psql).trim_end().to_owned()
    }

    /// The folder of its socket and all else. Files that are given to it here are its own: [`give`].
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Its first process: all others are children of that one.
    ///
    /// # Panics
    /// It does not run.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.running.as_ref().expect("it runs").id
    }

    /// What it said.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Ends it as who restarts a database does: open connections are cut.
    ///
    /// # Panics
    /// It does not end.
    pub fn stop(&mut self) {
        let running = self.running.take().expect("it runs");
        running.end("INT", &[running.id]);
        running.leave();
    }

    /// Kills all of its processes with SIGKILL.
    ///
    /// # Panics
    /// They do not end.
    pub fn kill(&mut self) {
        let running = self.running.take().expect("it runs");
        let mut victims = vec![running.id];
        victims.extend(children(running.id));
        running.end("KILL", &victims);
        running.leave();
    }
}

impl Drop for Postgresql {
    fn drop(&mut self) {
        if let Some(mut running) = self.running.take() {
            running.stdin = None;
            let _ = running.shell.wait();
        }
    }
}

impl Running {
    fn start(folder: &Path, port: u16, options: &[String]) -> Self {
        let folder = folder.display();
        let mut settings = format!("-D {folder}/data -k {folder} -h 127.0.0.1 -p {port}");
        for option in options {
            write!(settings, " -c '{option}'").expect("a string can be written to");
        }
        let server = program("postgres");
        // What ends a whole group of processes, such as Ctrl-C, must not end the shell before it has cleaned up.
        let script = format!(
            "trap '' HUP INT TERM; {} {settings} </dev/null >>{folder}/log 2>&1 & echo $!; read line; [ \"$line\" = leave ] || kill -s QUIT $!; wait $!; \
             [ \"$line\" = leave ] || rm -rf {folder}",
            server.display()
        );
        let mut shell = as_user(Path::new("sh"));
        let mut shell = shell.args(["-c", &script]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("sh runs");
        let mut id = String::new();
        BufReader::new(shell.stdout.take().expect("its output is a pipe")).read_line(&mut id).expect("it can be read");
        let stdin = shell.stdin.take();
        Self { id: id.trim().parse().expect("the number of a process"), shell, stdin }
    }

    /// Sends `signal` to `victims`, and waits for their end.
    fn end(&self, signal: &str, victims: &[u32]) {
        succeeds(Command::new("kill").args(["-s", signal]).args(victims.iter().map(u32::to_string)));
        let deadline = Instant::now() + PATIENCE;
        while victims.iter().any(|id| is_running(*id)) {
            assert!(Instant::now() < deadline, "PostgreSQL does not end");
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// Lets the shell go, and leaves the folder.
    fn leave(mut self) {
        if let Some(mut stdin) = self.stdin.take() {
            stdin.write_all(b"leave\n").expect("the shell listens");
        }
        self.shell.wait().expect("a child can be waited for");
    }
}

/// Makes `path` the server's own.
///
/// # Panics
/// That is not allowed.
pub fn give(path: &Path) {
    if is_root() {
        succeeds(Command::new("chown").arg("-R").arg(USER).arg(path));
    }
}

/// A program of PostgreSQL: in `$PATH`, or of the newest version in the place that Debian has for them.
fn program(name: &str) -> PathBuf {
    let version = |path: &PathBuf| path.iter().rev().nth(2).and_then(|version| version.to_str()?.parse::<u32>().ok());
    let debian =
        fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten().map(|entry| entry.path().join("bin").join(name));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|folder| folder.join(name)).find(|path| path.exists());
    let found = debian.filter(|path| path.exists()).max_by_key(version).or(found);
    found.unwrap_or_else(|| panic!("no {name}: PostgreSQL's server is not installed; run scripts/bootstrap"))
}

/// `program`, as who owns the server's files.
fn as_user(program: &Path) -> Command {
    let mut command = if is_root() {
        let mut command = Command::new("setpriv");
        command.args(["--reuid", USER, "--clear-groups", "--"]).arg(program);
        command
    } else {
        Command::new(program)
    };
    command.env("LC_ALL", "C").current_dir("/");
    command
}

fn is_root() -> bool {
    fs::metadata("/proc/self").map(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0).unwrap_or(false)
}

/// The state and the parent of a process (proc(5), `/proc/pid/stat`): the third and the fourth field, after a name in parentheses.
fn state(id: u32) -> Option<(String, u32)> {
    let text = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let mut fields = text.rsplit_once(')')?.1.split_whitespace();
    Some((fields.next()?.to_owned(), fields.next()?.parse().ok()?))
}

fn is_running(id: u32) -> bool {
    // The shell waits for it later.
    state(id).is_some_and(|(state, _)| state != "Z" && state != "X")
}

fn children(parent: u32) -> Vec<u32> {
    let processes = fs::read_dir("/proc").expect("a list of processes").flatten();
    let ids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    ids.filter(|id| state(*id).is_some_and(|(_, its_parent)| its_parent == parent)).collect()
}
