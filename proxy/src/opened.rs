//! The connections to one endpoint that are open, so that all of them can be cut, and counted.

use std::{cell::Cell, future::Future, rc::Rc};

use tokio::sync::Notify;

/// What is open.
#[derive(Debug, Default)]
pub(crate) struct Opened {
    count: Cell<u32>,
    cuts: Cell<u64>,
    cut: Notify,
}

/// One of them, for as long as it lasts.
#[derive(Debug)]
pub(crate) struct Open {
    all: Rc<Opened>,
    /// Cuts before it was opened.
    before: u64,
}

impl Opened {
    /// One more.
    pub(crate) fn enter(self: &Rc<Self>) -> Open {
        self.count.set(self.count.get().saturating_add(1));
        Open { all: Rc::clone(self), before: self.cuts.get() }
    }

    /// Cuts all; how many.
    pub(crate) fn cut(&self) -> u32 {
        self.cuts.set(self.cuts.get() + 1);
        self.cut.notify_waiters();
        self.count.get()
    }
}

impl Open {
    /// Carries the connection on until it ends, or is cut: `None`.
    pub(crate) async fn carry<T>(self, connection: impl Future<Output = T>) -> Option<T> {
        let cut = async {
            let told = self.all.cut.notified();
            if self.all.cuts.get() == self.before {
                told.await;
            }
        };
        tokio::select! {
            biased;
            () = cut => None,
            done = connection => Some(done),
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.all.count.set(self.all.count.get().saturating_sub(1));
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    #[tokio::test]
    async fn a_cut_ends_all_that_are_open_and_no_later_one() {
        let opened = Rc::new(Opened::default());
        assert_eq!(opened.cut(), 0);
        let (one, two) = (opened.enter(), opened.enter());
        // One is under way when the cut comes, the other hasn't begun.
        let (first, ()) = tokio::join!(one.carry(pending::<()>()), async { assert_eq!(opened.cut(), 2) });
        assert_eq!((first, two.carry(pending::<()>()).await), (None, None));
        assert_eq!(opened.enter().carry(async { 1 }).await, Some(1));
        assert_eq!(opened.cut(), 0);
    }
}
