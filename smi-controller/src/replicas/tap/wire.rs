//! Taps and what they see, as replicas send them.

use isthmus_api::{replica::v1 as proto, tap};
use isthmus_core::id::ObjectName;

use crate::{
    index::{TapAt, TapTarget},
    serve::Sight,
};

const POD: &str = "Pod";
const SERVICE: &str = "Service";

pub(super) fn question(at: &TapAt) -> proto::TapRequest {
    let (kind, name) = match &at.target {
        TapTarget::All => ("", ""),
        TapTarget::Pod(name) => (POD, &**name),
        TapTarget::Service(name) => (SERVICE, &**name),
        TapTarget::Owner(kind, name) => (&**kind, &**name),
    };
    proto::TapRequest {
        namespace: at.namespace.to_string(),
        kind: kind.to_owned(),
        name: name.to_owned(),
        tap: Some(tap::one(&at.tap)),
    }
}

/// The error names what is wrong with it.
pub(crate) fn asked(request: proto::TapRequest) -> Result<TapAt, String> {
    let name = || request.name.as_str().into();
    let target = match &*request.kind {
        "" => TapTarget::All,
        // Less would be a tap at more pods than were meant.
        _ if request.name.is_empty() => return Err("name: is missing".to_owned()),
        POD => TapTarget::Pod(name()),
        SERVICE => TapTarget::Service(name()),
        kind => TapTarget::Owner(kind.into(), name()),
    };
    let tap = tap::read(request.tap.ok_or("tap: is missing")?).map_err(|error| error.to_string())?;
    Ok(TapAt { namespace: request.namespace.into(), target, tap })
}

pub(crate) fn written(sight: Sight) -> proto::Sight {
    let Sight { pod, record, missed } = sight;
    proto::Sight {
        pod: Some(proto::Name { namespace: pod.namespace.to_string(), name: pod.name.to_string() }),
        record: serde_json::Value::Object(record).to_string().into(),
        missed,
    }
}

/// `None`: it is none.
pub(super) fn read(sight: proto::Sight) -> Option<Sight> {
    let pod = sight.pod.map(|pod| ObjectName::new(pod.namespace, pod.name))?;
    Some(Sight { pod, record: serde_json::from_slice(&sight.record).ok()?, missed: sight.missed })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use isthmus_core::telemetry::tap::{Filter, Tap};
    use serde_json::json;

    use super::*;

    #[test]
    fn a_tap_is_the_same_on_the_other_side() {
        let filter = Filter { method: Some("GET".into()), ..Filter::default() };
        let tap = Tap { id: u64::MAX, filter, per_second: 7, lasts: Duration::from_secs(60) };
        for target in [
            TapTarget::All,
            TapTarget::Pod("web-1".into()),
            TapTarget::Service("web".into()),
            TapTarget::Owner("Deployment".into(), "web".into()),
        ] {
            let at = TapAt { namespace: "shop".into(), target, tap: tap.clone() };
            assert_eq!(asked(question(&at)), Ok(at));
        }
    }

    #[test]
    fn what_is_no_tap_is_refused() {
        let tap = Tap { id: 1, filter: Filter::default(), per_second: 7, lasts: Duration::from_secs(60) };
        let good = question(&TapAt { namespace: "shop".into(), target: TapTarget::Pod("web-1".into()), tap });
        assert!(asked(proto::TapRequest { name: String::new(), ..good.clone() }).is_err());
        assert!(asked(proto::TapRequest { tap: None, ..good }).is_err());
    }

    #[test]
    fn what_was_seen_is_the_same_on_the_other_side() {
        let record = json!({ "path": "/a", "status": 200 }).as_object().unwrap().clone();
        let sight = Sight { pod: ObjectName::new("shop", "web-1"), record, missed: 3 };
        assert_eq!(read(written(sight.clone())), Some(sight.clone()));
        assert_eq!(read(proto::Sight { record: "[]".into(), ..written(sight.clone()) }), None);
        assert_eq!(read(proto::Sight { pod: None, ..written(sight) }), None);
    }
}
