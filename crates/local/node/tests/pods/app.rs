//! What runs in the pods.

use std::ffi::OsString;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, ToSocketAddrs};
use std::process::ExitCode;
use std::time::Duration;

use isthmus_netfilter::{RedirectConfig, redirect};

/// `app serve PORT NAME`, `app fetch HOST:PORT…`, `app redirect PORT`.
pub(crate) fn main(args: &[OsString]) -> ExitCode {
    let words: Vec<&str> = args.iter().map(|arg| arg.to_str().unwrap()).collect();
    match words.as_slice() {
        ["app", "serve", port, name] => serve(port.parse().unwrap(), name),
        ["app", "fetch", targets @ ..] => targets.iter().for_each(|target| println!("{}", fetch(target))),
        ["app", "redirect", port] => {
            let port = port.parse().unwrap();
            redirect(&RedirectConfig { inbound_port: port, outbound_port: port, ..RedirectConfig::default() })
                .apply()
                .unwrap();
        }
        other => panic!("{other:?}"),
    }
    ExitCode::SUCCESS
}

/// An HTTP server that says its name and who asked, for anything.
fn serve(port: u16, name: &str) {
    let listener = TcpListener::bind(("0.0.0.0", port)).unwrap();
    println!("{name} is up");
    for stream in listener.incoming().flatten() {
        let mut stream = stream;
        let peer = stream.peer_addr().unwrap().ip();
        let mut request = [0; 4096];
        let _length = stream.read(&mut request);
        let body = format!("{name} sees {peer}");
        let _gone =
            write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
    }
}

fn fetch(target: &str) -> String {
    let answer = || -> std::io::Result<String> {
        let address = target.to_socket_addrs()?.next().ok_or(std::io::ErrorKind::NotFound)?;
        let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(5))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        write!(stream, "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        Ok(text.rsplit("\r\n").next().unwrap_or_default().to_owned())
    };
    answer().unwrap_or_else(|error| format!("failed: {error}"))
}
