//! TCP: an echo, or transfers of a known pattern either way.

use anyhow::{bail, ensure};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
};

use super::{DOWNLOAD, ECHO, ONCE, UPLOAD, pattern};

pub(crate) async fn serve(mut stream: TcpStream) -> anyhow::Result<()> {
    let pattern = pattern();
    while let Ok(operation) = stream.read_u8().await {
        match operation {
            ECHO => return echo(stream).await,
            ONCE => return Ok(stream.write_u8(ONCE).await?),
            DOWNLOAD => {
                let length = stream.read_u64().await?;
                send(&mut stream, &pattern, length).await?;
            }
            UPLOAD => {
                let length = stream.read_u64().await?;
                receive(&mut stream, &pattern, length).await?;
                stream.write_u8(UPLOAD).await?;
            }
            other => bail!("operation {other} is not known"),
        }
    }
    Ok(())
}

/// Sends everything back.
pub(super) async fn echo(mut stream: TcpStream) -> anyhow::Result<()> {
    let mut buffer = vec![0; 16 << 10];
    loop {
        let read = stream.read(&mut buffer).await?;
        if read == 0 {
            return Ok(());
        }
        stream.write_all(buffer.get(..read).unwrap_or_default()).await?;
    }
}

/// Sends the pattern, again and again, `length` bytes in all.
pub(crate) async fn send(
    stream: &mut (impl AsyncWrite + Unpin),
    pattern: &[u8],
    mut length: u64,
) -> anyhow::Result<()> {
    while length > 0 {
        let piece = pattern.len().min(usize::try_from(length).unwrap_or(usize::MAX));
        stream.write_all(pattern.get(..piece).unwrap_or_default()).await?;
        length = length.saturating_sub(piece as u64);
    }
    Ok(())
}

/// Receives what [`send`] sends, and checks every byte.
pub(crate) async fn receive(stream: &mut (impl AsyncRead + Unpin), pattern: &[u8], length: u64) -> anyhow::Result<()> {
    let mut buffer = vec![0; pattern.len()];
    let (mut left, mut at) = (length, 0);
    while left > 0 {
        let room = buffer.len().min(pattern.len() - at).min(usize::try_from(left).unwrap_or(usize::MAX));
        let read = stream.read(buffer.get_mut(..room).unwrap_or_default()).await?;
        ensure!(read > 0, "a transfer ended {left} bytes early");
        ensure!(buffer.get(..read) == pattern.get(at..at + read), "a transfer was changed on its way");
        left = left.saturating_sub(read as u64);
        at = (at + read) % pattern.len();
    }
    Ok(())
}
