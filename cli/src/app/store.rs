//! A key-value store over TCP: one command per line, one line in answer.
//!
//! `PING`, `ECHO <text>`, `GET <key>`, `SET <key> <value>`, `INCR <key>`, `QUIT`.

use std::{collections::HashMap, sync::Arc, time::Duration};

use isthmus_runtime::drain::Drain;
use parking_lot::Mutex;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};

/// Longest line in bytes.
const MAX_LINE: u64 = 4096;
/// Most keys.
const MAX_KEYS: usize = 10_000;

#[derive(Debug, Default)]
pub(super) struct Store(Mutex<HashMap<String, String>>);

pub(super) async fn serve(listener: TcpListener, drain: &Drain) {
    let store = Arc::new(Store::default());
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let (store, graceful) = (Arc::clone(&store), drain.graceful().clone());
                drain.spawn(async move {
                    if let Some(Err(error)) = graceful.run_until_cancelled(talk(&store, stream)).await {
                        tracing::debug!(%error, "connection");
                    }
                });
            }
            Err(error) => {
                tracing::warn!(%error, "accept");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

async fn talk(store: &Store, stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = BufReader::new(stream);
    loop {
        let mut line = String::new();
        if (&mut stream).take(MAX_LINE).read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let Some(reply) = store.execute(line.trim_end()) else { return Ok(()) };
        stream.write_all(format!("{reply}\n").as_bytes()).await?;
    }
}

impl Store {
    /// One command; `None` ends the connection.
    pub(super) fn execute(&self, line: &str) -> Option<String> {
        let mut words = line.splitn(3, ' ');
        let (command, key, value) = (words.next().unwrap_or_default(), words.next(), words.next());
        let mut map = self.0.lock();
        Some(match (command.to_ascii_uppercase().as_str(), key, value) {
            ("PING", None, None) => "PONG".into(),
            ("ECHO", Some(text), None) => text.to_owned(),
            ("QUIT", None, None) => return None,
            ("GET", Some(key), None) => map.get(key).cloned().unwrap_or_else(|| "NIL".into()),
            ("SET" | "INCR", Some(key), _) if map.len() >= MAX_KEYS && !map.contains_key(key) => "ERR full".into(),
            ("SET", Some(key), Some(value)) => {
                map.insert(key.to_owned(), value.to_owned());
                "OK".into()
            }
            ("INCR", Some(key), None) => {
                let count = map.get(key).and_then(|v| v.parse::<u64>().ok()).unwrap_or(0).saturating_add(1);
                map.insert(key.to_owned(), count.to_string());
                count.to_string()
            }
            _ => "ERR use PING, ECHO <text>, GET <key>, SET <key> <value>, INCR <key> or QUIT".into(),
        })
    }
}
