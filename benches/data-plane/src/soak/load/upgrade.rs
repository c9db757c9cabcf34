//! A connection that is upgraded, as for a WebSocket, and then sends and receives as it likes.

use std::net::SocketAddr;

use anyhow::ensure;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::{
    echo::{BODY, UPGRADE, body, http1::end_of_head},
    load::{dial, id},
};

/// Messages on one connection.
const MESSAGES: u64 = 10;

pub(super) async fn talk(to: SocketAddr) -> anyhow::Result<()> {
    let mut stream = dial(to).await?;
    let head = format!("GET {UPGRADE} HTTP/1.1\r\nhost: web.shop\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n");
    stream.write_all(head.as_bytes()).await?;
    let mut answer = Vec::new();
    while end_of_head(&answer).is_none() {
        ensure!(answer.len() < 8 << 10, "the answer's head is too long");
        answer.push(stream.read_u8().await?);
    }
    ensure!(answer.starts_with(b"HTTP/1.1 101"), "answered {}", String::from_utf8_lossy(&answer));
    for number in 0..MESSAGES {
        let message = body(&id(number));
        stream.write_all(&message).await?;
        let mut back = [0; BODY];
        stream.read_exact(&mut back).await?;
        ensure!(back == message, "not what was sent");
    }
    Ok(())
}
