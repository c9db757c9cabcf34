//! What has changed from one catalog to the next.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use isthmus_api::federation::v1 as proto;
use isthmus_core::{
    federation::{GatewayAddress, Token},
    id::ObjectName,
};

use super::{
    Endpoint, Exports, Service,
    wire::{self, BadMessage},
};
use crate::limits::{MAX_ENDPOINTS, MAX_SERVICES};

/// The difference of two catalogs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Delta {
    /// By Service.
    pub changes: BTreeMap<ObjectName, Change>,
    /// The gateways, if they have changed.
    pub gateways: Option<BTreeSet<GatewayAddress>>,
}

/// What has become of a Service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// It is new, or more than its endpoints has changed.
    Whole(Arc<Service>),
    /// Its endpoints have changed.
    Endpoints {
        /// New and changed ones.
        upsert: BTreeMap<Token, Endpoint>,
        /// Those that are gone.
        remove: BTreeSet<Token>,
    },
    /// It isn't exported any more.
    Removed,
}

/// The delta isn't one of the catalog that is held.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the change speaks of {0}, which the catalog held doesn't have")]
pub struct Unfit(String);

impl Delta {
    /// What makes `next` of `held`.
    pub fn between(held: &Exports, next: &Exports) -> Self {
        let gone = held.services.keys().filter(|name| !next.services.contains_key(name));
        let mut changes: BTreeMap<_, _> = gone.map(|name| (name.clone(), Change::Removed)).collect();
        for (name, service) in &next.services {
            match held.services.get(name) {
                Some(before) if before == service => {}
                before => {
                    changes.insert(name.clone(), change(before, service));
                }
            }
        }
        let gateways = (held.gateways != next.gateways).then(|| next.gateways.clone());
        Self { changes, gateways }
    }

    /// Applies it. On an error the catalog is as it was.
    pub fn apply(&self, held: &Exports) -> Result<Exports, Unfit> {
        let mut next = held.clone();
        for (name, change) in &self.changes {
            match change {
                Change::Whole(service) => {
                    next.services.insert(name.clone(), Arc::clone(service));
                }
                Change::Removed => {
                    next.services.remove(name).ok_or_else(|| Unfit(name.to_string()))?;
                }
                Change::Endpoints { upsert, remove } => {
                    let service = next.services.get_mut(name).ok_or_else(|| Unfit(name.to_string()))?;
                    let service = Arc::make_mut(service);
                    for token in remove {
                        service.endpoints.remove(token).ok_or_else(|| Unfit(format!("endpoint {token} of {name}")))?;
                    }
                    service.endpoints.extend(upsert.iter().map(|(token, e)| (token.clone(), e.clone())));
                }
            }
        }
        if let Some(gateways) = &self.gateways {
            next.gateways.clone_from(gateways);
        }
        Ok(next)
    }

    /// For the wire, as a change of the catalog at this sequence.
    pub fn encode(&self, base: u64) -> proto::Delta {
        let change = |(name, change): (&ObjectName, &Change)| proto::Change {
            namespace: name.namespace.to_string(),
            name: name.name.to_string(),
            kind: Some(match change {
                Change::Whole(service) => proto::change::Kind::Whole(wire::service(name, service)),
                Change::Removed => proto::change::Kind::Removed(proto::Nothing {}),
                Change::Endpoints { upsert, remove } => proto::change::Kind::Endpoints(proto::EndpointChanges {
                    upsert: upsert.iter().map(|(token, e)| wire::endpoint(token, e)).collect(),
                    remove: remove.iter().map(ToString::to_string).collect(),
                }),
            }),
        };
        let gateways = self.gateways.as_ref().map(|g| proto::Gateways { addresses: wire::addresses(g) });
        proto::Delta { base, changes: self.changes.iter().map(change).collect(), gateways }
    }

    /// From the wire.
    pub fn decode(message: proto::Delta) -> Result<Self, BadMessage> {
        wire::within("changed services", message.changes.len(), MAX_SERVICES)?;
        let mut changes = BTreeMap::new();
        for change in message.changes {
            let name = wire::object_name(change.namespace, change.name)?;
            let change = decode(&name, change.kind.ok_or(BadMessage::Missing("change.kind"))?)?;
            if changes.contains_key(&name) {
                return Err(BadMessage::Twice { what: "service", name: name.to_string() });
            }
            changes.insert(name, change);
        }
        let gateways = message.gateways.map(|g| wire::read_gateways(&g.addresses)).transpose()?;
        Ok(Self { changes, gateways })
    }
}

fn change(before: Option<&Arc<Service>>, now: &Arc<Service>) -> Change {
    let Some(before) = before.filter(|b| b.ports == now.ports && b.created_at == now.created_at) else {
        return Change::Whole(Arc::clone(now));
    };
    let is_new = |(token, endpoint): &(&Token, &Endpoint)| before.endpoints.get(*token) != Some(*endpoint);
    let upsert = now.endpoints.iter().filter(is_new).map(|(token, e)| (token.clone(), e.clone())).collect();
    let remove = before.endpoints.keys().filter(|token| !now.endpoints.contains_key(token)).cloned().collect();
    Change::Endpoints { upsert, remove }
}

fn decode(name: &ObjectName, kind: proto::change::Kind) -> Result<Change, BadMessage> {
    Ok(match kind {
        proto::change::Kind::Removed(_) => Change::Removed,
        proto::change::Kind::Whole(service) => {
            let (inner, service) = wire::read_service(service)?;
            if inner != *name {
                return Err(wire::bad("change.whole", &inner.to_string(), "must be the service that the change names"));
            }
            Change::Whole(Arc::new(service))
        }
        proto::change::Kind::Endpoints(endpoints) => {
            wire::within("changed endpoints", endpoints.upsert.len(), MAX_ENDPOINTS)?;
            wire::within("removed endpoints", endpoints.remove.len(), MAX_ENDPOINTS)?;
            Change::Endpoints {
                upsert: endpoints.upsert.into_iter().map(wire::read_endpoint).collect::<Result<_, _>>()?,
                remove: endpoints.remove.iter().map(|t| wire::parse("remove", t)).collect::<Result<_, _>>()?,
            }
        }
    })
}

#[cfg(test)]
mod tests;
