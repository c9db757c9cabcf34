//! Taps, to messages and back.

use std::time::Duration;

use isthmus_core::telemetry::tap::{Filter, LONGEST, MAX_PER_SECOND, Peer, Status, Tap};

use crate::{
    control::v1 as proto,
    decode::{self, InvalidMessage},
    encode,
};

/// All of a pod.
pub fn encode<'t>(taps: impl IntoIterator<Item = &'t Tap>) -> proto::Taps {
    proto::Taps { taps: taps.into_iter().map(one).collect() }
}

/// One as a message.
pub fn one(tap: &Tap) -> proto::Tap {
    let Filter { inbound, method, path_prefix, status, peer, service } = &tap.filter;
    let direction = |inbound: bool| match inbound {
        true => proto::Direction::Inbound.into(),
        false => proto::Direction::Outbound.into(),
    };
    proto::Tap {
        id: tap.id,
        direction: inbound.map(direction),
        method: method.as_deref().map(str::to_owned),
        path_prefix: path_prefix.as_deref().map(str::to_owned),
        status: status.map(|status| match status {
            Status::Class(class) => class.into(),
            Status::Code(code) => code.into(),
        }),
        peer: peer.as_ref().map(|peer| proto::Workload {
            mesh: peer.mesh.to_string(),
            namespace: peer.namespace.to_string(),
            kind: peer.kind.to_string(),
            name: peer.name.to_string(),
            pod: peer.pod.to_string(),
            service_account: String::new(),
        }),
        service: service.as_ref().map(encode::object_name),
        per_second: tap.per_second,
        seconds: u32::try_from(tap.lasts.as_secs()).unwrap_or(u32::MAX),
    }
}

/// All of a pod, from a message.
pub fn decode(message: proto::Taps) -> Result<Vec<Tap>, InvalidMessage> {
    message.taps.into_iter().map(read).collect()
}

/// One from a message. What asks for more than it may gets as much as it may.
pub fn read(message: proto::Tap) -> Result<Tap, InvalidMessage> {
    let inbound = message.direction.map(|_| message.direction() == proto::Direction::Inbound);
    let status = message.status.map(|status| match u16::try_from(status) {
        Ok(class @ 0..=9) => Ok(Status::Class(u8::try_from(class).unwrap_or_default())),
        Ok(code @ 100..=599) => Ok(Status::Code(code)),
        _ => Err(decode::invalid("tap.status", &status.to_string(), "must be a status, or its first digit")),
    });
    let peer = message.peer.map(|peer| Peer {
        mesh: peer.mesh.into(),
        namespace: peer.namespace.into(),
        kind: peer.kind.into(),
        name: peer.name.into(),
        pod: peer.pod.into(),
    });
    Ok(Tap {
        id: message.id,
        filter: Filter {
            inbound,
            method: message.method.map(Into::into),
            path_prefix: message.path_prefix.map(Into::into),
            status: status.transpose()?,
            peer,
            service: message.service.map(|name| decode::object_name("tap.service", Some(name))).transpose()?,
        },
        per_second: message.per_second.clamp(1, MAX_PER_SECOND),
        lasts: Duration::from_secs(message.seconds.into()).min(LONGEST),
    })
}

#[cfg(test)]
mod tests {
    use isthmus_core::id::ObjectName;

    use super::*;

    #[test]
    fn a_tap_comes_back_as_it_was() {
        let filter = Filter {
            inbound: Some(false),
            method: Some("GET".into()),
            path_prefix: Some("/api".into()),
            status: Some(Status::Class(5)),
            peer: Some(Peer { namespace: "shop".into(), kind: "Deployment".into(), ..Peer::default() }),
            service: Some(ObjectName::new("shop", "web")),
        };
        let lasts = Duration::from_secs(60);
        let taps = [
            Tap { id: u64::MAX, filter, per_second: 7, lasts },
            Tap {
                id: 1,
                filter: Filter { status: Some(Status::Code(404)), ..Filter::default() },
                per_second: 1,
                lasts,
            },
        ];
        assert_eq!(decode(encode(&taps)).unwrap(), taps);
    }

    #[test]
    fn nobody_gets_more_than_one_may() {
        let message = proto::Tap { per_second: 1_000_000, seconds: u32::MAX, ..proto::Tap::default() };
        let tap = read(message).unwrap();
        assert_eq!((tap.per_second, tap.lasts), (MAX_PER_SECOND, LONGEST));
        assert!(read(proto::Tap { status: Some(42), ..proto::Tap::default() }).is_err());
    }
}
