//! Doors to the parsers of what clients send, for the fuzz targets alone (docs/fuzzing.md).

use std::io::{self, Cursor};
use std::sync::Arc;

use bytes::BytesMut;
use futures::future::{self, BoxFuture};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_util::codec::{Decoder, Encoder};

use crate::exec::{self, Command};
use crate::portforward::{self, Target};
use crate::query::Query;
use crate::runtime::{ContainerRef, ExecOptions, ExecProcess, LogOptions, LogStream, Runtime, RuntimeError};
use crate::spdy::{Codec, Frame};

/// The frames of a SPDY connection. What is understood must come back the same when it is written and read again.
pub fn spdy(bytes: &[u8]) {
    let (Ok(mut reader), Ok(mut writer), Ok(mut again)) = (Codec::new(), Codec::new(), Codec::new()) else { return };
    let mut input = BytesMut::from(bytes);
    while let Ok(Some(frame)) = reader.decode(&mut input) {
        if matches!(frame, Frame::Other { .. }) {
            continue;
        }
        let mut wire = BytesMut::new();
        assert!(writer.encode(frame.clone(), &mut wire).is_ok());
        assert_eq!(again.decode(&mut wire).ok().flatten(), Some(frame));
    }
}

/// The bytes of a WebSocket connection with an exec, and with forwarded ports. At most 256 are taken: so few messages that none
/// waits for a pod that isn't there.
pub fn web_socket(bytes: &[u8]) {
    let bytes = bytes.get(..256).unwrap_or(bytes);
    let options = ExecOptions { stdin: true, stdout: true, stderr: false, tty: true };
    let command = Command { argv: vec!["sh".into()], options };
    let container = ContainerRef { namespace: "n".into(), pod: "p".into(), container: "c".into() };
    let target = Target { namespace: "n".into(), pod: "p".into() };
    let Ok(tokio) = tokio::runtime::Builder::new_current_thread().enable_time().build() else { return };
    tokio.block_on(async {
        exec::over_websocket::serve(socket(bytes).await, &Idle, &container, command).await;
        portforward::over_channels::serve(socket(bytes).await, Arc::new(Idle), target, vec![80, 81]).await;
    });
}

/// The query of a request.
pub fn query(text: &str) {
    let query = Query::parse(text);
    let _ = (query.on("stdin"), query.number("tailLines"), query.all("port").count());
}

async fn socket(bytes: &[u8]) -> WebSocketStream<impl AsyncRead + AsyncWrite + Send + Unpin + 'static> {
    let io = tokio::io::join(Cursor::new(bytes.to_vec()), tokio::io::sink());
    WebSocketStream::from_raw_socket(io, Role::Server, None).await
}

/// A program that takes everything and never ends; pods that never answer.
struct Idle;

impl Runtime for Idle {
    fn logs<'a>(&'a self, _: &'a ContainerRef, _: LogOptions) -> BoxFuture<'a, Result<LogStream, RuntimeError>> {
        Box::pin(future::pending())
    }

    fn exec<'a>(
        &'a self,
        _: &'a ContainerRef,
        _: Vec<String>,
        _: ExecOptions,
    ) -> BoxFuture<'a, Result<ExecProcess, RuntimeError>> {
        let (resize, sizes) = mpsc::channel(256);
        let exit = Box::pin(async move {
            let _held = sizes;
            future::pending().await
        });
        let stdin: Box<dyn AsyncWrite + Send + Unpin> = Box::new(tokio::io::sink());
        let process = ExecProcess { stdin: Some(stdin), stdout: None, stderr: None, resize: Some(resize), exit };
        Box::pin(future::ready(Ok(process)))
    }

    fn connect<'a>(&'a self, _: &'a str, _: &'a str, _: u16) -> BoxFuture<'a, io::Result<TcpStream>> {
        Box::pin(future::pending())
    }
}
