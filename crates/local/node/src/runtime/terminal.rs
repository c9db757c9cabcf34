//! Terminals for `exec -t`.

use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures::FutureExt;
use isthmus_local_kubelet::{ExecOptions, ExecProcess, TerminalSize};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use tokio::fs::File;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::mpsc;

use crate::pod::exit_code;
use crate::sandbox::Container;

/// New sizes that wait to be taken.
const WAITING_SIZES: usize = 4;

/// The node's side of a terminal, before a program is on the other.
pub(super) struct Terminal {
    master: std::fs::File,
    /// The program's side.
    pub(super) path: PathBuf,
}

impl Terminal {
    pub(super) fn open() -> io::Result<Self> {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
        grantpt(&master)?;
        unlockpt(&master)?;
        let path = ptsname(&master, Vec::new())?.into_string().map_err(io::Error::other)?;
        Ok(Terminal { master: master.into(), path: path.into() })
    }

    /// The terminal's streams, for a program that has just been started on it.
    pub(super) fn attach(self, mut process: Container, options: ExecOptions) -> io::Result<ExecProcess> {
        let (input, output) = (File::from_std(self.master.try_clone()?), File::from_std(self.master.try_clone()?));
        let (resize, mut sizes) = mpsc::channel::<TerminalSize>(WAITING_SIZES);
        tokio::spawn(async move {
            while let Some(size) = sizes.recv().await {
                let size = Winsize { ws_col: size.width, ws_row: size.height, ws_xpixel: 0, ws_ypixel: 0 };
                if let Err(error) = tcsetwinsize(&self.master, size) {
                    tracing::debug!(%error, "terminal not resized");
                }
            }
        });
        Ok(ExecProcess {
            stdin: options.stdin.then(|| Box::new(input) as Box<dyn AsyncWrite + Send + Unpin>),
            stdout: options.stdout.then(|| Box::new(Output(output)) as Box<dyn AsyncRead + Send + Unpin>),
            stderr: None,
            resize: Some(resize),
            exit: async move { process.wait().await.map_or(-1, exit_code) }.boxed(),
        })
    }
}

/// What the program writes. Reads wait in tokio's pool of blocking threads; the program's end ends them.
struct Output(File);

impl AsyncRead for Output {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match ready!(Pin::new(&mut self.0).poll_read(cx, buffer)) {
            // The last process on the other side has closed it.
            Err(error) if error.raw_os_error() == Some(nix::errno::Errno::EIO as i32) => Poll::Ready(Ok(())),
            other => Poll::Ready(other),
        }
    }
}
