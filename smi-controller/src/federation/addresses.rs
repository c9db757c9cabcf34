//! What the names of other meshes' gateways are at present: a state without IO. [`super::lookups`] asks.
//!
//! What was found last stays in use for as long as nothing newer is found: a name server that is away takes no gateway away.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, SocketAddr},
    time::{Duration, Instant},
};

use isthmus_core::federation::{GatewayAddress, Host, HostName, is_abroad};
use isthmus_federation::limits::{MAX_ADDRESSES, MAX_GATEWAYS};
use isthmus_k8s::federation::ResolvedName;

/// Pause from one good answer to the next question.
const PERIOD: Duration = Duration::from_secs(30);
/// The same after none.
const AGAIN: Duration = Duration::from_secs(5);

/// What a lookup came to.
pub(super) type Answer = Result<Vec<IpAddr>, String>;

/// All names in use.
#[derive(Debug, Clone, Default)]
pub(super) struct Addresses(BTreeMap<HostName, Name>);

#[derive(Debug, Clone, Default)]
struct Name {
    /// The newest good answer, sorted. Empty: there was none yet.
    found: Vec<IpAddr>,
    /// Why there is no newer one.
    failure: Option<String>,
    asked: Asked,
}

#[derive(Debug, Clone, Copy, Default)]
enum Asked {
    #[default]
    Never,
    /// The answer is awaited.
    Now,
    Then {
        again: Instant,
    },
}

impl Addresses {
    /// What was found before a restart.
    pub(super) fn restore(&mut self, known: &[ResolvedName]) {
        for known in known {
            let Ok(host) = known.name.parse::<HostName>() else { continue };
            let found = tidy(known.addresses.iter().filter_map(|text| text.parse().ok()));
            self.0.entry(host).or_default().found = found;
        }
    }

    /// Only these names are in use; those of them that are to be asked for now.
    pub(super) fn ask(&mut self, used: &BTreeSet<HostName>, now: Instant) -> Vec<HostName> {
        self.0.retain(|host, _| used.contains(host));
        let mut due = Vec::new();
        for host in used {
            let name = self.0.entry(host.clone()).or_default();
            let is_due = match name.asked {
                Asked::Never => true,
                Asked::Now => false,
                Asked::Then { again } => again <= now,
            };
            if is_due {
                name.asked = Asked::Now;
                due.push(host.clone());
            }
        }
        due
    }

    /// Takes an answer in.
    pub(super) fn take(&mut self, host: &HostName, answer: Answer, now: Instant) {
        // A name that isn't used any more.
        let Some(name) = self.0.get_mut(host) else { return };
        let found = answer.map(tidy).and_then(|found| {
            if found.is_empty() { Err("it has no address that another mesh could have".to_owned()) } else { Ok(found) }
        });
        let pause = match found {
            Ok(found) => {
                (name.found, name.failure) = (found, None);
                PERIOD
            }
            Err(why) => {
                name.failure = Some(why);
                AGAIN
            }
        };
        name.asked = Asked::Then { again: now.checked_add(pause).unwrap_or(now) };
    }

    /// Where these gateways take connections, as far as that is known: each address once, and no more than are used. What was in use
    /// `before` is so until names that came in its place have had a first answer, or if no name has had any: a gateway that became
    /// a name isn't gone.
    pub(super) fn of(&self, gateways: &BTreeSet<GatewayAddress>, before: &[SocketAddr]) -> Vec<SocketAddr> {
        let mut all = BTreeSet::new();
        let (mut unknown, mut awaited) = (false, false);
        for GatewayAddress { host, port } in gateways {
            let found = match host {
                Host::Ip(ip) => std::slice::from_ref(ip),
                Host::Name(name) => {
                    let name = self.0.get(name);
                    let found = name.map_or(&[][..], |name| &name.found);
                    unknown |= found.is_empty();
                    awaited |= found.is_empty() && name.is_none_or(|name| name.failure.is_none());
                    found
                }
            };
            all.extend(found.iter().map(|ip| SocketAddr::new(*ip, *port)));
        }
        if awaited || unknown && all.is_empty() {
            all.extend(before);
        }
        all.into_iter().take(MAX_GATEWAYS).collect()
    }

    /// What the status says of the names among these gateways.
    pub(super) fn status<'g>(&self, gateways: impl IntoIterator<Item = &'g GatewayAddress>) -> Vec<ResolvedName> {
        let resolved = |host: &HostName| {
            let name = self.0.get(host).cloned().unwrap_or_default();
            ResolvedName {
                name: host.to_string(),
                addresses: name.found.iter().map(ToString::to_string).collect(),
                failure: name.failure,
            }
        };
        names(gateways).iter().map(resolved).collect()
    }
}

/// The names among these gateways.
pub(super) fn names<'g>(gateways: impl IntoIterator<Item = &'g GatewayAddress>) -> BTreeSet<HostName> {
    let name = |gateway: &GatewayAddress| match &gateway.host {
        Host::Name(name) => Some(name.clone()),
        Host::Ip(_) => None,
    };
    gateways.into_iter().filter_map(name).collect()
}

/// In one order, for name servers give them in any; none that can't be another mesh's, and no more than are used.
fn tidy(addresses: impl IntoIterator<Item = IpAddr>) -> Vec<IpAddr> {
    let all: BTreeSet<IpAddr> = addresses.into_iter().filter(|ip| is_abroad(*ip)).collect();
    all.into_iter().take(MAX_ADDRESSES).collect()
}

#[cfg(test)]
mod tests;
