//! What runs in pods.

use std::ffi::OsString;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::ExitCode;
use std::time::Duration;

pub(crate) const NAMES: [&str; 2] = ["echo-server", "fetch"];

pub(crate) fn main(program: &str, args: impl Iterator<Item = OsString>) -> ExitCode {
    let args: Vec<String> = args.filter_map(|arg| arg.into_string().ok()).collect();
    let done = match program {
        "echo-server" => echo_server(&args),
        _ => fetch(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{program} {args:?}: {error}");
            ExitCode::FAILURE
        }
    }
}

/// `echo-server <port>`: answers each connection with its pod's name and what it was sent.
fn echo_server(args: &[String]) -> std::io::Result<()> {
    let port: u16 = args.first().and_then(|port| port.parse().ok()).unwrap_or(8080);
    let listener = TcpListener::bind(("0.0.0.0", port))?;
    println!("listening on {port}");
    for stream in listener.incoming() {
        let mut stream = stream?;
        std::thread::spawn(move || {
            let mut sent = String::new();
            stream.read_to_string(&mut sent)?;
            let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
            println!("got {sent:?}");
            write!(stream, "{}:{sent}", name.trim())
        });
    }
    Ok(())
}

/// `fetch <host> <port> <text>`: sends the text and prints the answer; again until there is one.
fn fetch(args: &[String]) -> std::io::Result<()> {
    let [host, port, text] = args else { return Err(std::io::Error::other("fetch <host> <port> <text>")) };
    let port: u16 = port.parse().map_err(std::io::Error::other)?;
    let once = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect((host.as_str(), port))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(text.as_bytes())?;
        stream.shutdown(std::net::Shutdown::Write)?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    let mut last = Ok(String::new());
    for _ in 0..100 {
        last = once();
        if let Ok(answer) = &last {
            println!("{answer}");
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    last.map(drop)
}
