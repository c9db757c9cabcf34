//! Reports as they are sent.

use std::{collections::VecDeque, sync::Arc};

use isthmus_api::{MAX_REASON_CHARS, replica::v1 as proto};
use isthmus_core::id::ObjectName;
use isthmus_identity::RootId;

use crate::{
    fault::{Kind, ObjectRef},
    serve::{Count, Proxy, Report, Stamp},
};

/// Most entries of one message.
const MAX_ENTRIES: usize = 4096;
/// Most entries of one moment: all proxies that can be connected, and more objects than a cluster has.
pub(super) const MAX_TOGETHER: usize = 1_000_000;

/// A replica says something that can't be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadReport {
    #[error("objects[].kind: {0:?} is none that this version knows")]
    UnknownKind(String),
    #[error("proxies[].leaf: must be a SHA-256, 32 bytes")]
    BadRoot,
    #[error("more than {MAX_TOGETHER} entries of one moment")]
    TooLong,
}

/// A report in messages of bounded size.
pub(super) fn write(report: Report) -> VecDeque<proto::Report> {
    let Report { sequence, proxies, objects, .. } = report;
    let mut messages = VecDeque::from([proto::Report { sequence, ..proto::Report::default() }]);
    let mut entries = 0;
    let mut next = |messages: &mut VecDeque<proto::Report>| {
        if entries == MAX_ENTRIES {
            entries = 0;
            if let Some(full) = messages.back_mut() {
                full.more = true;
            }
            messages.push_back(proto::Report { sequence, ..proto::Report::default() });
        }
        entries += 1;
    };
    for entry in proxies {
        next(&mut messages);
        messages.back_mut().into_iter().for_each(|message| message.proxies.push(proxy(&entry)));
    }
    for entry in objects {
        next(&mut messages);
        messages.back_mut().into_iter().for_each(|message| message.objects.push(object(&entry)));
    }
    messages
}

fn proxy((name, proxy): &(ObjectName, Option<Proxy>)) -> proto::Proxy {
    let written =
        proto::Proxy { namespace: name.namespace.to_string(), pod: name.name.to_string(), ..Default::default() };
    match proxy {
        None => proto::Proxy { gone: true, ..written },
        Some(proxy) => proto::Proxy {
            bundles: proxy.held.to_string(),
            leaf: proxy.leaf.map(|root| root.as_bytes().to_vec().into()).unwrap_or_default(),
            refusal: proxy.refusal.clone().unwrap_or_default(),
            ..written
        },
    }
}

fn object((object, count): &(ObjectRef, Option<Count>)) -> proto::Object {
    let written = proto::Object {
        kind: object.kind.as_str().to_owned(),
        namespace: object.name.namespace.to_string(),
        name: object.name.name.to_string(),
        ..Default::default()
    };
    let Some(count) = count else { return proto::Object { gone: true, ..written } };
    let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    proto::Object {
        uid: count.stamp.uid.to_string(),
        generation: count.stamp.generation,
        bundle: count.stamp.bundle,
        leaving: count.stamp.leaving,
        concerned: number(count.concerned),
        programmed: number(count.programmed),
        behind: count.behind.clone().unwrap_or_default(),
        refused: count.refused.clone().map(|(pod, reason)| proto::Refusal { pod, reason }),
        cut: count.cut,
        ..written
    }
}

/// Puts messages together again that are of one moment.
#[derive(Debug, Default)]
pub(super) struct Reading {
    parts: Option<Report>,
    begun: bool,
}

impl Reading {
    /// Takes the next message of a stream; a report when it is complete.
    pub(super) fn take(&mut self, message: proto::Report) -> Result<Option<Report>, BadReport> {
        let whole = !std::mem::replace(&mut self.begun, true);
        let empty = || Report { whole, sequence: 0, proxies: Vec::new(), objects: Vec::new() };
        let mut report = self.parts.take().unwrap_or_else(empty);
        report.sequence = message.sequence;
        for proxy in message.proxies {
            report.proxies.push(read_proxy(proxy)?);
        }
        for object in message.objects {
            report.objects.push(read_object(object)?);
        }
        if report.proxies.len() + report.objects.len() > MAX_TOGETHER {
            return Err(BadReport::TooLong);
        }
        if message.more {
            self.parts = Some(report);
            return Ok(None);
        }
        Ok(Some(report))
    }
}

fn read_proxy(written: proto::Proxy) -> Result<(ObjectName, Option<Proxy>), BadReport> {
    let name = ObjectName::new(written.namespace, written.pod);
    if written.gone {
        return Ok((name, None));
    }
    let leaf = match &*written.leaf {
        [] => None,
        bytes => Some(RootId::from_bytes(bytes).ok_or(BadReport::BadRoot)?),
    };
    let held: Arc<str> = written.bundles.into();
    Ok((name, Some(Proxy { held, leaf, refusal: some(written.refusal) })))
}

fn read_object(written: proto::Object) -> Result<(ObjectRef, Option<Count>), BadReport> {
    let kind = Kind::read(&written.kind).ok_or(BadReport::UnknownKind(written.kind))?;
    let object = ObjectRef { kind, name: ObjectName::new(written.namespace, written.name) };
    if written.gone {
        return Ok((object, None));
    }
    let number = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
    let stamp = Stamp {
        uid: written.uid.into(),
        generation: written.generation,
        bundle: written.bundle,
        leaving: written.leaving,
    };
    let refused = written.refused.map(|refusal| (refusal.pod, refusal.reason.chars().take(MAX_REASON_CHARS).collect()));
    let count = Count {
        stamp,
        concerned: number(written.concerned),
        programmed: number(written.programmed),
        behind: some(written.behind),
        refused,
        cut: written.cut,
    };
    Ok((object, Some(count)))
}

fn some(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(proxies: usize) -> Report {
        let stamp = Stamp { uid: "u".into(), generation: 3, bundle: 7, leaving: true };
        let refused = Some(("shop/b".to_owned(), "no".to_owned()));
        let behind = Some("shop/a".to_owned());
        let count = Count { stamp, concerned: 4, programmed: 2, behind, refused, cut: 9 };
        let peer = |name| ObjectRef { kind: Kind::MeshPeer, name: ObjectName::new("", name) };
        let held = Proxy { held: "v1".into(), leaf: RootId::from_bytes(&[7; 32]), refusal: Some("no".into()) };
        let pods = (0..proxies).map(|n| (ObjectName::new("shop", format!("web-{n}")), Some(held.clone())));
        Report {
            whole: true,
            sequence: 5,
            proxies: pods.chain([(ObjectName::new("shop", "left"), None)]).collect(),
            objects: vec![(peer("west"), Some(count)), (peer("north"), None)],
        }
    }

    #[test]
    fn what_is_read_is_what_was_written_however_long_it_is() {
        for proxies in [0, 1, MAX_ENTRIES, 3 * MAX_ENTRIES] {
            let messages = write(report(proxies));
            assert_eq!(messages.len(), (proxies + 3).div_ceil(MAX_ENTRIES));
            let mut reading = Reading::default();
            let read: Vec<Report> = messages.into_iter().filter_map(|m| reading.take(m).unwrap()).collect();
            assert_eq!(read, [report(proxies)]);
            // What follows is what has changed.
            let next = write(report(0)).into_iter().find_map(|m| reading.take(m).unwrap()).unwrap();
            assert!(!next.whole);
        }
    }

    #[test]
    fn what_can_not_be_is_refused() {
        let with = |object, proxy| {
            let message = proto::Report { objects: object, proxies: proxy, ..proto::Report::default() };
            Reading::default().take(message).unwrap_err()
        };
        let kind = proto::Object { kind: "Pod".into(), ..Default::default() };
        assert_eq!(with(vec![kind], vec![]), BadReport::UnknownKind("Pod".into()));
        let leaf = proto::Proxy { leaf: vec![1, 2].into(), ..Default::default() };
        assert_eq!(with(vec![], vec![leaf]), BadReport::BadRoot);
    }
}
