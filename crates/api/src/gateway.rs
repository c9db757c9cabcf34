//! A gateway's routes as a message, and back.

use std::{collections::HashMap, net::SocketAddr};

use isthmus_core::{
    gateway::{Egress, Routes, Target},
    id::ObjectName,
};

use crate::{
    control::v1 as proto,
    decode::{self, InvalidMessage, parse},
    encode,
};

/// Routes as a message, in an order of their own: equal routes are equal messages.
pub fn encode(routes: &Routes) -> proto::GatewayRoutes {
    let mut exported: Vec<_> = routes.exported.iter().collect();
    exported.sort_by_key(|(key, _)| *key);
    let mut peers: Vec<_> = routes.peers.iter().collect();
    peers.sort_by_key(|(mesh, _)| *mesh);
    let exported_port = |(key, targets): (&(ObjectName, u16), &Vec<Target>)| proto::ExportedPort {
        service: Some(service_port(key)),
        targets: targets.iter().map(target).collect(),
    };
    proto::GatewayRoutes {
        mesh: routes.mesh.to_string(),
        exported: exported.into_iter().map(exported_port).collect(),
        peers: peers.into_iter().flat_map(|(mesh, ways)| ways.iter().map(|way| peer(mesh.as_str(), way))).collect(),
    }
}

fn target(target: &Target) -> proto::GatewayTarget {
    proto::GatewayTarget { token: target.token.to_string(), address: target.addr.to_string() }
}

fn peer(mesh: &str, egress: &Egress) -> proto::GatewayPeer {
    let mut services: Vec<_> = egress.services.iter().collect();
    services.sort();
    let mut tokens: Vec<_> = egress.tokens.iter().map(ToString::to_string).collect();
    tokens.sort();
    proto::GatewayPeer {
        mesh: mesh.to_owned(),
        gateways: egress.gateways.iter().map(SocketAddr::to_string).collect(),
        services: services.into_iter().map(service_port).collect(),
        tokens,
    }
}

fn service_port((service, port): &(ObjectName, u16)) -> proto::ServicePort {
    proto::ServicePort { service: Some(encode::object_name(service)), port: (*port).into() }
}

/// A message as routes.
pub fn decode(message: proto::GatewayRoutes) -> Result<Routes, InvalidMessage> {
    let exported = |port: proto::ExportedPort| {
        let targets = port.targets.iter().map(read_target).collect::<Result<_, _>>()?;
        Ok((read_service_port("exported.service", port.service)?, targets))
    };
    let peer = |peer: proto::GatewayPeer| {
        let gateways = peer.gateways.iter().map(|addr| parse("peers.gateways", addr)).collect::<Result<_, _>>()?;
        let services = peer.services.into_iter().map(|port| read_service_port("peers.services", Some(port)));
        let services = services.collect::<Result<_, _>>()?;
        let tokens = peer.tokens.iter().map(|token| parse("peers.tokens", token)).collect::<Result<_, _>>()?;
        Ok((parse("peers.mesh", &peer.mesh)?, Egress { gateways, services, tokens }))
    };
    let mut peers: HashMap<_, Vec<Egress>> = HashMap::new();
    for (mesh, way) in message.peers.into_iter().map(peer).collect::<Result<Vec<_>, InvalidMessage>>()? {
        peers.entry(mesh).or_default().push(way);
    }
    Ok(Routes {
        mesh: parse("mesh", &message.mesh)?,
        exported: message.exported.into_iter().map(exported).collect::<Result<HashMap<_, _>, InvalidMessage>>()?,
        peers,
    })
}

fn read_target(target: &proto::GatewayTarget) -> Result<Target, InvalidMessage> {
    Ok(Target {
        token: parse("exported.targets.token", &target.token)?,
        addr: parse("exported.targets.address", &target.address)?,
    })
}

fn read_service_port(
    field: &'static str,
    port: Option<proto::ServicePort>,
) -> Result<(ObjectName, u16), InvalidMessage> {
    let port = port.ok_or(InvalidMessage::Missing(field))?;
    Ok((decode::object_name(field, port.service)?, decode::port(field, port.port)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_come_back_as_they_were() {
        let catalog = (ObjectName::new("shop", "catalog"), 80);
        let way = |gateway: &str, token: &str| Egress {
            gateways: vec![gateway.parse().unwrap()],
            services: [catalog.clone()].into(),
            tokens: [token.parse().unwrap()].into(),
        };
        let routes = Routes {
            mesh: "west".parse().unwrap(),
            exported: HashMap::from([(
                catalog.clone(),
                vec![Target { token: "aa".parse().unwrap(), addr: ([10, 44, 0, 5], 8080).into() }],
            )]),
            peers: HashMap::from([(
                "east".parse().unwrap(),
                vec![way("[fd00::1]:15443", "bb"), way("192.0.2.1:15443", "cc")],
            )]),
        };
        assert_eq!(decode(encode(&routes)), Ok(routes));
    }

    #[test]
    fn what_does_not_fit_is_refused_whole() {
        let message = || encode(&Routes::none("west".parse().unwrap()));
        assert!(decode(proto::GatewayRoutes { mesh: "West".into(), ..message() }).is_err());
        let peer = proto::GatewayPeer { mesh: "east".into(), ..proto::GatewayPeer::default() };
        for peers in [
            proto::GatewayPeer { gateways: vec!["gw:1".into()], ..peer.clone() },
            proto::GatewayPeer { tokens: vec!["A1".into()], ..peer },
        ] {
            assert!(decode(proto::GatewayRoutes { peers: vec![peers], ..message() }).is_err());
        }
        let exported = vec![proto::ExportedPort { service: None, targets: vec![] }];
        assert!(decode(proto::GatewayRoutes { exported, ..message() }).is_err());
    }
}
