//! Volumes: directories of the node that containers see at their mount paths.

mod content;
mod dns;
#[cfg(test)]
mod tests;
mod token;
mod write;

pub(crate) use content::{Content, content};
pub(crate) use dns::{PodDns, hosts, resolv_conf};
pub(crate) use token::TokenCache;
pub(crate) use write::publish;

use std::path::{Path, PathBuf};

use k8s_openapi::api::core::v1::{PodSpec, Volume, VolumeMount};

/// Why a volume can't be had yet, or at all; the text is for an Event.
#[derive(Debug, thiserror::Error)]
pub(crate) enum VolumeError {
    #[error("MountVolume.SetUp failed for volume {volume:?}: {why}")]
    NotReady { volume: String, why: String },
    #[error("volume {volume:?}: {why}")]
    Unsupported { volume: String, why: String },
    #[error("volume {volume:?}: {source}")]
    Write { volume: String, source: std::io::Error },
}

/// Where a volume's files are on the node.
pub(crate) fn directory(pod_directory: &Path, volume: &Volume) -> PathBuf {
    match &volume.host_path {
        Some(host) => PathBuf::from(&host.path),
        None => pod_directory.join("volumes").join(&volume.name),
    }
}

/// The source of a mount: the volume's directory, or what `subPath` names in it. `..` is refused: it would lead out of the volume.
pub(crate) fn source(
    pod_directory: &Path,
    spec: &PodSpec,
    mount: &VolumeMount,
    sub_path: Option<&str>,
) -> Result<PathBuf, String> {
    let mut volumes = spec.volumes.iter().flatten();
    let volume = volumes.find(|volume| volume.name == mount.name);
    let volume = volume.ok_or_else(|| format!("volumeMount {:?} names no volume of the pod", mount.name))?;
    let directory = directory(pod_directory, volume);
    match sub_path.filter(|path| !path.is_empty()) {
        None => Ok(directory),
        Some(path) if Path::new(path).components().all(|part| matches!(part, std::path::Component::Normal(_))) => {
            Ok(directory.join(path))
        }
        Some(path) => Err(format!("subPath {path:?} must be a relative path without \"..\"")),
    }
}
