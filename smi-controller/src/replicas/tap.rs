//! Taps at the proxies of all replicas: each of the others is asked to tap for this one, for as long as the tap lasts.

mod wire;

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use isthmus_api::{MAX_MESSAGE_BYTES, replica::v1::replicas_client::ReplicasClient};
use isthmus_runtime::{backoff::jitter, error_text::with_causes};
use tokio_util::task::AbortOnDropHandle;

pub(super) use self::wire::{asked, written};
use super::follow::{PERIOD, Parts, RETRY, connect, words};
use crate::{
    index::TapAt,
    serve::{Sight, Tapping, TooManyTaps},
};

/// Where taps begin.
pub(crate) struct Everywhere(Arc<Parts>);

/// A tap that goes on until this is dropped.
pub(crate) struct TappingAll {
    own: Tapping,
    /// What it lacks as it begins, for a human.
    pub(crate) warnings: Vec<String>,
    _others: AbortOnDropHandle<()>,
}

impl Everywhere {
    pub(crate) fn new(parts: Arc<Parts>) -> Self {
        Self(parts)
    }

    /// Begins one.
    pub(crate) fn tap(&self, at: TapAt) -> Result<TappingAll, TooManyTaps> {
        let parts = &self.0;
        let own = parts.hub.tap(at.clone())?;
        let replicas = parts.hub.with(|registry| registry.replicas());
        let silent = replicas.iter().filter(|(_, replica)| replica.ready && !replica.heard);
        let warning = |name: &Arc<str>| format!("incomplete: controller replica {name} isn't heard");
        Ok(TappingAll {
            own,
            warnings: silent.map(|(name, _)| warning(name)).collect(),
            _others: AbortOnDropHandle::new(tokio::spawn(at_all(parts.clone(), at))),
        })
    }
}

impl TappingAll {
    /// What is seen next; `None`: nothing any more.
    pub(crate) async fn next(&mut self) -> Option<Sight> {
        self.own.sights.recv().await
    }
}

/// Replicas come and go meanwhile, and proxies go from one to another.
async fn at_all(parts: Arc<Parts>, at: TapAt) {
    let at = Arc::new(at);
    let mut tapped: BTreeMap<Arc<str>, (IpAddr, AbortOnDropHandle<()>)> = BTreeMap::new();
    loop {
        let replicas = parts.hub.with(|registry| registry.replicas());
        tapped.retain(|name, (address, _)| replicas.get(name).is_some_and(|replica| replica.address == *address));
        for (name, replica) in replicas {
            let address = replica.address;
            tapped.entry(name.clone()).or_insert_with(|| {
                let task = at_one(parts.clone(), at.clone(), name, SocketAddr::new(address, parts.port));
                (address, AbortOnDropHandle::new(tokio::spawn(task)))
            });
        }
        tokio::time::sleep(PERIOD).await;
    }
}

async fn at_one(parts: Arc<Parts>, at: Arc<TapAt>, name: Arc<str>, addr: SocketAddr) {
    let (mut attempt, mut told) = (0, String::new());
    loop {
        let (begun, end) = listen(&parts, &at, addr).await;
        attempt = if begun { 0 } else { u32::saturating_add(attempt, 1) };
        // The same failure is told once.
        if begun || told != end {
            tracing::info!(replica = %name, %addr, error = end, "another replica doesn't tap: trying again");
        }
        told = end;
        tokio::time::sleep(RETRY.delay(attempt, jitter())).await;
    }
}

/// Whether it began, and why it is over.
async fn listen(parts: &Parts, at: &TapAt, addr: SocketAddr) -> (bool, String) {
    let mut begun = false;
    let stream = async {
        let channel = connect(parts, addr).await.map_err(|error| with_causes(&error))?;
        let mut client = ReplicasClient::new(channel).max_decoding_message_size(MAX_MESSAGE_BYTES);
        let mut sights = client.tap(wire::question(at)).await.map_err(|status| words(&status))?.into_inner();
        begun = true;
        while let Some(sight) = sights.message().await.map_err(|status| words(&status))? {
            if let Some(sight) = wire::read(sight) {
                parts.hub.sighted(at.tap.id, sight);
            }
        }
        Ok::<(), String>(())
    };
    let end = stream.await.err().unwrap_or_else(|| "it has ended".to_owned());
    (begun, end)
}
