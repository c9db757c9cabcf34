//! What can be subscribed to: keys, contents, and the messages that carry them.

use std::{net::IpAddr, sync::Arc};

use isthmus_api::{
    control::v1::{self as proto, controller_message::Content as Body, resource_key},
    decode, delta, encode, gateway, tap, telemetry, version,
};
use isthmus_core::{
    destination::{Destination, DestinationKey},
    gateway::Routes,
    id::ObjectName,
    inbound::InboundPolicy,
    telemetry::{settings::Settings, tap::Tap},
};
use isthmus_identity::Bundle;

use crate::{
    compile::{self, Objects, Reader},
    index::{Facts, Index},
};

/// What is subscribed to. Proxies that mean the same share it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Key {
    Bundles,
    /// Of this pod.
    Inbound(ObjectName),
    /// As called from this namespace; empty for an address, which means the same everywhere.
    Destination(Arc<str>, DestinationKey),
    /// What gateways relay: the same for all of them.
    Gateway,
    /// What is to be seen of this pod's traffic.
    Telemetry(ObjectName),
    /// Who watches this pod.
    Taps(ObjectName),
}

impl Key {
    /// Reads the key of a proxy's message; `pod` is the proxy's own. `None`: of a kind that only newer proxies know.
    pub(crate) fn read(
        key: Option<proto::ResourceKey>,
        pod: &ObjectName,
    ) -> Result<Option<Self>, decode::InvalidMessage> {
        let Some(kind) = key.ok_or(decode::InvalidMessage::Missing("key"))?.kind else { return Ok(None) };
        Ok(Some(match kind {
            resource_key::Kind::Bundles(_) => Self::Bundles,
            resource_key::Kind::Inbound(_) => Self::Inbound(pod.clone()),
            resource_key::Kind::Gateway(_) => Self::Gateway,
            resource_key::Kind::Telemetry(_) => Self::Telemetry(pod.clone()),
            resource_key::Kind::Taps(_) => Self::Taps(pod.clone()),
            resource_key::Kind::Destination(key) => {
                let key = decode::destination_key(&key)?;
                let namespace = if key.host.parse::<IpAddr>().is_ok() { "".into() } else { pod.namespace.clone() };
                Self::Destination(namespace, key)
            }
        }))
    }

    /// As the proxy wrote it.
    pub(crate) fn write(&self) -> proto::ResourceKey {
        match self {
            Self::Bundles => encode::bundles_key(),
            Self::Inbound(_) => encode::inbound_key(),
            Self::Destination(_, key) => encode::destination_key(key),
            Self::Gateway => encode::gateway_key(),
            Self::Telemetry(_) => encode::telemetry_key(),
            Self::Taps(_) => encode::taps_key(),
        }
    }
}

/// What a key stands for at present.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Content {
    Bundles(Vec<Bundle>),
    Inbound(InboundPolicy),
    Destination(Destination),
    Gateway(Routes),
    Telemetry(Settings),
    Taps(Vec<Tap>),
}

/// A content with its version, and the SMI objects that it is made of.
#[derive(Debug, Clone)]
pub(crate) struct Compiled {
    pub(crate) version: Arc<str>,
    pub(crate) content: Arc<Content>,
    pub(crate) objects: Arc<Objects>,
}

/// Compiles what a key stands for. `None`: there is nothing to say, and what was said before stays.
pub(crate) fn compile(index: &Index, bundles: &[Bundle], key: &Key) -> (Option<Compiled>, Facts) {
    let reader = Reader::new(index);
    let content = match key {
        Key::Bundles => Some(Content::Bundles(compile::bundles(&reader, bundles))),
        Key::Inbound(pod) => compile::inbound(&reader, pod).map(Content::Inbound),
        Key::Destination(namespace, key) => Some(Content::Destination(compile::destination(&reader, namespace, key))),
        Key::Gateway => Some(Content::Gateway(compile::routes(&reader))),
        Key::Telemetry(pod) => compile::telemetry(&reader, pod).map(Content::Telemetry),
        Key::Taps(pod) => compile::taps(&reader, pod).map(Content::Taps),
    };
    let (facts, objects) = reader.into_parts();
    let compiled = content.map(|content| Compiled {
        version: content.version().into(),
        content: Arc::new(content),
        objects: Arc::new(objects),
    });
    (compiled, facts)
}

impl Content {
    fn version(&self) -> String {
        match self {
            Self::Bundles(all) => version::of(&bundles(all)),
            Self::Inbound(policy) => version::of(&encode::inbound(policy)),
            Self::Destination(destination) => version::of(&encode::destination(destination)),
            Self::Gateway(routes) => version::of(&gateway::encode(routes)),
            Self::Telemetry(settings) => version::of(&telemetry::encode(settings)),
            Self::Taps(taps) => version::of(&tap::encode(taps)),
        }
    }

    fn body(&self) -> Body {
        match self {
            Self::Bundles(all) => Body::Bundles(bundles(all)),
            Self::Inbound(policy) => Body::Inbound(encode::inbound(policy)),
            Self::Destination(destination) => Body::Destination(encode::destination(destination)),
            Self::Gateway(routes) => Body::Gateway(gateway::encode(routes)),
            Self::Telemetry(settings) => Body::Telemetry(telemetry::encode(settings)),
            Self::Taps(taps) => Body::Taps(tap::encode(taps)),
        }
    }
}

impl Compiled {
    /// The message with the content.
    pub(crate) fn whole(&self, key: &Key) -> proto::ControllerMessage {
        self.envelope(key, self.content.body())
    }

    /// The message that brings a proxy here from what it was sent before, if that is a matter of endpoints.
    pub(crate) fn delta(&self, key: &Key, before: &Compiled) -> Option<proto::ControllerMessage> {
        let (Content::Destination(old), Content::Destination(new)) = (&*before.content, &*self.content) else {
            return None;
        };
        let delta = delta::between(old, new, &before.version)?;
        Some(self.envelope(key, Body::Endpoints(delta)))
    }

    /// The message for a proxy that has this already.
    pub(crate) fn unchanged(&self, key: &Key) -> proto::ControllerMessage {
        self.envelope(key, Body::Unchanged(proto::Unit {}))
    }

    fn envelope(&self, key: &Key, content: Body) -> proto::ControllerMessage {
        proto::ControllerMessage { key: Some(key.write()), version: self.version.to_string(), content: Some(content) }
    }
}

/// Bundles as a message, in their order.
pub(crate) fn bundles(all: &[Bundle]) -> proto::Bundles {
    proto::Bundles { bundles: all.iter().map(bundle).collect() }
}

/// One bundle as a message.
pub(crate) fn bundle(bundle: &Bundle) -> proto::Bundle {
    proto::Bundle {
        trust_domain: bundle.trust_domain.to_string(),
        roots: bundle.roots.iter().map(|root| root.to_vec().into()).collect(),
        sequence: bundle.sequence,
    }
}
