//! Exec over SPDY/3.1, protocol `v4.channel.k8s.io`: the client opens a stream for each of the program's, named by `streamtype`.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};

use super::{Command, Output, Streams, run, status};
use crate::runtime::{ContainerRef, Runtime};
use crate::spdy::{Connection, Stream};

/// How long a client may take to open its streams; kubelets allow the same.
const STREAMS_WITHIN: Duration = Duration::from_secs(30);

/// Serves one exec on an upgraded connection.
pub(crate) async fn serve(
    input: impl AsyncRead + Send + Unpin + 'static,
    output: impl AsyncWrite + Send + Unpin + 'static,
    runtime: &dyn Runtime,
    container: &ContainerRef,
    command: Command,
) {
    let Ok(mut connection) = Connection::start(input, output) else { return };
    let options = command.options;
    let Ok(Some(opened)) = tokio::time::timeout(STREAMS_WITHIN, streams(&mut connection, &command)).await else {
        return tracing::debug!("a client did not open the streams that it had announced");
    };
    match runtime.exec(container, command.argv, options).await {
        Ok(process) => tokio::select! {
            () = run(process, opened) => {}
            // The client has gone: so does the program.
            () = connection.closed() => return,
        },
        Err(error) => {
            let Streams { stdout, stderr, error: stream, .. } = opened;
            for output in [stdout, stderr].into_iter().flatten() {
                output.finish().await;
            }
            stream.send(status::not_started(&error)).await;
            stream.finish().await;
        }
    }
    connection.finish().await;
}

async fn streams(connection: &mut Connection, command: &Command) -> Option<Streams> {
    let options = command.options;
    let (mut stdin, mut stdout, mut stderr, mut resize, mut error) = (None, None, None, None, None);
    let wanted = [true, options.stdin, options.stdout, options.stderr && !options.tty, options.tty];
    for _ in wanted.iter().filter(|wanted| **wanted) {
        let Stream { headers, reader, writer, .. } = connection.accept().await?;
        match headers.get("streamtype").map(String::as_str) {
            Some("stdin") => stdin = Some(reader),
            Some("stdout") => stdout = Some(Output::Spdy(writer)),
            Some("stderr") => stderr = Some(Output::Spdy(writer)),
            Some("resize") => resize = Some(reader),
            Some("error") => error = Some(Output::Spdy(writer)),
            other => {
                tracing::debug!(kind = other, "a client opened a stream of a kind that there isn't");
                return None;
            }
        }
    }
    Some(Streams { stdin, stdout, stderr, resize, error: error? })
}
