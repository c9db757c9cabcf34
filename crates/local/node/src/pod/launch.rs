//! From a container's specification to what the helper is told.

use std::fs;
use std::path::PathBuf;

use k8s_openapi::api::core::v1::{Container, Pod, PodSpec, SecurityContext};

use super::shared::PodShared;
use crate::env::{self, expand};
use crate::helper::spec::{ContainerSpec, MountSpec, ProgramSpec};
use crate::image;
use crate::sandbox::Launch;
use crate::userns::user_exists;
use crate::volume;

/// What container runtimes leave to a container's root.
const DEFAULT_CAPABILITIES: [&str; 14] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "FSETID",
    "FOWNER",
    "MKNOD",
    "NET_RAW",
    "SETGID",
    "SETUID",
    "SETFCAP",
    "SETPCAP",
    "NET_BIND_SERVICE",
    "SYS_CHROOT",
    "KILL",
    "AUDIT_WRITE",
];

/// Why a container can't be started: a waiting state's reason and message.
#[derive(Debug)]
pub(super) struct NotStarted {
    pub(super) reason: &'static str,
    pub(super) message: String,
}

fn config_error(message: impl ToString) -> NotStarted {
    NotStarted { reason: "CreateContainerConfigError", message: message.to_string() }
}

/// Everything that the helper needs; makes the container's directory on the way.
pub(super) fn launch(shared: &PodShared, container: &Container) -> Result<Launch<ContainerSpec>, NotStarted> {
    let pod = shared.object();
    let spec = pod.spec.clone().unwrap_or_default();
    let context = &shared.context;
    let image = container.image.as_deref().unwrap_or_default();
    let command = image::command(context.config.images.as_ref(), image, Some(&context.path))
        .map_err(|error| NotStarted { reason: "ErrImagePull", message: error.to_string() })?;
    let base = base_env(shared, &spec);
    let env = env::build(&pod, container, &shared.facts(), &base, &context.objects).map_err(config_error)?;
    let program = program(container, &spec, command, &env)?;
    let root = shared.directory.join("roots").join(&container.name);
    fs::create_dir_all(&root)
        .map_err(|error| NotStarted { reason: "CreateContainerError", message: error.to_string() })?;
    let mounts = mounts(shared, &pod, &spec, container, &env)?;
    let helper = context.config.helper.iter().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
    Ok(Launch { helper: context.config.helper.clone(), spec: ContainerSpec { program, root, mounts, helper }, env })
}

fn base_env(shared: &PodShared, spec: &PodSpec) -> Vec<(String, String)> {
    let api = shared.context.router.config().service_cidr.nth(1).map(|ip| ip.to_string()).unwrap_or_default();
    let pairs = [
        ("PATH", shared.context.path.to_string_lossy().into_owned()),
        ("HOME", "/".to_owned()),
        ("HOSTNAME", hostname(&shared.name, spec)),
        ("KUBERNETES_SERVICE_HOST", api),
        ("KUBERNETES_SERVICE_PORT", "443".to_owned()),
        ("KUBERNETES_SERVICE_PORT_HTTPS", "443".to_owned()),
        (crate::leftovers::MARK, shared.context.config.state_dir.display().to_string()),
    ];
    pairs.map(|(name, value)| (name.to_owned(), value)).into()
}

/// The pod's host name, cut to the 63 characters that a name's part may have.
pub(super) fn hostname(pod: &str, spec: &PodSpec) -> String {
    let name = spec.hostname.as_deref().filter(|name| !name.is_empty()).unwrap_or(pod);
    let cut: String = name.chars().take(63).collect();
    cut.trim_end_matches(['-', '.']).to_owned()
}

/// `command` takes the place of the image's whole command line, `args` follow either; as for an image with an entry point and no arguments.
fn program(
    container: &Container,
    spec: &PodSpec,
    image: Vec<String>,
    env: &[(String, String)],
) -> Result<ProgramSpec, NotStarted> {
    let value = |name: &str| env.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
    let words =
        |words: Option<&Vec<String>>| words.into_iter().flatten().map(|word| expand(word, value)).collect::<Vec<_>>();
    let own = words(container.command.as_ref());
    let mut argv = if own.is_empty() { image } else { own };
    argv.extend(words(container.args.as_ref()));

    let security = container.security_context.clone().unwrap_or_default();
    let pod = spec.security_context.clone().unwrap_or_default();
    let id = |value: Option<i64>| value.and_then(|value| u32::try_from(value).ok());
    let uid = id(security.run_as_user.or(pod.run_as_user));
    if security.run_as_non_root.or(pod.run_as_non_root) == Some(true) && uid.unwrap_or(0) == 0 {
        return Err(config_error(
            "runAsNonRoot is set and no other runAsUser is: programs of this node run as root unless told otherwise",
        ));
    }
    // Where other users don't exist (a user namespace with one), everybody is root of the pod.
    let users = user_exists(1);
    let gid = id(security.run_as_group.or(pod.run_as_group));
    let groups = pod.supplemental_groups.iter().flatten().copied().chain(pod.fs_group);
    let capabilities = capabilities(&security);
    let ambient = added(&security).into_iter().filter(|name| name != "ALL").collect();
    Ok(ProgramSpec {
        argv,
        cwd: container.working_dir.as_ref().filter(|directory| !directory.is_empty()).map(PathBuf::from),
        uid: uid.filter(|_| users),
        gid: gid.or(uid).filter(|_| users),
        groups: groups.filter_map(|group| id(Some(group))).filter(|_| users).collect(),
        capabilities,
        ambient,
    })
}

fn names(list: Option<&Vec<String>>) -> Vec<String> {
    let names = list.into_iter().flatten();
    names.map(|name| name.to_uppercase().trim_start_matches("CAP_").to_owned()).collect()
}

fn added(security: &SecurityContext) -> Vec<String> {
    names(security.capabilities.as_ref().and_then(|capabilities| capabilities.add.as_ref()))
}

/// The defaults, less what is dropped, and what is added. None: all.
fn capabilities(security: &SecurityContext) -> Option<Vec<String>> {
    let add = added(security);
    if security.privileged == Some(true) || add.iter().any(|name| name == "ALL") {
        return None;
    }
    let drop = names(security.capabilities.as_ref().and_then(|capabilities| capabilities.drop.as_ref()));
    let keep = |name: &&str| !drop.iter().any(|dropped| dropped == name || dropped == "ALL");
    let defaults = DEFAULT_CAPABILITIES.iter().copied().filter(keep).map(str::to_owned);
    Some(defaults.chain(add).collect())
}

fn mounts(
    shared: &PodShared,
    pod: &Pod,
    spec: &PodSpec,
    container: &Container,
    env: &[(String, String)],
) -> Result<Vec<MountSpec>, NotStarted> {
    let value = |name: &str| env.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
    let mut all = Vec::new();
    for mount in container.volume_mounts.iter().flatten() {
        let sub_path =
            mount.sub_path_expr.as_deref().map(|text| expand(text, value)).or_else(|| mount.sub_path.clone());
        let source = volume::source(&shared.directory, spec, mount, sub_path.as_deref()).map_err(config_error)?;
        if sub_path.is_some() && !source.exists() {
            fs::create_dir_all(&source).map_err(config_error)?;
        }
        let target = PathBuf::from(&mount.mount_path);
        if !target.is_absolute() || target.parent().is_none() {
            return Err(config_error(format!("mountPath {:?} must be absolute, and not the root", mount.mount_path)));
        }
        // Volumes made of API objects can't be written, as with a kubelet.
        let fixed = spec.volumes.iter().flatten().any(|volume| {
            let objects = volume.config_map.is_some() || volume.secret.is_some();
            volume.name == mount.name && (objects || volume.downward_api.is_some() || volume.projected.is_some())
        });
        all.push(MountSpec { source, target, read_only: fixed || mount.read_only == Some(true) });
    }
    let files = [("resolv.conf", "/etc/resolv.conf"), ("hosts", "/etc/hosts"), ("hostname", "/etc/hostname")];
    let own = files.map(|(file, target)| (shared.directory.join("etc").join(file), PathBuf::from(target)));
    all.extend(
        own.into_iter().filter(|(_, target)| !container_has(container, target)).map(|(source, target)| MountSpec {
            source,
            target,
            read_only: false,
        }),
    );
    tracing::trace!(pod = pod.metadata.name, container = container.name, mounts = all.len(), "mounts planned");
    Ok(all)
}

fn container_has(container: &Container, target: &std::path::Path) -> bool {
    container.volume_mounts.iter().flatten().any(|mount| std::path::Path::new(&mount.mount_path) == target)
}

#[cfg(test)]
mod tests;
