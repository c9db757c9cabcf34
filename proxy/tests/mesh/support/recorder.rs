//! An application that believes nothing: it reads HTTP/1.1 with a parser of its own, as strict as RFC 9112, and keeps all it was
//! sent. What a proxy lets through is judged by what arrives here.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};

/// A request as it arrived.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    pub line: String,
    /// Names in lower case, in order.
    pub fields: Vec<(String, String)>,
    pub body: String,
    pub trailers: Vec<(String, String)>,
}

impl Seen {
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(n, _)| n == name).map(|(_, value)| &**value)
    }
}

/// What has arrived: complete requests, and what no proxy should have passed on.
#[derive(Clone, Default)]
pub struct Recorder {
    seen: Arc<Mutex<Vec<Seen>>>,
    violations: Arc<Mutex<Vec<String>>>,
}

impl Recorder {
    pub async fn start(addr: SocketAddr) -> Self {
        let recorder = Self::default();
        let of_connections = recorder.clone();
        super::app::tcp(addr, move |stream| {
            let recorder = of_connections.clone();
            async move {
                let mut io = BufReader::new(stream);
                while let Ok(Some(seen)) = recorder.read(&mut io).await {
                    recorder.seen.lock().unwrap().push(seen);
                    if io.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.is_err() {
                        return;
                    }
                }
            }
        })
        .await;
        recorder
    }

    /// The requests since the last time. Fails if anything malformed has arrived.
    pub fn take(&self) -> Vec<Seen> {
        let violations = std::mem::take(&mut *self.violations.lock().unwrap());
        assert!(violations.is_empty(), "the application was sent: {violations:?}");
        std::mem::take(&mut self.seen.lock().unwrap())
    }

    fn violated(&self, what: String) -> io::Error {
        self.violations.lock().unwrap().push(what.clone());
        io::Error::other(what)
    }

    /// The next request; `None` at the end. Half a request is no violation: its connection was cut.
    async fn read<R: AsyncBufReadExt + Unpin>(&self, io: &mut R) -> io::Result<Option<Seen>> {
        let mut seen = Seen::default();
        match self.line(io).await? {
            None => return Ok(None),
            Some(line) => seen.line = line,
        }
        if !seen.line.ends_with(" HTTP/1.1") || seen.line.split(' ').count() != 3 {
            return Err(self.violated(format!("request line {:?}", seen.line)));
        }
        seen.fields = self.fields(io).await?;
        let all = |name: &str| seen.fields.iter().filter(|(n, _)| n == name).count();
        if all("host") != 1 || all("content-length") + all("transfer-encoding") > 1 {
            return Err(self.violated(format!("framing {:?}", seen.fields)));
        }
        if let Some(length) = seen.field("content-length") {
            let length = length.parse().map_err(|_| self.violated(format!("content-length {length:?}")))?;
            let mut body = vec![0; length];
            io.read_exact(&mut body).await?;
            seen.body = String::from_utf8_lossy(&body).into();
        } else if let Some(coding) = seen.field("transfer-encoding") {
            if coding != "chunked" {
                return Err(self.violated(format!("transfer-encoding {coding:?}")));
            }
            self.chunks(io, &mut seen).await?;
        }
        Ok(Some(seen))
    }

    async fn chunks<R: AsyncBufReadExt + Unpin>(&self, io: &mut R, seen: &mut Seen) -> io::Result<()> {
        loop {
            let line = self.line(io).await?.ok_or(io::ErrorKind::UnexpectedEof)?;
            if line.is_empty() || line.len() > 16 || !line.bytes().all(|b| b.is_ascii_hexdigit()) {
                return Err(self.violated(format!("chunk size {line:?}")));
            }
            let size = usize::from_str_radix(&line, 16).map_err(io::Error::other)?;
            if size == 0 {
                seen.trailers = self.fields(io).await?;
                return Ok(());
            }
            let mut chunk = vec![0; size + 2];
            io.read_exact(&mut chunk).await?;
            if !chunk.ends_with(b"\r\n") {
                return Err(self.violated("a chunk without its end".into()));
            }
            seen.body.push_str(&String::from_utf8_lossy(&chunk[..size]));
        }
    }

    async fn fields<R: AsyncBufReadExt + Unpin>(&self, io: &mut R) -> io::Result<Vec<(String, String)>> {
        let mut fields = Vec::new();
        loop {
            let line = self.line(io).await?.ok_or(io::ErrorKind::UnexpectedEof)?;
            if line.is_empty() {
                return Ok(fields);
            }
            let (name, value) = line.split_once(':').ok_or_else(|| self.violated(format!("field {line:?}")))?;
            let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
            if name.is_empty() || !name.bytes().all(token) || value.bytes().any(|b| b < b' ' && b != b'\t') {
                return Err(self.violated(format!("field {line:?}")));
            }
            fields.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
    }

    /// A line without its CR LF; `None` at the end.
    async fn line<R: AsyncBufReadExt + Unpin>(&self, io: &mut R) -> io::Result<Option<String>> {
        let mut line = Vec::new();
        if io.read_until(b'\n', &mut line).await? == 0 {
            return Ok(None);
        }
        if !line.ends_with(b"\n") {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        match line.strip_suffix(b"\r\n").filter(|l| !l.contains(&b'\r') && !l.contains(&0)) {
            Some(line) => Ok(Some(String::from_utf8_lossy(line).into())),
            None => Err(self.violated(format!("line {}", line.escape_ascii()))),
        }
    }
}
