//! HTTP/1.1 with keep-alive, as lean as it gets: `GET /api/items/<id>`, bodies sent back, and an upgrade.

use anyhow::{Context, bail, ensure};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{BODIES, BODY, ID, PATH, UPGRADE, body};

/// Most bytes of a request's head.
const HEAD: usize = 8 << 10;

pub(crate) async fn serve(mut stream: TcpStream) -> anyhow::Result<()> {
    let mut input = Vec::with_capacity(HEAD);
    let mut answer =
        format!("HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: {BODY}\r\n\r\n").into_bytes();
    let head = answer.len();
    loop {
        let end = loop {
            if let Some(at) = end_of_head(&input) {
                break at;
            }
            ensure!(input.len() < HEAD, "the head of a request is too long");
            if stream.read_buf(&mut input).await? == 0 {
                return Ok(());
            }
        };
        let begun = input.split_off(end);
        if let Some(id) = id(&input) {
            answer.truncate(head);
            answer.extend(body(id));
            stream.write_all(&answer).await?;
        } else if is(&input, "POST", BODIES) {
            let length = content_length(&input).context("a body without a length")?;
            stream.write_all(format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n").as_bytes()).await?;
            stream.write_all(&begun).await?;
            let rest = length.checked_sub(begun.len() as u64).context("more than the body")?;
            let (read, mut write) = stream.split();
            ensure!(tokio::io::copy(&mut read.take(rest), &mut write).await? == rest, "a body ended early");
            input.clear();
            continue;
        } else if is(&input, "GET", UPGRADE) {
            let head = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n";
            stream.write_all(head.as_bytes()).await?;
            stream.write_all(&begun).await?;
            return super::tcp::echo(stream).await;
        } else {
            bail!("not a request of the benchmark");
        }
        input = begun;
    }
}

fn is(head: &[u8], method: &str, path: &str) -> bool {
    head.starts_with(format!("{method} {path} ").as_bytes())
}

/// What a head says of its body's length.
pub(crate) fn content_length(head: &[u8]) -> Option<u64> {
    let lines = std::str::from_utf8(head).ok()?.lines().filter_map(|line| line.split_once(':'));
    let mut lengths = lines.filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    lengths.next()?.1.trim().parse().ok()
}

/// How long the head is, with the empty line; `None` while it isn't whole.
pub(crate) fn end_of_head(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4)
}

fn id(head: &[u8]) -> Option<&[u8]> {
    head.strip_prefix(b"GET ")?.strip_prefix(PATH.as_bytes())?.get(..ID)
}
