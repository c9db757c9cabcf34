//! The connections that are open, so that a change of routes, idleness or the gateway's end can reach them.

use std::{
    cell::{Cell, OnceCell, RefCell},
    collections::HashMap,
    rc::{Rc, Weak},
    time::{Duration, Instant},
};

use isthmus_core::{
    federation::RemoteName,
    gateway::{NotRouted, Routes},
};
use tokio::sync::Notify;

/// Why an open connection is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// Its service isn't exported or imported any more.
    Revoked,
    /// Nothing came in either direction for too long.
    Idle,
    /// The gateway has ended.
    Ended,
}

impl Cut {
    pub(crate) const ALL: [Self; 3] = [Self::Revoked, Self::Idle, Self::Ended];

    pub(crate) const fn code(self) -> &'static str {
        match self {
            Self::Revoked => "revoked",
            Self::Idle => "idle",
            Self::Ended => "ended",
        }
    }
}

/// One open connection.
#[derive(Debug)]
pub(crate) struct Live {
    id: u64,
    registry: Rc<Registry>,
    /// Where it goes, once it has said so.
    name: OnceCell<RemoteName>,
    /// Have bytes come since the last look?
    moved: Cell<bool>,
    since: Cell<Instant>,
    /// Was it there at a sweep?
    lasts: Cell<bool>,
    cut: Cell<Option<Cut>>,
    told: Notify,
}

/// The open connections of one worker.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    next: Cell<u64>,
    open: RefCell<HashMap<u64, Weak<Live>>>,
    closed: Notify,
}

impl Registry {
    pub(crate) fn register(self: &Rc<Self>) -> Rc<Live> {
        let id = self.next.get();
        self.next.set(id.wrapping_add(1));
        let live = Rc::new(Live {
            id,
            registry: Rc::clone(self),
            name: OnceCell::new(),
            moved: Cell::new(false),
            since: Cell::new(Instant::now()),
            lasts: Cell::new(false),
            cut: Cell::new(None),
            told: Notify::new(),
        });
        self.open.borrow_mut().insert(id, Rc::downgrade(&live));
        live
    }

    fn all(&self) -> Vec<Rc<Live>> {
        self.open.borrow().values().filter_map(Weak::upgrade).collect()
    }

    /// Cuts what the routes don't allow any more; how many. What only has lost its endpoint ends by itself.
    pub(crate) fn recheck(&self, routes: &Routes) -> u32 {
        let mut cut: u32 = 0;
        for live in self.all() {
            let found = live.name.get().map(|name| routes.find(name));
            if let Some(Err(NotRouted::NotExported | NotRouted::NotImported | NotRouted::UnknownMesh)) = found {
                cut = cut.saturating_add(live.cut.get().is_none().into());
                live.tell(Cut::Revoked);
            }
        }
        cut
    }

    /// Cuts what has been idle for so long, and tells what is new that it lasts.
    pub(crate) fn sweep(&self, now: Instant, idle: Duration) {
        for live in self.all() {
            if !live.lasts.replace(true) {
                live.told.notify_one();
            }
            if live.moved.take() {
                live.since.set(now);
            } else if now.saturating_duration_since(live.since.get()) >= idle {
                live.tell(Cut::Idle);
            }
        }
    }

    /// Cuts all.
    pub(crate) fn end(&self) {
        self.all().iter().for_each(|live| live.tell(Cut::Ended));
    }

    /// Waits until no connection is open.
    pub(crate) async fn empty(&self) {
        loop {
            let closed = self.closed.notified();
            if self.open.borrow().is_empty() {
                return;
            }
            closed.await;
        }
    }
}

impl Live {
    /// It has said where it goes.
    pub(crate) fn goes_to(&self, name: RemoteName) {
        let _ = self.name.set(name);
    }

    /// Bytes have come.
    pub(crate) fn moved(&self) {
        self.moved.set(true);
    }

    /// Is the connection more than a short one? Its task is woken when it becomes so.
    pub(crate) fn lasts(&self) -> bool {
        self.lasts.get()
    }

    fn tell(&self, why: Cut) {
        if self.cut.get().is_none() {
            self.cut.set(Some(why));
        }
        self.told.notify_one();
    }

    /// Waits until the connection is to be cut.
    pub(crate) async fn cut(&self) -> Cut {
        loop {
            if let Some(why) = self.cut.get() {
                return why;
            }
            self.told.notified().await;
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.registry.open.borrow_mut().remove(&self.id);
        self.registry.closed.notify_waiters();
    }
}
