//! nginx, which answers every request for a capsule with the same file.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use crate::peer::{self, Error, Program};
use crate::pki::ServerCertificate;

/// Starts `program` in `folder` with the settings of the capsule server: TLS 1.3 only, client certificates required, no tickets. `body` is the
/// file.
pub(crate) async fn start(
    program: &Path,
    folder: &Path,
    certificate: &ServerCertificate,
    root: &Path,
    workers: usize,
    body: &[u8],
) -> Result<(Program, SocketAddr), Error> {
    let file = |path: &Path| {
        let path = path.to_owned();
        move |cause| Error::File { path, cause }
    };
    fs::create_dir_all(folder).map_err(file(folder))?;
    let capsule = folder.join("capsule.json");
    fs::write(&capsule, body).map_err(file(&capsule))?;
    let [address] = peer::free_addresses()?;
    let settings = folder.join("nginx.conf");
    peer::write(&settings, &configuration(address, certificate, root, workers, folder))?;
    let mut command = Command::new(program);
    command.arg("-p").arg(folder).arg("-c").arg(&settings).arg("-e").arg(folder.join("error.log"));
    let mut program = Program::start(command, &folder.join("nginx.log"))?;
    program.listening(address).await?;
    Ok((program, address))
}

fn configuration(address: SocketAddr, certificate: &ServerCertificate, root: &Path, workers: usize, folder: &Path) -> String {
    let (chain, key, root) = (certificate.chain.display(), certificate.key.display(), root.display());
    let folder = folder.display();
    format!(
        r#"daemon off;
# If it is root who measures, workers would otherwise become somebody who may not read the folder.
user root;
pid "{folder}/nginx.pid";
error_log "{folder}/error.log" error;
worker_processes {workers};
worker_rlimit_nofile 16384;
events {{ worker_connections 16000; }}
http {{
    access_log off;
    client_body_temp_path "{folder}/body";
    proxy_temp_path "{folder}/proxy";
    fastcgi_temp_path "{folder}/fastcgi";
    uwsgi_temp_path "{folder}/uwsgi";
    scgi_temp_path "{folder}/scgi";
    open_file_cache max=16;
    keepalive_requests 1000000000;
    keepalive_timeout 60s;
    server {{
        listen {address} ssl backlog=4096;
        ssl_protocols TLSv1.3;
        ssl_ecdh_curve X25519:prime256v1:secp384r1;
        ssl_certificate "{chain}";
        ssl_certificate_key "{key}";
        ssl_client_certificate "{root}";
        ssl_verify_client on;
        ssl_verify_depth 2;
        ssl_session_tickets off;
        ssl_session_cache off;
        root "{folder}";
        location /key-capsules/ {{
            default_type application/json;
            add_header x-expiry-time 2031-01-01T00:00:00Z;
            try_files /capsule.json =404;
        }}
    }}
}}
"#
    )
}
