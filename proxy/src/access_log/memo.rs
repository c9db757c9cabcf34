//! What many lines have in common, written once.

use std::{cell::OnceCell, rc::Rc};

use isthmus_core::telemetry::settings::LogFormat;

/// A part of a line, as the first line that had it wrote it.
#[derive(Debug, Default)]
pub(crate) struct Memo(OnceCell<(LogFormat, Box<[u8]>)>);

impl Memo {
    /// The part in this form, if it was written in it.
    pub(super) fn part(&self, format: LogFormat) -> Option<&[u8]> {
        self.0.get().filter(|(kept, _)| *kept == format).map(|(_, part)| &**part)
    }

    /// Keeps the part, unless there is one: a proxy seldom changes the form of its lines.
    pub(super) fn keep(&self, format: LogFormat, part: &[u8]) {
        self.0.get_or_init(|| (format, part.into()));
    }
}

/// What a record has in common with others that are alike.
#[derive(Debug, Clone, Default)]
pub(crate) enum Alike<'a> {
    /// Nothing that is known.
    #[default]
    No,
    /// All that concerns who speaks to whom: records of one connection to this pod.
    Connection(&'a Memo),
    /// The same, but for the client: records of one way to an endpoint.
    Endpoint(Rc<Memo>),
}
