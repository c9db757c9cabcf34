//! Whose spans they are.

use isthmus_api::otlp::v1::Resource;

use super::attributes::text;
use crate::config::Config;

/// The pod as OpenTelemetry's conventions describe it.
pub(crate) fn of(config: &Config) -> Resource {
    let attributes = vec![
        text("service.name", &*config.pod),
        text("service.namespace", &*config.namespace),
        text("service.instance.id", format!("{}.{}", config.namespace, config.pod)),
        text("k8s.namespace.name", &*config.namespace),
        text("k8s.pod.name", &*config.pod),
        text("isthmus.mesh", &*config.mesh),
    ];
    Resource { attributes }
}
