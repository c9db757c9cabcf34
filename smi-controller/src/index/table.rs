//! Objects of one SMI kind, by name, in the form that the compiler reads.

use std::{collections::BTreeMap, sync::Arc};

use isthmus_core::id::ObjectName;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;

use super::{Fact, Facts};
use crate::fault::{Fault, Kind, ObjectRef};

/// One object: what identifies it, what was read from it, and what of it couldn't be used.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Object<T> {
    pub(crate) name: ObjectName,
    pub(crate) uid: Arc<str>,
    pub(crate) generation: i64,
    pub(crate) created: Timestamp,
    pub(crate) content: T,
    /// Faults that can be seen in the object alone.
    pub(crate) faults: Vec<Fault>,
}

impl<T> Object<T> {
    pub(crate) fn new(meta: &impl ResourceExt, content: T, faults: Vec<Fault>) -> Self {
        Self {
            name: name_of(meta),
            uid: meta.uid().unwrap_or_default().into(),
            generation: meta.meta().generation.unwrap_or_default(),
            created: meta.creation_timestamp().map(|t| t.0).unwrap_or_default(),
            content,
            faults,
        }
    }
}

pub(crate) fn name_of(meta: &impl ResourceExt) -> ObjectName {
    ObjectName::new(meta.namespace().unwrap_or_default(), meta.name_any())
}

/// A change that could be read.
#[derive(Debug)]
pub(crate) enum Applied<T> {
    Now(T),
    Gone(ObjectName),
}

impl<T> Applied<T> {
    pub(crate) fn map<U>(self, read: impl FnOnce(T) -> U) -> Applied<U> {
        match self {
            Self::Now(object) => Applied::Now(read(object)),
            Self::Gone(name) => Applied::Gone(name),
        }
    }
}

/// All objects of a kind.
#[derive(Debug)]
pub(crate) struct Table<T> {
    kind: Kind,
    objects: BTreeMap<ObjectName, Object<T>>,
}

impl<T: PartialEq> Table<T> {
    pub(crate) fn new(kind: Kind) -> Self {
        Self { kind, objects: BTreeMap::new() }
    }

    pub(crate) fn get(&self, name: &ObjectName) -> Option<&Object<T>> {
        self.objects.get(name)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Object<T>> {
        self.objects.values()
    }

    pub(crate) fn in_namespace(&self, namespace: Arc<str>) -> impl Iterator<Item = &Object<T>> {
        let from = ObjectName::new(namespace.clone(), "");
        let from = self.objects.range(from..).map(|(_, object)| object);
        from.take_while(move |object| object.name.namespace == namespace)
    }

    /// What was there before, if this changed anything.
    pub(crate) fn change(&mut self, change: Option<Applied<Object<T>>>, facts: &mut Facts) -> Option<Changed<T>> {
        let (name, before, now) = match change? {
            Applied::Now(object) => {
                if self.objects.get(&object.name) == Some(&object) {
                    return None;
                }
                let name = object.name.clone();
                (name.clone(), self.objects.insert(name.clone(), object), Some(name))
            }
            Applied::Gone(name) => (name.clone(), Some(self.objects.remove(&name)?), None),
        };
        facts.insert(Fact::Object(ObjectRef { kind: self.kind, name }));
        Some(Changed { before, now })
    }
}

/// What a change replaced, and the name of what is there now.
#[derive(Debug)]
pub(crate) struct Changed<T> {
    pub(crate) before: Option<Object<T>>,
    pub(crate) now: Option<ObjectName>,
}
