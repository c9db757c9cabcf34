//! Few file descriptors, and none. They belong to the whole process, so each test has a process of its own.

use std::{
    fs::File,
    process::{Child, Command, Stdio},
};

use isthmus_core::id::TrustDomain;
use isthmus_proxy::limits::FEWEST_CONNECTIONS;
use nix::sys::resource::{Resource, setrlimit};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};

use super::{
    floods::{asks, from, open},
    rig::PORT,
};
use crate::support::{
    address, app, client,
    control::Script,
    eventually,
    mesh::{Pod, Spec},
    soon,
};

/// As few as a sidecar can do with: its own two dozen, and two for each connection of [`FEWEST_CONNECTIONS`] in one direction.
const FEW: u64 = 96;
const PLACE: &str = "ISTHMUS_TEST_PLACE";
const ROOTS: &str = "ISTHMUS_TEST_ROOTS";

/// A test of this file in a process of its own.
fn process(test: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", &format!("hostile::descriptors::{test}"), "--ignored", "--nocapture"]);
    command
}

/// The status of an answer on a connection that stays open.
async fn status(stream: &mut TcpStream) -> String {
    stream.write_all(b"GET / HTTP/1.1\r\nhost: web\r\n\r\n").await.unwrap();
    let mut heard = String::new();
    loop {
        let mut bytes = [0; 1024];
        let read = soon("an answer", stream.read(&mut bytes)).await.unwrap();
        assert!(read > 0, "closed after {heard:?}");
        heard.push_str(std::str::from_utf8(&bytes[..read]).unwrap());
        let Some((head, body)) = heard.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
        if body.len() == length.parse::<usize>().unwrap() {
            return head.split(' ').nth(1).unwrap().to_owned();
        }
    }
}

/// A process that ends with the test, however that ends.
struct Ends(Child);

impl Drop for Ends {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn with_few_descriptors_connections_wait_and_none_fails() {
    let script = Script::start().await;
    script.set_policy("few", open());
    let (ip, target) = (address(), address());
    app::http((target, PORT).into(), "app").await;
    let mut sidecar = process("a_sidecar_of_few_descriptors");
    sidecar.env(PLACE, format!("{ip} {target} {}", script.addr)).env(ROOTS, script.authority.bundle(1).to_pem());
    let _sidecar = Ends(sidecar.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap());
    eventually("ready", async || client::get((ip, 15020).into(), "/ready").await.is_ok_and(|r| r.status() == 200))
        .await;

    let door = (ip, PORT).into();
    // Each from an address of its own; all that have a place keep it.
    let mut held = Vec::new();
    for _ in 0..FEWEST_CONNECTIONS {
        let mut stream = from(address(), door).await;
        assert!(asks(&mut stream).await);
        held.push(stream);
    }
    let late = (0..3 * FEWEST_CONNECTIONS).map(|_| async move {
        let mut stream = from(address(), door).await;
        asks(&mut stream).await
    });
    let late = tokio::spawn(futures::future::join_all(late.collect::<Vec<_>>()));
    for _ in 0..20 {
        for stream in &mut held {
            assert!(asks(stream).await, "those that have a place are served");
        }
    }
    assert!(!late.is_finished());
    drop(held);
    // Each leaves when it has its answer, and makes place for the next.
    assert!(soon("all answers", late).await.unwrap().into_iter().all(|answered| answered));
}

/// The sidecar of this process, at the place that the other one has given it.
fn launch() -> Pod {
    let place = std::env::var(PLACE).unwrap();
    let place: Vec<&str> = place.split(' ').collect();
    let &[ip, target, control] = place.as_slice() else { panic!("{place:?}") };
    let spec = Spec { name: "few", ports: &[PORT], calls: &[], edit: |_| {} };
    let at = (ip.parse().unwrap(), target.parse().unwrap());
    let domain = TrustDomain::new("isthmus.local").unwrap();
    Pod::launch_at(&domain, at, control.parse().unwrap(), std::env::var(ROOTS).unwrap(), spec)
}

#[tokio::test]
#[ignore = "run by with_few_descriptors_connections_wait_and_none_fails, in a process of its own"]
async fn a_sidecar_of_few_descriptors() {
    setrlimit(Resource::RLIMIT_NOFILE, FEW, FEW).unwrap();
    let _pod = launch();
    // The other process holds the other end.
    let _ = tokio::task::spawn_blocking(|| std::io::stdin().read_line(&mut String::new())).await;
}

#[tokio::test]
async fn out_of_file_descriptors() {
    let script = Script::start().await;
    script.set_policy("few", open());
    let (ip, target) = (address(), address());
    // Not in the process that has no descriptors: what it can't take would wait for ever.
    app::http((target, PORT).into(), "app").await;
    let mut sidecar = process("in_a_process_without_descriptors");
    sidecar.env(PLACE, format!("{ip} {target} {}", script.addr)).env(ROOTS, script.authority.bundle(1).to_pem());
    let child = tokio::task::spawn_blocking(move || sidecar.output()).await.unwrap().unwrap();
    let (out, err) = (String::from_utf8_lossy(&child.stdout), String::from_utf8_lossy(&child.stderr));
    assert!(child.status.success() && out.contains("1 passed"), "{out}\n{err}");
}

#[tokio::test]
#[ignore = "run by out_of_file_descriptors, in a process of its own"]
async fn in_a_process_without_descriptors() {
    setrlimit(Resource::RLIMIT_NOFILE, 400, 400).unwrap();
    let pod = launch();
    pod.ready().await;
    let door = (pod.ip, PORT).into();
    let mut held = Vec::new();
    for _ in 0..5 {
        let mut stream = TcpStream::connect(door).await.unwrap();
        assert!(asks(&mut stream).await);
        held.push(stream);
    }
    // A client's socket, and then nothing is left for the proxy's side of it.
    let socket = TcpSocket::new_v4().unwrap();
    let mut hoard: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
    assert!(!hoard.is_empty());
    let mut waiting = soon("a connection", socket.connect(door)).await.unwrap();
    waiting.write_all(b"GET / HTTP/1.1\r\nhost: web\r\nconnection: close\r\n\r\n").await.unwrap();
    // Idle connections to endpoints are given up for it, and it may be served by that; what is open is answered in any case, though
    // perhaps that no endpoint can be dialled.
    for _ in 0..20 {
        hoard.extend(std::iter::from_fn(|| File::open("/dev/null").ok()));
        for stream in &mut held {
            let status = status(stream).await;
            assert!(["200", "503"].contains(&&*status), "{status}");
        }
    }
    let mut answer = String::new();
    drop(hoard);
    soon("its turn", waiting.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 "), "{answer}");
    let mut fresh = TcpStream::connect(door).await.unwrap();
    assert!(asks(&mut fresh).await);
}
