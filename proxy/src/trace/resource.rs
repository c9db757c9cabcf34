//! Whose spans they are.

use isthmus_api::otlp::v1::Resource;
use isthmus_core::telemetry::Workload;

use super::attributes::text;

/// Kinds of owners that OpenTelemetry has attributes for.
const KINDS: [(&str, &str); 6] = [
    ("CronJob", "k8s.cronjob.name"),
    ("DaemonSet", "k8s.daemonset.name"),
    ("Deployment", "k8s.deployment.name"),
    ("Job", "k8s.job.name"),
    ("ReplicaSet", "k8s.replicaset.name"),
    ("StatefulSet", "k8s.statefulset.name"),
];

/// A workload as OpenTelemetry's conventions describe it. Before its first certificate only the pod is known.
pub(crate) fn of(workload: &Workload) -> Resource {
    let Workload { mesh, namespace, kind, name, pod, .. } = workload;
    let mut attributes = vec![
        text("service.name", if name.is_empty() { &**pod } else { &**name }),
        text("service.namespace", &**namespace),
        text("service.instance.id", format!("{namespace}.{pod}")),
        text("k8s.namespace.name", &**namespace),
        text("k8s.pod.name", &**pod),
        text("isthmus.mesh", &**mesh),
    ];
    let key = KINDS.iter().find(|(known, _)| *known == &**kind).map(|(_, key)| *key);
    attributes.extend(key.map(|key| text(key, &**name)));
    Resource { attributes }
}

#[cfg(test)]
mod tests {
    use isthmus_api::otlp::v1::any_value::Value;

    use super::*;

    fn told(workload: &Workload) -> Vec<(String, String)> {
        let value = |a: isthmus_api::otlp::v1::KeyValue| match a.value.unwrap().value.unwrap() {
            Value::StringValue(text) => (a.key, text),
            other => panic!("{other:?}"),
        };
        of(workload).attributes.into_iter().map(value).collect()
    }

    #[test]
    fn a_workload_is_a_service_by_its_owners_name() {
        let mut workload = Workload { namespace: "shop".into(), pod: "web-6f7-x2".into(), ..Workload::default() };
        let name = |w: &Workload| told(w).into_iter().find(|(key, _)| key == "service.name").unwrap().1;
        assert_eq!(name(&workload), "web-6f7-x2");
        (workload.kind, workload.name) = ("Deployment".into(), "web".into());
        assert_eq!(name(&workload), "web");
        assert!(told(&workload).contains(&("k8s.deployment.name".into(), "web".into())));
        assert!(told(&workload).contains(&("service.instance.id".into(), "shop.web-6f7-x2".into())));
        workload.kind = "Rollout".into();
        assert!(!told(&workload).iter().any(|(key, _)| key.starts_with("k8s.rollout")));
    }
}
