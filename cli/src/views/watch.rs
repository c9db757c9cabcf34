//! A view that is drawn again and again: on a terminal in place, else one after the other.

use std::{
    io::{self, IsTerminal},
    process::ExitCode,
    time::Duration,
};

use clap::Args;
use rustix::termios;
use serde::Serialize;

use super::quantity;
use crate::{args::Output, output, stdout};

#[derive(Debug, Args)]
pub(crate) struct WatchArgs {
    /// Go on, until Ctrl-C
    #[arg(short, long)]
    pub(super) watch: bool,
    /// How often, with --watch
    #[arg(long, default_value = "2s", value_parser = quantity::interval, value_name = "DURATION")]
    pub(super) interval: Duration,
}

/// The other screen of the terminal, no line breaks, no cursor; and back.
const ENTER: &str = "\x1b[?1049h\x1b[?7l\x1b[?25l";
const LEAVE: &str = "\x1b[?25h\x1b[?7h\x1b[?1049l";
/// Of a terminal that doesn't tell.
const USUAL_LINES: usize = 24;

/// Where a view is drawn.
#[derive(Debug, Clone, Copy)]
pub(super) struct Screen {
    terminal: bool,
    colour: bool,
    form: Output,
}

impl Screen {
    pub(super) fn of(args: &WatchArgs, form: Output) -> Self {
        let terminal = io::stdout().is_terminal() && form == Output::Table;
        let colour = terminal && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
        Self { terminal: terminal && args.watch, colour, form }
    }

    pub(super) fn colour(self) -> bool {
        self.colour
    }

    /// A view in the form asked for.
    pub(super) fn draw<T: Serialize>(self, value: &T, words: impl FnOnce(&T) -> String) -> anyhow::Result<String> {
        output::text_of(self.form, value, words)
    }

    /// Draws until Ctrl-C. The first look must succeed; later on, what was seen last stays, and the fault beside it.
    pub(super) async fn keep(
        self,
        every: Duration,
        look: impl AsyncFn() -> anyhow::Result<String>,
    ) -> anyhow::Result<ExitCode> {
        let mut last = look().await?;
        let other = self.terminal.then(OtherScreen::enter).transpose()?;
        let ended = async {
            self.show(&last, None)?;
            let mut clock = tokio::time::interval(every);
            clock.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            clock.tick().await;
            loop {
                clock.tick().await;
                match look().await {
                    Ok(text) => {
                        self.show(&text, None)?;
                        last = text;
                    }
                    Err(fault) => self.show(&last, Some(&format!("{fault:#}")))?,
                }
            }
        };
        let ended: anyhow::Result<std::convert::Infallible> = tokio::select! {
            ended = ended => ended,
            interrupted = tokio::signal::ctrl_c() => {
                interrupted?;
                drop(other);
                // The other screen has gone with what was on it.
                if self.terminal {
                    stdout::say(&last)?;
                }
                return Ok(ExitCode::SUCCESS);
            }
        };
        match ended? {}
    }

    fn show(self, text: &str, fault: Option<&str>) -> anyhow::Result<()> {
        if self.terminal {
            stdout::say(&frame(text, fault, lines()))?;
        } else if let Some(fault) = fault {
            eprintln!("isthmus: {fault}");
        } else {
            let between = match self.form {
                Output::Table => "\n",
                Output::Json => "",
                Output::Yaml => "---\n",
            };
            stdout::say(&format!("{text}{between}"))?;
        }
        Ok(())
    }
}

/// A whole screen: from the top, each line to its end, nothing below. What doesn't fit is counted.
fn frame(text: &str, fault: Option<&str>, height: usize) -> String {
    let rows: Vec<&str> = text.lines().collect();
    let room = height.saturating_sub(1 + usize::from(fault.is_some())).max(1);
    let shown = if rows.len() > room { room.saturating_sub(1) } else { rows.len() };
    let mut out = String::from("\x1b[H");
    for row in rows.iter().take(shown) {
        out += &format!("{row}\x1b[K\r\n");
    }
    if shown < rows.len() {
        out += &format!("… and {} lines more\x1b[K\r\n", rows.len() - shown);
    }
    if let Some(fault) = fault {
        out += &format!("{fault}\x1b[K\r\n");
    }
    out + "\x1b[J"
}

fn lines() -> usize {
    let size = termios::tcgetwinsize(io::stdout());
    size.ok().map(|size| usize::from(size.ws_row)).filter(|rows| *rows > 1).unwrap_or(USUAL_LINES)
}

/// The terminal's other screen, until this is dropped.
struct OtherScreen;

impl OtherScreen {
    fn enter() -> io::Result<Self> {
        stdout::say(ENTER)?;
        Ok(Self)
    }
}

impl Drop for OtherScreen {
    fn drop(&mut self) {
        // A terminal that has gone needs no tidying.
        let _ = stdout::say(LEAVE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_fits_its_screen() {
        assert_eq!(frame("a\nb\n", None, 24), "\x1b[Ha\x1b[K\r\nb\x1b[K\r\n\x1b[J");
        assert_eq!(frame("a\nb\nc\nd\n", None, 4), "\x1b[Ha\x1b[K\r\nb\x1b[K\r\n… and 2 lines more\x1b[K\r\n\x1b[J");
        assert_eq!(frame("a\n", Some("gone"), 24), "\x1b[Ha\x1b[K\r\ngone\x1b[K\r\n\x1b[J");
    }
}
