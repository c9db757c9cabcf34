//! TCP whose server says who it is: each line is answered by the same line.

use isthmus_runtime::drain::Drain;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};

/// Longest line in bytes.
const MAX_LINE: u64 = 4096;

pub(super) async fn serve(listener: TcpListener, drain: &Drain, about: &str) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let (graceful, about) = (drain.graceful().clone(), format!("{about}\n"));
                drain.spawn(async move {
                    if let Some(Err(error)) = graceful.run_until_cancelled(talk(stream, &about)).await {
                        tracing::debug!(%error, "connection");
                    }
                });
            }
            Err(error) => {
                tracing::warn!(%error, "accept");
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        }
    }
}

async fn talk(stream: TcpStream, about: &str) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    while (&mut stream).take(MAX_LINE).read_line(&mut line).await? > 0 {
        stream.write_all(about.as_bytes()).await?;
        line.clear();
    }
    Ok(())
}
