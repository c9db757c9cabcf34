//! Pipes, through which the kernel moves bytes from socket to socket without showing them (`splice(2)`).

use std::{
    cell::{Cell, RefCell},
    io,
    os::fd::{AsFd, OwnedFd},
};

use rustix::{
    io::{Errno, retry_on_intr},
    pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice},
};

use crate::limits::{IDLE_PIPES, PIPE_BYTES, PIPES};

const FLAGS: SpliceFlags = SpliceFlags::NONBLOCK.union(SpliceFlags::MOVE);

/// An empty pipe, or one on its way to be.
#[derive(Debug)]
pub(super) struct Pipe {
    read: OwnedFd,
    write: OwnedFd,
    held: usize,
}

/// The pipes of one worker.
#[derive(Debug, Default)]
pub(super) struct Pipes {
    free: RefCell<Vec<Pipe>>,
    lent: Cell<usize>,
    /// This kernel doesn't splice, or there are no more pipes for this user.
    refused: Cell<bool>,
}

/// A pipe on loan.
#[derive(Debug)]
pub(super) struct Lent<'p> {
    pipes: &'p Pipes,
    /// `None` only once it is given back.
    pipe: Option<Pipe>,
}

impl Pipes {
    /// A pipe, if there is one: then bytes needn't be copied.
    pub(super) fn lend(&self) -> Option<Lent<'_>> {
        if self.refused.get() || self.lent.get() >= PIPES {
            return None;
        }
        let free = self.free.borrow_mut().pop();
        let pipe = free.map_or_else(Pipe::new, Ok).inspect_err(|error| {
            tracing::debug!(%error, "no pipe: bytes are copied");
        });
        let pipe = pipe.ok()?;
        self.lent.set(self.lent.get() + 1);
        Some(Lent { pipes: self, pipe: Some(pipe) })
    }

    /// Pipes that wait for their next use.
    #[cfg(test)]
    pub(super) fn idle(&self) -> usize {
        self.free.borrow().len()
    }

    /// The kernel doesn't splice these sockets: no relay is to try again.
    pub(super) fn refuse(&self) {
        if !self.refused.replace(true) {
            tracing::info!("this kernel doesn't splice: bytes are copied");
        }
    }
}

impl Pipe {
    fn new() -> Result<Self, Errno> {
        let (read, write) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        // A user's pipes together have a limit; beyond it they are smaller, and work.
        let _ = fcntl_setpipe_size(&write, PIPE_BYTES);
        Ok(Self { read, write, held: 0 })
    }
}

impl Lent<'_> {
    /// Fills the empty pipe with what the socket has; 0 at its end.
    pub(super) fn fill(&mut self, from: &impl AsFd) -> io::Result<usize> {
        let Some(pipe) = &mut self.pipe else { return Ok(0) };
        let moved = retry_on_intr(|| splice(from, None, &pipe.write, None, PIPE_BYTES, FLAGS))?;
        pipe.held += moved;
        Ok(moved)
    }

    /// Moves what the pipe holds to the socket, as far as it takes it.
    pub(super) fn empty(&mut self, to: &impl AsFd) -> io::Result<usize> {
        let Some(pipe) = &mut self.pipe else { return Ok(0) };
        let held = pipe.held;
        let moved = retry_on_intr(|| splice(&pipe.read, None, to, None, held, FLAGS))?;
        pipe.held = pipe.held.saturating_sub(moved);
        Ok(moved)
    }

    pub(super) fn held(&self) -> usize {
        self.pipe.as_ref().map_or(0, |pipe| pipe.held)
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        self.pipes.lent.set(self.pipes.lent.get().saturating_sub(1));
        let mut free = self.pipes.free.borrow_mut();
        // What is in a pipe is of one connection, and mustn't come out of another.
        free.extend(self.pipe.take().filter(|pipe| pipe.held == 0));
        free.truncate(IDLE_PIPES);
    }
}

/// Does the error say that these sockets can't be spliced at all?
pub(super) fn is_unsupported(error: &io::Error) -> bool {
    let code = error.raw_os_error();
    [Errno::INVAL, Errno::NOSYS, Errno::PERM].iter().any(|e| code == Some(e.raw_os_error()))
}
