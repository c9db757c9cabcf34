//! The files of a volume that is made of API objects.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{DownwardAPIVolumeFile, KeyToPath, Pod, ServiceAccountTokenProjection, Volume};

use super::VolumeError;
use crate::env::Facts;
use crate::env::Sources;
use crate::env::field;

/// A file's bytes and permissions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct File {
    pub(crate) bytes: Vec<u8>,
    pub(crate) mode: u32,
}

/// Files by relative path.
pub(crate) type Files = BTreeMap<String, File>;

/// What a volume is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// An empty directory that the pod may write.
    Empty,
    /// A directory or file of the host.
    Host,
    /// Files that follow API objects.
    Files(Files),
}

/// ServiceAccount tokens that are at hand.
pub(crate) trait Tokens {
    fn token(&self, wanted: &ServiceAccountTokenProjection) -> Option<String>;
}

/// The volume's content as of now.
pub(crate) fn content(
    pod: &Pod,
    volume: &Volume,
    facts: &Facts,
    sources: &dyn Sources,
    tokens: &dyn Tokens,
) -> Result<Content, VolumeError> {
    let maker = Maker {
        pod,
        facts,
        sources,
        namespace: pod.metadata.namespace.as_deref().unwrap_or_default(),
        volume: &volume.name,
    };
    let mut files = Files::new();
    if volume.empty_dir.is_some() {
        return Ok(Content::Empty);
    }
    if volume.host_path.is_some() {
        return Ok(Content::Host);
    }
    if let Some(from) = &volume.config_map {
        maker.config_map(&mut files, &from.name, from.items.as_deref(), from.optional, from.default_mode)?;
    } else if let Some(from) = &volume.secret {
        let name = from.secret_name.as_deref().unwrap_or_default();
        maker.secret(&mut files, name, from.items.as_deref(), from.optional, from.default_mode)?;
    } else if let Some(from) = &volume.downward_api {
        maker.downward(&mut files, from.items.iter().flatten(), from.default_mode)?;
    } else if let Some(projected) = &volume.projected {
        let mode = projected.default_mode;
        for source in projected.sources.iter().flatten() {
            if let Some(from) = &source.config_map {
                maker.config_map(&mut files, &from.name, from.items.as_deref(), from.optional, mode)?;
            }
            if let Some(from) = &source.secret {
                maker.secret(&mut files, &from.name, from.items.as_deref(), from.optional, mode)?;
            }
            if let Some(from) = &source.downward_api {
                maker.downward(&mut files, from.items.iter().flatten(), mode)?;
            }
            if let Some(from) = &source.service_account_token {
                let token = tokens
                    .token(from)
                    .ok_or_else(|| maker.not_ready("the ServiceAccount token has not been issued yet"))?;
                maker.add(&mut files, &from.path, token.into_bytes(), mode, Some(0o600))?;
            }
        }
    } else {
        let why = "only emptyDir, configMap, secret, downwardAPI, projected and hostPath volumes exist here".to_owned();
        return Err(VolumeError::Unsupported { volume: volume.name.clone(), why });
    }
    Ok(Content::Files(files))
}

struct Maker<'a> {
    pod: &'a Pod,
    facts: &'a Facts,
    sources: &'a dyn Sources,
    namespace: &'a str,
    volume: &'a str,
}

impl Maker<'_> {
    fn not_ready(&self, why: &str) -> VolumeError {
        VolumeError::NotReady { volume: self.volume.to_owned(), why: why.to_owned() }
    }

    fn config_map(
        &self,
        files: &mut Files,
        name: &str,
        items: Option<&[KeyToPath]>,
        optional: Option<bool>,
        mode: Option<i32>,
    ) -> Result<(), VolumeError> {
        let Some(object) = self.sources.config_map(self.namespace, name) else {
            return self.missing("configmap", name, optional);
        };
        let text = object.data.iter().flatten().map(|(key, value)| (key.clone(), value.clone().into_bytes()));
        let binary = object.binary_data.iter().flatten().map(|(key, value)| (key.clone(), value.0.clone()));
        self.keys(files, text.chain(binary).collect(), items, optional, mode)
    }

    fn secret(
        &self,
        files: &mut Files,
        name: &str,
        items: Option<&[KeyToPath]>,
        optional: Option<bool>,
        mode: Option<i32>,
    ) -> Result<(), VolumeError> {
        let Some(object) = self.sources.secret(self.namespace, name) else {
            return self.missing("secret", name, optional);
        };
        let data = object.data.iter().flatten().map(|(key, value)| (key.clone(), value.0.clone()));
        self.keys(files, data.collect(), items, optional, mode)
    }

    fn missing(&self, kind: &str, name: &str, optional: Option<bool>) -> Result<(), VolumeError> {
        if optional == Some(true) { Ok(()) } else { Err(self.not_ready(&format!("{kind} {name:?} not found"))) }
    }

    /// All keys, or those that are listed, under the names that the list gives them.
    fn keys(
        &self,
        files: &mut Files,
        data: BTreeMap<String, Vec<u8>>,
        items: Option<&[KeyToPath]>,
        optional: Option<bool>,
        mode: Option<i32>,
    ) -> Result<(), VolumeError> {
        let Some(items) = items.filter(|items| !items.is_empty()) else {
            return data.into_iter().try_for_each(|(key, bytes)| self.add(files, &key, bytes, mode, None));
        };
        for item in items {
            match data.get(&item.key) {
                Some(bytes) => self.add(files, &item.path, bytes.clone(), item.mode.or(mode), None)?,
                None if optional == Some(true) => {}
                None => return Err(self.not_ready(&format!("references non-existent key {:?}", item.key))),
            }
        }
        Ok(())
    }

    fn downward<'a>(
        &self,
        files: &mut Files,
        items: impl Iterator<Item = &'a DownwardAPIVolumeFile>,
        mode: Option<i32>,
    ) -> Result<(), VolumeError> {
        let own = self.pod.spec.as_ref().and_then(|spec| spec.containers.first());
        for item in items {
            let value = match (&item.field_ref, &item.resource_field_ref, own) {
                (Some(field), _, _) => field::pod_field(self.pod, self.facts, &field.field_path),
                (None, Some(resource), Some(own)) => field::resource_field(self.pod, own, resource),
                _ => Err("an item names neither a field nor a resource".to_owned()),
            };
            let value = value.map_err(|why| VolumeError::Unsupported { volume: self.volume.to_owned(), why })?;
            self.add(files, &item.path, value.into_bytes(), item.mode.or(mode), None)?;
        }
        Ok(())
    }

    fn add(
        &self,
        files: &mut Files,
        path: &str,
        bytes: Vec<u8>,
        mode: Option<i32>,
        least: Option<u32>,
    ) -> Result<(), VolumeError> {
        let normal = |part: std::path::Component<'_>| matches!(part, std::path::Component::Normal(_));
        let path = std::path::Path::new(path);
        let inside = path.components().all(normal) && path.components().next().is_some();
        let (true, Some(name)) = (inside && !path.starts_with("..data"), path.to_str()) else {
            let why = format!("path {path:?} must be relative, without \"..\"");
            return Err(VolumeError::Unsupported { volume: self.volume.to_owned(), why });
        };
        // A container may run as any user, and a token that it can't read is of no use: readable by all, as the kubelet's own default.
        let mode = mode.and_then(|mode| u32::try_from(mode).ok()).unwrap_or(0o644) & 0o777;
        files.insert(name.to_owned(), File { bytes, mode: mode | least.unwrap_or(0) });
        Ok(())
    }
}
