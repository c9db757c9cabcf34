//! What users want to see of a pod's traffic, to messages and back.

use isthmus_core::{
    telemetry::settings::{AccessLog, Family, LogFormat, Settings, Tracing},
    trace::{Ratio, SampledRoute},
};

use crate::{
    control::v1 as proto,
    decode::{self, InvalidMessage},
    encode,
};

/// Stands for no family at all, because a list of none says nothing.
const NONE: &str = "none";

/// As a message.
pub fn encode(settings: &Settings) -> proto::Telemetry {
    let AccessLog { on, format, sample } = settings.access_log;
    let format = format.map(|format| match format {
        LogFormat::Json => proto::LogFormat::Json.into(),
        LogFormat::Text => proto::LogFormat::Text.into(),
    });
    let route = |route: &SampledRoute| proto::SampledRoute {
        matches: Some(encode::http_matches(&route.matches)),
        per_million: route.ratio.as_per_million(),
    };
    proto::Telemetry {
        access_log: Some(proto::AccessLog { on, format, per_million: sample.map(Ratio::as_per_million) }),
        tracing: Some(proto::Tracing {
            per_million: settings.tracing.sample.map(Ratio::as_per_million),
            routes: settings.tracing.routes.iter().map(route).collect(),
        }),
        families: match settings.families.as_deref() {
            None => Vec::new(),
            Some([]) => vec![NONE.into()],
            Some(families) => families.iter().map(|family| family.as_str().into()).collect(),
        },
    }
}

/// From a message.
pub fn decode(message: proto::Telemetry) -> Result<Settings, InvalidMessage> {
    let log = message.access_log.unwrap_or_default();
    let format = log.format.map(|_| match log.format() {
        proto::LogFormat::Json => LogFormat::Json,
        proto::LogFormat::Text => LogFormat::Text,
    });
    let tracing = message.tracing.unwrap_or_default();
    let route = |route: proto::SampledRoute| {
        let matches = route.matches.ok_or(InvalidMessage::Missing("tracing.routes.matches"))?;
        let ratio = share("tracing.routes.per_million", route.per_million)?;
        Ok(SampledRoute { matches: decode::http_matches(matches)?, ratio })
    };
    let mut families: Vec<Family> = message.families.iter().filter_map(|name| Family::read(name)).collect();
    families.sort();
    families.dedup();
    Ok(Settings {
        access_log: AccessLog {
            on: log.on,
            format,
            sample: log.per_million.map(|parts| share("access_log.per_million", parts)).transpose()?,
        },
        tracing: Tracing {
            sample: tracing.per_million.map(|parts| share("tracing.per_million", parts)).transpose()?,
            routes: tracing.routes.into_iter().map(route).collect::<Result<_, _>>()?,
        },
        families: (!message.families.is_empty()).then_some(families),
    })
}

fn share(field: &'static str, per_million: u32) -> Result<Ratio, InvalidMessage> {
    let share = Ratio::per_million(per_million);
    let whole = share.as_per_million() == per_million;
    whole.then_some(share).ok_or_else(|| decode::invalid(field, &per_million.to_string(), "must be 0 to 1000000"))
}

#[cfg(test)]
mod tests;
