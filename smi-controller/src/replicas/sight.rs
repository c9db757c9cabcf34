//! Questions and answers of TrafficMetrics as replicas send them.

use std::{sync::Arc, time::Duration};

use isthmus_api::replica::v1 as proto;
use isthmus_core::{id::ObjectName, telemetry::BUCKETS};

use crate::telemetry::{Direction, End, Keep, LONGEST, Observation, Of, Query, Totals};

/// Most observations of one message.
const MAX_TOGETHER: usize = 1024;

pub(super) fn question(query: &Query) -> proto::ObserveRequest {
    let (of, namespace) = match &query.within {
        None => (proto::Of::Any, String::new()),
        Some((Of::Own, namespace)) => (proto::Of::Own, namespace.to_string()),
        Some((Of::Peer, namespace)) => (proto::Of::Peer, namespace.to_string()),
        Some((Of::Service, namespace)) => (proto::Of::Service, namespace.to_string()),
        Some((Of::Split, namespace)) => (proto::Of::Split, namespace.to_string()),
    };
    proto::ObserveRequest {
        window_milliseconds: u64::try_from(query.window.as_millis()).unwrap_or(u64::MAX),
        outbound: query.direction == Direction::Outbound,
        namespace,
        of: of.into(),
        keep_own: query.keep.own,
        keep_peer: query.keep.peer,
        keep_service: query.keep.service,
        keep_split: query.keep.split,
    }
}

/// The error names what is wrong with it.
pub(super) fn asked(request: proto::ObserveRequest) -> Result<Query, &'static str> {
    let of = match proto::Of::try_from(request.of) {
        Ok(proto::Of::Any) => None,
        Ok(proto::Of::Own) => Some(Of::Own),
        Ok(proto::Of::Peer) => Some(Of::Peer),
        Ok(proto::Of::Service) => Some(Of::Service),
        Ok(proto::Of::Split) => Some(Of::Split),
        // To narrow by less would be an answer to another question.
        Err(_) => return Err("of: unknown"),
    };
    let window = Duration::from_millis(request.window_milliseconds);
    if window > LONGEST {
        return Err("window_milliseconds: more than an hour");
    }
    Ok(Query {
        window,
        direction: if request.outbound { Direction::Outbound } else { Direction::Inbound },
        within: of.map(|of| (of, request.namespace.into())),
        keep: Keep {
            own: request.keep_own,
            peer: request.keep_peer,
            service: request.keep_service,
            split: request.keep_split,
        },
    })
}

/// In messages of bounded size.
pub(super) fn write(seen: &[Observation]) -> Vec<proto::Observed> {
    let one = |seen: &Observation| proto::Observation {
        own: Some(end(&seen.own)),
        peer: Some(end(&seen.peer)),
        service: seen.service.as_ref().map(name),
        backend: seen.backend.as_ref().map(name),
        split: seen.split.as_ref().map(name),
        successes: seen.totals.successes,
        failures: seen.totals.failures,
        latency: seen.totals.latency.to_vec(),
    };
    let message = |part: &[Observation]| proto::Observed { observations: part.iter().map(one).collect() };
    seen.chunks(MAX_TOGETHER).map(message).collect()
}

pub(super) fn read(told: proto::Observation, direction: Direction) -> Result<Observation, String> {
    let latency: [f64; BUCKETS] =
        told.latency.try_into().map_err(|_| format!("Observation.latency: must be {BUCKETS} counts"))?;
    let counts = [told.successes, told.failures].into_iter().chain(latency);
    if !counts.into_iter().all(|count| count.is_finite() && count >= 0.0) {
        return Err("Observation: a count that is none".to_owned());
    }
    let name = |name: proto::Name| ObjectName::new(name.namespace, name.name);
    Ok(Observation {
        direction,
        own: told.own.map(read_end).unwrap_or_default(),
        peer: told.peer.map(read_end).unwrap_or_default(),
        service: told.service.map(name),
        backend: told.backend.map(name),
        split: told.split.map(name),
        totals: Totals { successes: told.successes, failures: told.failures, latency },
    })
}

fn end(end: &End) -> proto::End {
    proto::End {
        mesh: end.mesh.as_deref().unwrap_or_default().to_owned(),
        namespace: end.namespace.to_string(),
        kind: end.kind.to_string(),
        name: end.name.to_string(),
        pod: end.pod.to_string(),
    }
}

fn read_end(end: proto::End) -> End {
    End {
        mesh: (!end.mesh.is_empty()).then(|| Arc::from(end.mesh)),
        namespace: end.namespace.into(),
        kind: end.kind.into(),
        name: end.name.into(),
        pod: end.pod.into(),
    }
}

fn name(name: &ObjectName) -> proto::Name {
    proto::Name { namespace: name.namespace.to_string(), name: name.name.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(n: usize) -> Observation {
        let end = |mesh: Option<&str>| End {
            mesh: mesh.map(Into::into),
            namespace: "shop".into(),
            kind: "Deployment".into(),
            name: "web".into(),
            pod: format!("web-{n}").into(),
        };
        Observation {
            direction: Direction::Outbound,
            own: end(None),
            peer: end(Some("west")),
            service: Some(ObjectName::new("shop", "api")),
            backend: None,
            split: Some(ObjectName::new("shop", "canary")),
            totals: Totals { successes: 7.0, failures: 0.5, latency: [1.0; BUCKETS] },
        }
    }

    #[test]
    fn what_is_read_is_what_was_written_however_much_it_is() {
        for count in [0, 1, MAX_TOGETHER, 3 * MAX_TOGETHER + 1] {
            let all: Vec<_> = (0..count).map(seen).collect();
            let messages = write(&all);
            assert_eq!(messages.len(), count.div_ceil(MAX_TOGETHER));
            let read = messages.into_iter().flat_map(|part| part.observations);
            let read: Vec<_> = read.map(|told| read_one(told).unwrap()).collect();
            assert_eq!(read, all);
        }
    }

    fn read_one(told: proto::Observation) -> Result<Observation, String> {
        read(told, Direction::Outbound)
    }

    #[test]
    fn a_question_is_the_same_on_the_other_side() {
        let keep = Keep { own: true, split: true, ..Keep::default() };
        let query = Query { window: Duration::from_secs(30), direction: Direction::Outbound, within: None, keep };
        for within in [None, Some(Of::Own), Some(Of::Peer), Some(Of::Service), Some(Of::Split)] {
            let query = Query { within: within.map(|of| (of, "shop".into())), ..query.clone() };
            assert_eq!(asked(question(&query)), Ok(query));
        }
    }

    #[test]
    fn what_can_not_be_is_refused() {
        let one = || write(&[seen(1)]).remove(0).observations.remove(0);
        assert!(read_one(proto::Observation { latency: vec![1.0], ..one() }).is_err());
        assert!(read_one(proto::Observation { successes: f64::NAN, ..one() }).is_err());
        assert!(read_one(proto::Observation { failures: -1.0, ..one() }).is_err());
        assert!(asked(proto::ObserveRequest { of: 9, ..Default::default() }).is_err());
        assert!(asked(proto::ObserveRequest { window_milliseconds: 3_600_001, ..Default::default() }).is_err());
    }
}
