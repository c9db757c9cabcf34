//! A pod's files: `/etc`, and volumes made of API objects, kept as the objects are.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::sleep;

use super::super::launch::hostname;
use super::super::shared::PodShared;
use super::RETRY;
use crate::volume::{self, Content, TokenCache, VolumeError};

/// Without any change, volumes are looked at this often, for what no watch tells (annotations, a lost watch).
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// Makes everything for the first time; retries until what it needs is there.
pub(super) async fn prepare(shared: &Arc<PodShared>) -> TokenCache {
    let mut objects = shared.context.objects.files.clone();
    let tokens = TokenCache::default();
    loop {
        objects.mark_unchanged();
        let result = match tokens.refresh(&shared.context.config.client, &shared.object()).await {
            Ok(_) => write(shared, &tokens),
            Err(error) => {
                Err(VolumeError::NotReady { volume: "projected".into(), why: format!("ServiceAccount token: {error}") })
            }
        };
        match result {
            Ok(()) => return tokens,
            Err(error) => shared.event(None, true, "FailedMount", error.to_string()),
        }
        tokio::select! {
            () = sleep(RETRY) => {}
            Ok(()) = objects.changed() => {}
        }
    }
}

/// Follows changes for the pod's life.
pub(super) async fn refresh(shared: Arc<PodShared>, tokens: TokenCache) {
    let mut objects = shared.context.objects.files.clone();
    let mut pod = shared.pod.clone();
    loop {
        objects.mark_unchanged();
        pod.mark_unchanged();
        let due = match tokens.refresh(&shared.context.config.client, &shared.object()).await {
            Ok(due) => due,
            Err(error) => {
                tracing::debug!(pod = shared.name, %error, "ServiceAccount token not renewed");
                None
            }
        };
        if let Err(error) = write(&shared, &tokens) {
            tracing::debug!(pod = shared.name, %error, "volumes not refreshed");
        }
        let wait = due.map_or(LOOK_AGAIN, |due| until(due).min(LOOK_AGAIN));
        tokio::select! {
            () = sleep(wait) => {}
            Ok(()) = objects.changed() => {}
            Ok(()) = pod.changed() => {}
        }
    }
}

fn until(time: Timestamp) -> Duration {
    Duration::try_from(Timestamp::now().until(time).map(|_| time.duration_since(Timestamp::now())).unwrap_or_default())
        .unwrap_or_default()
        .max(RETRY)
}

fn write(shared: &PodShared, tokens: &TokenCache) -> Result<(), VolumeError> {
    let pod = shared.object();
    let spec = pod.spec.clone().unwrap_or_default();
    let address = shared.state.borrow().ip;
    let name = hostname(&shared.name, &spec);
    let dns = &shared.context.dns;
    let etc = shared.directory.join("etc");
    let files = [
        ("resolv.conf", volume::resolv_conf(&spec, &shared.namespace, dns)),
        ("hosts", address.map(|address| volume::hosts(&pod, &name, address, dns)).unwrap_or_default()),
        ("hostname", format!("{name}\n")),
    ];
    for (file, text) in files {
        once(&etc.join(file), &text).map_err(|source| VolumeError::Write { volume: format!("/etc/{file}"), source })?;
    }
    for item in spec.volumes.iter().flatten() {
        let directory = volume::directory(&shared.directory, item);
        let failed = |source| VolumeError::Write { volume: item.name.clone(), source };
        match volume::content(&pod, item, &shared.facts(), &shared.context.objects, tokens)? {
            Content::Files(files) => drop(volume::publish(&directory, &files).map_err(failed)?),
            Content::Empty => empty_directory(&directory).map_err(failed)?,
            Content::Host => {
                host_path(&directory, item.host_path.as_ref().and_then(|host| host.type_.as_deref())).map_err(failed)?
            }
        }
    }
    Ok(())
}

/// The file is mounted in containers: it must stay the same file.
fn once(path: &Path, text: &str) -> io::Result<()> {
    if path.exists() {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::write(path, text)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o644))
}

/// Anybody in the pod may write there.
fn empty_directory(path: &Path) -> io::Result<()> {
    if path.exists() {
        return Ok(());
    }
    fs::create_dir_all(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o777))
}

fn host_path(path: &Path, kind: Option<&str>) -> io::Result<()> {
    match kind {
        Some("DirectoryOrCreate") => fs::create_dir_all(path),
        Some("FileOrCreate") if !path.exists() => fs::write(path, ""),
        _ if path.exists() => Ok(()),
        _ => Err(io::Error::new(io::ErrorKind::NotFound, format!("hostPath {} does not exist", path.display()))),
    }
}
