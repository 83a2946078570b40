//! Containers whose capsules are on a server, against a real one in this process.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::thread;

use cdoc2_testbed::card::PIN1;
use cdoc2_testbed::ocsp::Standing;
use cdoc2_testbed::{Algorithm, Holder, KeyFiles, Options, PersonalCode, Testbed, identity};

use crate::support::{Invocation, PASSWORD, Sandbox, says};

/// A test bed, and a folder with `a.txt`.
struct World {
    testbed: Testbed,
    sandbox: Sandbox,
}

impl World {
    fn new() -> Self {
        let testbed = Testbed::start(Options { ldap: false, ..Options::default() }).unwrap();
        let sandbox = Sandbox::new();
        sandbox.write("a.txt", "plain text\n");
        Self { testbed, sandbox }
    }

    /// The program with the test bed's configuration. Nothing goes through a proxy of this machine's.
    fn cdoc2(&self, arguments: &str) -> Invocation {
        self.sandbox.cdoc2(arguments).env("CDOC2_CONFIG", self.testbed.config()).env("NO_PROXY", "*")
    }

    /// Somebody's key, in `mari.key` and `mari.pem`.
    fn mari(&self, algorithm: Algorithm) -> KeyFiles {
        let files = self.testbed.software_key(&holder(), algorithm).unwrap();
        std::fs::copy(&files.key, self.sandbox.path("mari.key")).unwrap();
        std::fs::copy(&files.certificate, self.sandbox.path("mari.pem")).unwrap();
        files
    }
}

fn holder() -> Holder {
    Holder::new("MAASIKAS,MARI", PersonalCode::parse("60001017727").unwrap()).unwrap()
}

#[test]
fn a_capsule_goes_through_the_default_server() {
    let world = World::new();
    world.mari(Algorithm::P384);
    let said = world.cdoc2("encrypt -v -o in.cdoc2 -r cert:mari.pem a.txt").run().done().stderr();
    says(&said, "the capsule server \"testbed\" is asked to keep capsules until ");
    assert_eq!(world.testbed.policy().requests(), 1);

    let text = world.cdoc2("inspect in.cdoc2").run().done().text();
    for line in
        ["through a capsule server (SC.03)", "opens by:  --key", "server:    testbed", "owner:     CDOC2 test bed", "expires:   20"]
    {
        says(&text, line);
    }
    world.cdoc2("decrypt in.cdoc2 -o out --key mari.key --cert mari.pem").run().done();
    assert_eq!(world.sandbox.read("out/a.txt"), b"plain text\n");

    world.sandbox.openssl("pkcs12 -export -inkey mari.key -in mari.pem -out mari.p12 -passout pass:eluaegne");
    world.cdoc2("decrypt in.cdoc2 -o p12 --p12 mari.p12").env("CDOC2_KEY_PASSWORD", "eluaegne").run().done();

    world.cdoc2("reencrypt in.cdoc2 -o next.cdoc2 --key mari.key --cert mari.pem --expires 2d -r cert:mari.pem").run().done();
    assert_eq!(world.testbed.policy().requests(), 1, "--expires goes before the policy");
    world.cdoc2("decrypt next.cdoc2 -o next --key mari.key --cert mari.pem").run().done();
}

#[test]
fn a_card_shows_its_certificate_and_opens_with_one_pin() {
    let world = World::new();
    let card = world.testbed.card(&holder()).unwrap();
    let reader = format!("sim:{}", card.path.display());
    let run = |arguments: &str| world.cdoc2(arguments).env("CDOC2_READER", &reader).env("CDOC2_PIN", PIN1).run();
    run("encrypt -o in.cdoc2 --token a.txt").done();
    let said = run("decrypt -v --trace in.cdoc2 -o out --token").done().stderr();
    assert_eq!(world.sandbox.read("out/a.txt"), b"plain text\n");
    assert!(!said.contains(PIN1) && !said.contains("31323334"), "{said}");
    // Without --token as well: the card that is there fits.
    run("decrypt in.cdoc2 -o again").done();

    world.testbed.ocsp().set(&identity::serial(&card.certificate), Standing::Revoked);
    world.testbed.server().stop();
    world.testbed.server().start().unwrap();
    let said = run("decrypt in.cdoc2 -o revoked --token").failed(10);
    says(&said, "revoked");
    assert!(!world.sandbox.path("revoked").exists());
}

#[test]
fn passwords_stay_and_no_server_is_no_server() {
    let world = World::new();
    world.mari(Algorithm::Rsa);
    world.testbed.server().stop();
    world.cdoc2("encrypt -o pw.cdoc2 -r password:x a.txt").env("CDOC2_PASSWORD", PASSWORD).run().done();
    world.cdoc2("encrypt -o local.cdoc2 --no-server -r cert:mari.pem a.txt").run().done();
    world.cdoc2("decrypt local.cdoc2 -o out --key mari.key").run().done();

    let said = world.cdoc2("encrypt -o in.cdoc2 -r cert:mari.pem a.txt").run().failed(10);
    says(&said, "cannot connect to");
    says(&said, "hint: try again later");
    assert_eq!(world.sandbox.names("."), ["a.txt", "local.cdoc2", "mari.key", "mari.pem", "out", "pw.cdoc2"]);
}

#[test]
fn what_cannot_be_done_is_said() {
    let world = World::new();
    world.mari(Algorithm::P384);
    world.cdoc2("encrypt -o in.cdoc2 -r cert:mari.pem a.txt").run().done();

    let said = world.cdoc2("encrypt -o x.cdoc2 --server absent -r cert:mari.pem a.txt").run().failed(2);
    says(&said, "the capsule server \"absent\" is not known");
    world.cdoc2("encrypt -o x.cdoc2 --server testbed --no-server -r cert:mari.pem a.txt").run().failed(2);
    world.cdoc2("encrypt -o x.cdoc2 --expires soon -r cert:mari.pem a.txt").run().failed(2);
    says(&world.cdoc2("encrypt -o x.cdoc2 --expires 2020-01-01 -r cert:mari.pem a.txt").run().failed(2), "is over");
    says(&world.sandbox.cdoc2("encrypt -o x.cdoc2 --expires 1d -r cert:mari.pem a.txt").run().failed(2), "none is meant");

    says(&world.cdoc2("decrypt in.cdoc2 -o out --key mari.key").run().failed(2), "--cert PATH");
    says(
        &world.sandbox.cdoc2("decrypt in.cdoc2 -o out --key mari.key --cert mari.pem").run().failed(4),
        "there is no configuration",
    );
    world.sandbox.certificate("jaan", 30, "");
    says(
        &world.cdoc2("decrypt in.cdoc2 -o out --key mari.key --cert jaan.cer").run().failed(2),
        "is not the certificate of the key",
    );

    world.testbed.organisation_key("Asutus", "70000310", Algorithm::P384).unwrap();
    let path = world.testbed.folder().join("70000310-p384.pem");
    std::fs::copy(path, world.sandbox.path("asutus.pem")).unwrap();
    let said = world.cdoc2("encrypt -o x.cdoc2 -r cert:asutus.pem a.txt").run().failed(2);
    says(&said, "digitalSignature");
    says(&said, "hint: --no-server");

    world.testbed.policy().set(200, "no policy");
    let said = world.cdoc2("encrypt -o x.cdoc2 -r cert:mari.pem a.txt").run().failed(10);
    says(&said, "the policy service https://localhost:");
    assert!(!world.sandbox.path("x.cdoc2").exists() && !world.sandbox.path("out").exists());
}

#[test]
fn servers_are_listed_and_checked() {
    let world = World::new();
    let text = world.cdoc2("servers list").run().done().text();
    for line in [
        "Server: testbed\n",
        "  owner:     CDOC2 test bed\n",
        "  pinned:    valid until 20",
        "  default:   yes\n",
        "Shares set: testbed\n",
        "  interface: ticket\n",
    ] {
        says(&text, line);
    }
    let text = world.cdoc2("servers check").run().done().text();
    says(&text, "  sending:   works; its certificate is valid until 20");
    says(&text, "  fetching:  works; its certificate is valid until 20");
    assert_eq!(text.matches("  answer:    works; its certificate is valid until 20").count(), 2, "{text}");
    world.cdoc2("servers check absent").run().failed(2);
    says(&world.sandbox.run("servers list").failed(2), "there is no configuration here");

    world.testbed.server().stop();
    let run = world.cdoc2("servers check testbed").run();
    says(&run.text(), "  sending:   cannot connect to localhost:");
    // The set of shares servers has the same id.
    says(&run.failed(10), "2 of 4 addresses cannot be used");
}

/// The proxy is asked for a tunnel to the server's name, and sees nothing more.
#[test]
fn a_proxy_of_the_environment_is_used() {
    let world = World::new();
    world.mari(Algorithm::P384);
    world.cdoc2("encrypt --expires 1d -o in.cdoc2 -r cert:mari.pem a.txt").run().done();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = format!("http://{}", listener.local_addr().unwrap());
    let tunnel = thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            let mut octet = [0];
            client.read_exact(&mut octet).unwrap();
            request.push(octet[0]);
        }
        let request = String::from_utf8(request).unwrap();
        let host = request.strip_prefix("CONNECT ").and_then(|rest| rest.split(' ').next()).unwrap().to_owned();
        let server = TcpStream::connect(&host).unwrap();
        client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
        let (mut up, mut down) = (client.try_clone().unwrap(), server.try_clone().unwrap());
        let (mut client, mut server) = (client, server);
        let upwards = thread::spawn(move || {
            let _ = std::io::copy(&mut up, &mut server);
            let _ = server.shutdown(std::net::Shutdown::Write);
        });
        let _ = std::io::copy(&mut down, &mut client);
        let _ = client.shutdown(std::net::Shutdown::Both);
        upwards.join().unwrap();
        host
    });
    let run =
        world.cdoc2("decrypt in.cdoc2 -o out --key mari.key --cert mari.pem").env("NO_PROXY", "").env("HTTPS_PROXY", &proxy).run();
    run.done();
    says(&world.testbed.server().recipient_url(), &tunnel.join().unwrap());
}
