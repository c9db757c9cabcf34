//! One line per step, with the time that it took.

use std::{
    future::Future,
    io::{self, IsTerminal, Write},
    time::{Duration, Instant},
};

/// Prints steps, to stdout unless that is for programs. Colours only on a terminal, and never with `NO_COLOR`.
#[derive(Debug, Clone)]
pub(crate) struct Progress {
    prefix: String,
    colour: bool,
    live: bool,
    out: Out,
}

#[derive(Debug, Clone, Copy)]
enum Out {
    Stdout,
    Stderr,
    #[cfg(any(feature = "conformance", feature = "local"))]
    Nowhere,
}

impl Progress {
    /// `prefix` tells clusters apart that are started together.
    pub(crate) fn new(prefix: impl Into<String>) -> Self {
        let terminal = io::stdout().is_terminal();
        let colour = terminal && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
        let prefix = prefix.into();
        Self { live: terminal && prefix.is_empty(), prefix, colour, out: Out::Stdout }
    }

    /// Prints plainly to stderr, for stdout is to be read by a program.
    pub(crate) fn to_stderr() -> Self {
        Self { prefix: String::new(), colour: false, live: false, out: Out::Stderr }
    }

    /// Prints nothing, for somebody else says what is done.
    #[cfg(any(feature = "conformance", feature = "local"))]
    pub(crate) fn silent() -> Self {
        Self { out: Out::Nowhere, ..Self::to_stderr() }
    }

    /// Does a step, and says so: while it goes on if somebody watches, and when it is done.
    pub(crate) async fn step<T>(&self, what: &str, work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
        let begun = Instant::now();
        if self.live {
            self.write(&format!("  … {what}"));
        }
        let done = work.await;
        self.ended(done.is_ok(), what, begun.elapsed());
        done
    }

    /// A step that somebody else has done.
    pub(crate) fn done(&self, what: &str, took: Duration) {
        self.ended(true, what, took);
    }

    /// Why a step isn't done yet.
    pub(crate) fn waiting(&self, what: &str, why: &str) {
        if self.live {
            self.write(&format!("\r\x1b[K  … {what}: {why}"));
        } else {
            self.write(&format!("{}    {what}: {why}\n", self.prefix));
        }
    }

    /// What became of something.
    pub(crate) fn ended(&self, good: bool, what: &str, took: Duration) {
        let mark = if good { self.paint("32", "✓") } else { self.paint("31", "✗") };
        let back = if self.live { "\r\x1b[K" } else { "" };
        self.write(&format!("{back}{}  {mark} {what:<44} {:>7} ms\n", self.prefix, took.as_millis()));
    }

    /// Lines of its own.
    pub(crate) fn say(&self, lines: &str) {
        for line in lines.split('\n') {
            self.write(&format!("{}{line}\n", self.prefix));
        }
    }

    /// A heading.
    pub(crate) fn head(&self, line: &str) {
        self.write(&format!("\n{}{}\n", self.prefix, self.paint("1", line)));
    }

    /// Text in a colour (an SGR number), if colours are wanted.
    pub(crate) fn paint(&self, sgr: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{sgr}m{text}\x1b[0m") } else { text.to_owned() }
    }

    fn write(&self, text: &str) {
        let mut out: Box<dyn Write> = match self.out {
            Out::Stdout => Box::new(io::stdout()),
            Out::Stderr => Box::new(io::stderr()),
            #[cfg(any(feature = "conformance", feature = "local"))]
            Out::Nowhere => return,
        };
        // To a closed pipe nobody listens; the work goes on.
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }
}
