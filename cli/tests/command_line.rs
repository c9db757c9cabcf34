//! What the program says to a wrong command line, and with which exit code.

#![allow(clippy::unwrap_used)]

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    process::{Child, Command, Output},
    time::{Duration, Instant},
};

fn isthmus(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_isthmus")).args(args).env("NO_COLOR", "1").output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_bad_flag_exits_64_with_a_hint() {
    for args in [&["app", "--prot", "80"][..], &["ap"], &["app", "cataloge"], &["version", "-o", "xml"], &[]] {
        let output = isthmus(args);
        assert_eq!(output.status.code(), Some(64), "{args:?}");
        assert!(output.stdout.is_empty() && stderr(&output).contains("--help"), "{args:?}: {}", stderr(&output));
    }
    assert!(stderr(&isthmus(&["app", "--prot", "80"])).contains("--port"));
    assert!(stderr(&isthmus(&["app", "cataloge"])).contains("catalog"));
}

#[test]
fn help_and_version_exit_0() {
    for args in [&["--help"][..], &["--version"], &["version"], &["version", "-o", "json"], &["completion", "bash"]] {
        let output = isthmus(args);
        assert!(output.status.success() && !output.stdout.is_empty(), "{args:?}");
    }
}

#[test]
fn a_failure_exits_1_and_names_what_failed() {
    let taken = std::net::TcpListener::bind("[::]:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let output = isthmus(&["app", "--port", &port]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains(&format!("listening on port {port}")), "{}", stderr(&output));
}

#[test]
fn what_cannot_be_is_refused_before_anything_happens() {
    for (args, named) in [
        (&["app", "--log", "isthmus=loud"][..], "isthmus=loud"),
        (&["app", "--log-format", "xml"], "text or json"),
        (&["redirect", "--inbound-port", "1", "--outbound-port", "1"], "must differ"),
        (&["down", "--name", "No"], "a-z"),
        (&["up", "--clusters", "0"], "1..=16"),
        (&["up", "--meshes", "east,east"], "twice"),
        (&["up", "--meshes", "east,West"], "a-z"),
        (&["controller", "--trust-domain", "UPPER"], "UPPER"),
        (&["controller", "--leaf-lifetime", "24"], "s, m or h"),
        (&["federation", "invite", "--expires", "5"], "like 30m"),
        (&["federation", "join", "isthmus1.abc"], "copy the whole text again"),
        (&["federation", "revoke", "No.Mesh"], "1 to 63 of a-z"),
        (&["federation", "check", "--from", "shop/web"], "--url"),
        (&["conformance", "list", "--cases", "/nowhere"], "--cases: /nowhere: it can't be read"),
    ] {
        let output = isthmus(args);
        assert_eq!(output.status.code(), Some(64), "{args:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(named), "{args:?}: {}", stderr(&output));
    }
}

/// A program, and a request to it that waits for the end of a connection to `peer`.
fn busy(peer: &TcpListener) -> (Child, TcpStream, TcpStream) {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let program = Command::new(env!("CARGO_BIN_EXE_isthmus")).args(["app", "--port", &port.to_string()]).spawn();
    let program = program.unwrap();
    let deadline = Instant::now() + Duration::from_secs(10);
    let mut stream = loop {
        match TcpStream::connect(("127.0.0.1", port)) {
            Ok(stream) => break stream,
            Err(error) => assert!(Instant::now() < deadline, "{error}"),
        }
    };
    let body = format!("{{\"address\":\"{}\"}}", peer.local_addr().unwrap());
    let head = format!("POST /sessions HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", body.len());
    stream.write_all((head + &body).as_bytes()).unwrap();
    let (mut session, _) = peer.accept().unwrap();
    session.write_all(b"PONG\n").unwrap();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut line = String::new();
    while !line.contains("\"id\"") {
        line.clear();
        assert!(reader.read_line(&mut line).unwrap() > 0);
    }
    stream.write_all(b"GET /sessions/1 HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    (program, stream, session)
}

fn terminate(program: &Child) {
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(program.id().cast_signed()), nix::sys::signal::SIGTERM).unwrap();
}

#[test]
fn one_signal_lets_work_finish() {
    let peer = TcpListener::bind("127.0.0.1:0").unwrap();
    let (mut program, mut stream, session) = busy(&peer);
    terminate(&program);
    drop(session);
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.contains("\"open\":false"), "{answer}");
    assert!(program.wait().unwrap().success());
}

#[test]
fn a_second_signal_ends_at_once() {
    let peer = TcpListener::bind("127.0.0.1:0").unwrap();
    let (mut program, _stream, _session) = busy(&peer);
    let deadline = Instant::now() + Duration::from_secs(20);
    let status = loop {
        // Signals that come too close together are one.
        terminate(&program);
        match program.try_wait().unwrap() {
            Some(status) => break status,
            None => assert!(Instant::now() < deadline),
        }
        std::thread::yield_now();
    };
    assert_eq!(status.code(), Some(128 + 15));
}

#[test]
fn a_reader_that_goes_away_is_no_panic() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_isthmus"))
        .args(["completion", "bash"])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_cluster_that_is_not_there_is_an_error_that_says_where_it_was_sought() {
    let none = ["--kubeconfig", "/nowhere/kubeconfig"];
    for command in ["status", "check", "invite", "rotate-root"] {
        let output = isthmus(&[&["federation", command], &none[..]].concat());
        assert_eq!(output.status.code(), Some(1), "{command}: {}", stderr(&output));
        assert!(stderr(&output).contains("--kubeconfig /nowhere/kubeconfig"), "{command}: {}", stderr(&output));
    }
}

#[test]
fn a_reader_that_has_gone_is_no_failure() {
    let home = tempfile::tempdir().unwrap();
    for args in [&["status"][..], &["status", "-o", "json"], &["down", "--all"], &["version"], &["completion", "bash"]]
    {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = Command::new(env!("CARGO_BIN_EXE_isthmus"));
        let output = command.args(args).env("XDG_STATE_HOME", home.path()).stdout(writer).output().unwrap();
        assert!(output.status.success(), "{args:?}: {}", stderr(&output));
    }
}

/// `crates/core/src/broken.rs`: what breaks a mesh on purpose is in no other build.
#[cfg(not(feature = "broken"))]
#[test]
fn the_product_holds_nothing_of_what_breaks_a_mesh_on_purpose() {
    let holds = |word: &str| {
        let found = Command::new("grep").args(["-qaF", word, env!("CARGO_BIN_EXE_isthmus")]).status().unwrap();
        found.code() == Some(0)
    };
    assert!(holds("Begin with `isthmus demo`"));
    for word in ["ISTHMUS_BROKEN", "BROKEN ON PURPOSE", "zero-weight-served"] {
        assert!(!holds(word), "{word}");
    }
}

#[cfg(feature = "broken")]
mod broken {
    use std::process::{Command, Output};

    fn with_fault(fault: &str, args: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_isthmus")).args(args).env("ISTHMUS_BROKEN", fault).output().unwrap()
    }

    #[test]
    fn a_build_that_is_broken_on_purpose_says_so() {
        let output = with_fault("weights-ignored", &["version"]);
        let (said, warned) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        assert!(output.status.success() && said.contains("+broken-on-purpose"), "{said}");
        assert!(warned.contains("BROKEN ON PURPOSE (weights-ignored)"), "{warned}");
        let help = with_fault("", &["--help"]).stdout;
        assert!(String::from_utf8(help).unwrap().contains("BROKEN ON PURPOSE"));
    }

    #[test]
    fn a_fault_that_there_is_not_is_an_error() {
        let output = with_fault("weight-ignored", &["version"]);
        assert_eq!(output.status.code(), Some(64));
        assert!(String::from_utf8(output.stderr).unwrap().contains("\"weight-ignored\" isn't a fault"));
    }
}
