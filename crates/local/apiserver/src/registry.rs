//! Which kinds are served: the built-in ones, those of CRDs, and the groups of aggregated API servers.

mod custom;
mod remote;

use std::collections::HashMap;
use std::sync::Arc;

use isthmus_local_machinery::builtin;
use isthmus_local_machinery::resource::{Resource, Subresource};
use isthmus_local_machinery::schema::Schema;
use isthmus_local_machinery::table::Columns;
use isthmus_local_store::Store;
use serde_json::Value;
use tokio::sync::watch;

pub(crate) use custom::{Conversion, Custom};
pub(crate) use remote::Remote;

/// A kind at one version, with all that its requests need.
pub(crate) struct Kind {
    pub(crate) resource: Resource,
    /// The store's name of its objects; versions of a kind share it.
    pub(crate) storage: String,
    pub(crate) schema: Arc<Schema>,
    pub(crate) columns: Columns,
    /// For the kinds of CRDs.
    pub(crate) custom: Option<Custom>,
}

impl Kind {
    pub(crate) fn is(&self, group: &str, plural: &str) -> bool {
        self.custom.is_none() && self.resource.group == group && self.resource.plural == plural
    }

    /// `pods` or `deployments.apps`.
    pub(crate) fn group_resource(&self) -> String {
        self.resource.group_resource()
    }

    /// Whether `metadata.generation` counts the changes of these objects.
    pub(crate) fn has_generation(&self) -> bool {
        const COUNTED: &[&str] = &[
            "daemonsets",
            "deployments",
            "jobs",
            "replicasets",
            "replicationcontrollers",
            "statefulsets",
            "endpointslices",
            "customresourcedefinitions",
            "mutatingwebhookconfigurations",
            "validatingwebhookconfigurations",
        ];
        self.custom.is_some() || COUNTED.contains(&self.resource.plural.as_str())
    }
}

/// All kinds at one moment.
#[derive(Default)]
pub(crate) struct Catalog {
    /// In discovery's order: built-in kinds, then those of CRDs by group and version.
    pub(crate) kinds: Vec<Arc<Kind>>,
    by_path: HashMap<(String, String, String), Arc<Kind>>,
    /// Groups and versions that other servers answer for.
    pub(crate) remotes: Vec<Arc<Remote>>,
}

impl Catalog {
    pub(crate) fn find(&self, group: &str, version: &str, plural: &str) -> Option<&Arc<Kind>> {
        self.by_path.get(&(group.to_owned(), version.to_owned(), plural.to_owned()))
    }

    pub(crate) fn remote(&self, group: &str, version: &str) -> Option<&Arc<Remote>> {
        self.remotes.iter().find(|remote| remote.group == group && remote.version == version)
    }

    /// The kinds of a group and version.
    pub(crate) fn of<'a>(&'a self, group: &'a str, version: &'a str) -> impl Iterator<Item = &'a Arc<Kind>> {
        self.kinds.iter().filter(move |kind| kind.resource.group == group && kind.resource.version == version)
    }

    /// Groups (without the core group) with their versions, both in order of preference.
    pub(crate) fn groups(&self) -> Vec<(String, Vec<String>)> {
        let mut groups: Vec<(String, Vec<String>)> = Vec::new();
        let kinds = self.kinds.iter().map(|kind| (&kind.resource.group, &kind.resource.version));
        for (group, version) in kinds.chain(self.remotes.iter().map(|r| (&r.group, &r.version))) {
            if group.is_empty() {
                continue;
            }
            match groups.iter_mut().find(|(name, _)| name == group) {
                Some((_, versions)) if !versions.contains(version) => versions.push(version.clone()),
                Some(_) => {}
                None => groups.push((group.clone(), vec![version.clone()])),
            }
        }
        for (_, versions) in &mut groups {
            versions.sort_by_key(|version| custom::version_rank(version));
        }
        groups
    }

    fn build(store: &Store, old: &Self) -> Self {
        let mut kinds: Vec<Arc<Kind>> = if old.kinds.is_empty() {
            builtin::all().iter().map(|resource| Arc::new(built_in(resource))).collect()
        } else {
            old.kinds.iter().filter(|kind| kind.custom.is_none()).cloned().collect()
        };
        let mut customs = Vec::new();
        for entry in store.list("apiextensions.k8s.io/customresourcedefinitions", None).entries {
            customs.extend(custom::kinds(&entry, old));
        }
        customs.sort_by_cached_key(|kind: &Arc<Kind>| {
            (kind.resource.group.clone(), custom::version_rank(&kind.resource.version), kind.resource.plural.clone())
        });
        kinds.extend(customs);
        let path = |kind: &Arc<Kind>| {
            let resource = &kind.resource;
            ((resource.group.clone(), resource.version.clone(), resource.plural.clone()), kind.clone())
        };
        let by_path = kinds.iter().map(path).collect();
        let services = store.list("apiregistration.k8s.io/apiservices", None);
        let remotes = services.entries.iter().filter_map(|entry| Remote::read(&entry.object)).map(Arc::new).collect();
        Self { kinds, by_path, remotes }
    }
}

fn built_in(resource: &Resource) -> Kind {
    let mut resource = resource.clone();
    if resource.group.is_empty() && resource.plural == "pods" && resource.subresource("eviction").is_none() {
        resource.subresources.push(Subresource {
            name: "eviction".to_owned(),
            group: "policy".to_owned(),
            version: "v1".to_owned(),
            kind: "Eviction".to_owned(),
            verbs: vec!["create".to_owned()],
        });
        resource.subresources.sort_by(|a, b| a.name.cmp(&b.name));
    }
    // Events of both groups are one set of objects.
    let group = if resource.plural == "events" { "" } else { &resource.group };
    let storage = format!("{group}/{}", resource.plural);
    let schema = Arc::new(builtin::schema(&resource).cloned().unwrap_or_else(Schema::any));
    let columns = Columns::builtin(&resource);
    Kind { resource, storage, schema, columns, custom: None }
}

/// The catalog of now, replaced as a whole when CRDs or APIServices change.
#[derive(Default)]
pub(crate) struct Registry {
    now: watch::Sender<Arc<Catalog>>,
}

impl Registry {
    pub(crate) fn now(&self) -> Arc<Catalog> {
        self.now.borrow().clone()
    }

    /// Reads CRDs and APIServices from the store anew. What has not changed is kept.
    pub(crate) fn rebuild(&self, store: &Store) {
        self.now.send_modify(|now| *now = Arc::new(Catalog::build(store, now)));
    }

    /// Waits until a kind is no longer served: its CRD is gone, or does not serve this version any more.
    pub(crate) fn gone(&self, kind: &Kind) -> impl Future<Output = ()> + Send + use<> {
        let mut catalogs = self.now.subscribe();
        let Resource { group, version, plural, .. } = kind.resource.clone();
        async move {
            // An error says that the server has gone, and its kinds with it.
            let _ = catalogs.wait_for(|catalog| catalog.find(&group, &version, &plural).is_none()).await;
        }
    }
}

/// A condition's status in `status.conditions`.
pub(crate) fn condition(object: &Value, name: &str) -> bool {
    let conditions = object.pointer("/status/conditions").and_then(Value::as_array);
    conditions.into_iter().flatten().any(|condition| {
        condition.get("type").and_then(Value::as_str) == Some(name)
            && condition.get("status").and_then(Value::as_str) == Some("True")
    })
}
