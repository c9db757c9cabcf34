//! Places for connections, and who has them: one source can't take them all.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    net::IpAddr,
    rc::Rc,
};

use tokio::sync::Notify;

use crate::limits::SOURCE_SHARE;

/// The places of one worker in one direction.
#[derive(Debug)]
pub struct Places {
    most: usize,
    taken: Cell<usize>,
    held: RefCell<HashMap<IpAddr, usize>>,
    freed: Notify,
}

/// A connection's place; free again when it is dropped.
#[derive(Debug)]
pub struct Place {
    places: Rc<Places>,
    source: IpAddr,
}

/// May a source that holds so many places have another while so many are free? What is free shrinks with all that is taken, so
/// that few sources share nearly all, and a new one always finds a place.
fn is_fair(held: usize, free: usize) -> bool {
    held < free.saturating_mul(SOURCE_SHARE)
}

impl Places {
    /// So many places.
    pub fn new(most: usize) -> Rc<Self> {
        Rc::new(Self { most, taken: Cell::new(0), held: RefCell::default(), freed: Notify::new() })
    }

    fn free(&self) -> usize {
        self.most.saturating_sub(self.taken.get())
    }

    /// Waits until there is a place for anybody.
    pub async fn any(&self) {
        while self.free() == 0 {
            self.freed().await;
        }
    }

    /// Waits until a place becomes free.
    pub async fn freed(&self) {
        self.freed.notified().await;
    }

    /// A place for this source, unless it has its share already.
    pub fn take(self: &Rc<Self>, source: IpAddr) -> Option<Place> {
        let source = source.to_canonical();
        let mut held = self.held.borrow_mut();
        let own = held.get(&source).copied().unwrap_or_default();
        if !is_fair(own, self.free()) {
            return None;
        }
        held.insert(source, own + 1);
        self.taken.set(self.taken.get() + 1);
        Some(Place { places: Rc::clone(self), source })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut held = self.places.held.borrow_mut();
        match held.get_mut(&self.source) {
            Some(own) if *own > 1 => *own -= 1,
            _ => drop(held.remove(&self.source)),
        }
        self.places.taken.set(self.places.taken.get().saturating_sub(1));
        self.places.freed.notify_waiters();
    }
}

#[cfg(test)]
mod tests;
