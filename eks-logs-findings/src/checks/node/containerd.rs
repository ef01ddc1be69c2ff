//! containerd: its configuration against the node, its plugins, what hangs or is left over.

use super::files::needed;
use crate::Severity;
use crate::checks::thresholds;
use crate::checks::{Fault, Outcome, State};

/// The name that an image reference is stored under: with the registry and the tag that are implied.
fn normal(reference: &str) -> String {
    let (first, rest) = reference.split_once('/').unwrap_or(("", reference));
    let registry = first.contains(['.', ':']) || first == "localhost";
    let full = match (registry, first) {
        (true, _) => reference.to_owned(),
        (false, "") => format!("docker.io/library/{rest}"),
        (false, _) => format!("docker.io/{reference}"),
    };
    let name = full.rsplit('/').next().unwrap_or(&full);
    if name.contains(':') || name.contains('@') { full } else { format!("{full}:latest") }
}

/// The image of sandboxes: set, and on the node.
pub(super) fn sandbox_image(state: &State) -> Result<Vec<Fault>, Outcome> {
    let node = &state.node;
    let read =
        needed(&node.containerd_config, "containerd/containerd-config.txt", "the image of sandboxes", Option::is_none)?;
    let Some((span, image)) = read.value().as_ref().and_then(|config| config.sandbox_image.as_ref()) else {
        return Err(Outcome::Unknown(format!(
            "{} names no image of sandboxes: containerd's default is not known",
            read.path
        )));
    };
    let fault = |severity: Option<(Severity, String)>, detail: String| Fault {
        subject: image.clone(),
        severity,
        count: 1,
        detail,
        cites: vec![read.cite(*span)],
        ..Fault::default()
    };
    if image.trim().is_empty() {
        let why = (Severity::Critical, "no pod can be started".to_owned());
        return Ok(vec![fault(Some(why), "the image of sandboxes is empty".to_owned())]);
    }
    let images = needed(
        &node.images,
        "containerd/containerd-images.txt",
        "whether the image of sandboxes is on the node",
        Vec::is_empty,
    )?;
    if images.value().iter().any(|known| normal(&known.reference) == normal(image)) {
        return Ok(Vec::new());
    }
    if images.parsed.problem_count > 0 {
        return Err(Outcome::Unknown(format!(
            "{} is not whole: whether {image} is on the node is not known",
            images.path
        )));
    }
    let local = image.starts_with("localhost/");
    let (severity, how) = match (local, image.contains(".dkr.ecr.")) {
        (true, _) => (Severity::High, "it can be pulled from nowhere: no pod can be started"),
        (false, true) => (Severity::Medium, "containerd pulls it without kubelet's credentials for ECR, which fails"),
        (false, false) => (Severity::Low, "it is pulled for the next pod, where the node reaches that registry"),
    };
    Ok(vec![fault(
        Some((severity, how.to_owned())),
        format!("{image} is not among the node's {} images; {how}", images.value().len()),
    )])
}

/// Plugins without which no pod starts.
pub(super) fn plugins_failed(state: &State) -> Result<Vec<Fault>, Outcome> {
    let node = &state.node;
    let mut faults = Vec::new();
    if let Some(read) = &node.containerd_config {
        for (span, plugin) in read.value().iter().flat_map(|config| &config.disabled_plugins) {
            if plugin == "cri" || plugin.contains(".cri") {
                faults.push(Fault {
                    subject: plugin.clone(),
                    count: 1,
                    detail: format!("{plugin} is switched off: kubelet cannot talk to containerd"),
                    cites: vec![read.cite(*span)],
                    ..Fault::default()
                });
            }
        }
    }
    let read = match &node.plugins {
        Some(read) if !read.value().is_empty() => read,
        _ if !faults.is_empty() => return Ok(faults),
        _ => needed(
            &node.plugins,
            "containerd/containerd-plugins.txt",
            "which plugins of containerd work",
            Vec::is_empty,
        )?,
    };
    let snapshotter = node
        .containerd_config
        .as_ref()
        .and_then(|read| read.value().as_ref()?.snapshotter.as_ref().map(|(_, name)| name.as_str()))
        .unwrap_or("overlayfs");
    for plugin in read.value().iter().filter(|plugin| plugin.status == "error") {
        let cri = (plugin.kind == "io.containerd.grpc.v1" && plugin.id == "cri")
            || plugin.kind.starts_with("io.containerd.cri.");
        if cri || (plugin.kind == "io.containerd.snapshotter.v1" && plugin.id == snapshotter) {
            let name = format!("{}.{}", plugin.kind, plugin.id);
            faults.push(Fault {
                count: 1,
                detail: format!("{name} is in the state \"error\": no pod can be started"),
                subject: name,
                cites: vec![read.cite(plugin.span)],
                ..Fault::default()
            });
        }
    }
    Ok(faults)
}

/// Registries configured in the old way, alone or beside the new one.
pub(super) fn registry_mirrors(state: &State) -> Result<Vec<Fault>, Outcome> {
    let read = needed(
        &state.node.containerd_config,
        "containerd/containerd-config.txt",
        "how registries are configured",
        Option::is_none,
    )?;
    let Some(config) = read.value() else { return Ok(Vec::new()) };
    if config.registry_mirrors.is_empty() {
        return Ok(Vec::new());
    }
    let path = config.registry_config_path.as_ref().filter(|(_, path)| !path.is_empty());
    let names: Vec<&str> = config.registry_mirrors.iter().map(|(_, name)| name.as_str()).collect();
    let (severity, detail) = match path {
        Some((_, path)) => (
            Some((Severity::Critical, "containerd refuses the configuration: its CRI plugin does not load".to_owned())),
            format!(
                "registry mirrors ({}) stand beside config_path {path:?}, which exclude each other",
                names.join(", ")
            ),
        ),
        None => (
            None,
            format!(
                "registry mirrors ({}) are configured in the way that newer versions no longer read",
                names.join(", ")
            ),
        ),
    };
    let cites = config.registry_mirrors.iter().map(|(span, _)| *span).chain(path.map(|(span, _)| *span));
    Ok(vec![Fault {
        severity,
        count: names.len() as u64,
        detail,
        cites: cites.map(|span| read.cite(span)).collect(),
        ..Fault::default()
    }])
}

/// Many containers that do not run.
pub(super) fn dead_containers(state: &State) -> Result<Vec<Fault>, Outcome> {
    let node = &state.node;
    let containers = needed(
        &node.containers,
        "containerd/containerd-containers.txt",
        "how many containers are kept",
        Vec::is_empty,
    )?;
    let tasks = needed(&node.tasks, "containerd/containerd-tasks.txt", "which containers run", Vec::is_empty)?;
    let running: std::collections::BTreeSet<&str> = tasks.value().iter().map(|task| task.id.as_str()).collect();
    let dead: Vec<_> = containers.value().iter().filter(|container| !running.contains(container.id.as_str())).collect();
    if dead.len() as f64 <= thresholds::dead_containers() {
        return Ok(Vec::new());
    }
    Ok(vec![Fault {
        count: dead.len() as u64,
        detail: format!("{} of {} containers do not run", dead.len(), containers.value().len()),
        cites: dead.iter().map(|container| containers.cite(container.span)).collect(),
        ..Fault::default()
    }])
}

/// Many goroutines that have waited for the same lock or system call for minutes.
pub(super) fn goroutines_blocked(state: &State) -> Result<Vec<Fault>, Outcome> {
    let dumps = &state.node.goroutines;
    if dumps.iter().all(|read| read.value().is_empty()) {
        return Err(Outcome::Unknown(
            "no dump of containerd's goroutines is in the bundle: whether it hangs is not known".to_owned(),
        ));
    }
    // Waiting for a channel, a timer or a socket is what idle loops do; a lock or a system call ends soon.
    let blocks = |state: &str| {
        matches!(state, "semacquire" | "syscall")
            || state.starts_with("sync.Mutex")
            || state.starts_with("sync.RWMutex")
    };
    let mut faults = Vec::new();
    for read in dumps {
        let groups = read
            .value()
            .iter()
            .filter(|group| blocks(&group.state) && group.long as f64 >= thresholds::blocked_goroutines());
        faults.extend(groups.map(|group| Fault {
            subject: group.frame.clone(),
            count: group.long,
            detail: format!(
                "{} goroutines of containerd have been in {} ({}) for a minute or more, the longest for {} minutes",
                group.long, group.frame, group.state, group.minutes
            ),
            cites: vec![read.cite(group.span)],
            ..Fault::default()
        }));
    }
    Ok(faults)
}

/// containerd's stream server listens on a port of another component, which then cannot start.
pub(super) fn port_taken(state: &State) -> Result<Vec<Fault>, Outcome> {
    let unknown = "which ports containerd listens on";
    let read = needed(&state.node.sockets, "system/netstat.txt", unknown, |sockets| sockets.is_empty())?;
    let taken = read.value().iter().filter(|socket| {
        let containerd = socket.process.as_ref().is_some_and(|process| &*process.name == "containerd");
        let reserved = socket.local.is_some_and(|local| super::sysctls::reserved_ports().contains(&local.port()));
        &*socket.state == "LISTEN" && containerd && reserved
    });
    Ok(taken
        .filter_map(|socket| socket.local.map(|local| (socket, local)))
        .map(|(socket, local)| Fault {
            subject: format!("port {}", local.port()),
            count: 1,
            detail: format!("containerd listens on {local}: the component of that port cannot start"),
            cites: vec![read.cite(socket.span)],
            ..Fault::default()
        })
        .collect())
}

/// The packages of NVIDIA's container runtime are there and containerd does not use them.
pub(super) fn nvidia_runtime_absent(state: &State) -> Result<Vec<Fault>, Outcome> {
    let node = &state.node;
    let packages = needed(&node.packages, "system/pkglist.txt", "whether the node is made for GPUs", |list| {
        list.packages.is_empty()
    })?;
    let Some(toolkit) = packages.value().named("nvidia-container-toolkit") else {
        return Err(Outcome::NotApplicable("the NVIDIA container toolkit is not installed".to_owned()));
    };
    let read = needed(
        &node.containerd_config,
        "containerd/containerd-config.txt",
        "which runtimes containerd has",
        Option::is_none,
    )?;
    let Some(config) = read.value() else { return Ok(Vec::new()) };
    if config.runtimes.is_empty() {
        return Err(Outcome::Unknown(format!("{} names no runtime", read.path)));
    }
    let nvidia = |runtime: &crate::state::containerd_config::Runtime| {
        runtime.name.contains("nvidia") || runtime.binary.as_ref().is_some_and(|(_, binary)| binary.contains("nvidia"))
    };
    if config.runtimes.iter().any(nvidia) {
        return Ok(Vec::new());
    }
    let names: Vec<&str> = config.runtimes.iter().map(|runtime| runtime.name.as_str()).collect();
    Ok(vec![Fault {
        count: 1,
        detail: format!(
            "nvidia-container-toolkit {} is installed and containerd's runtimes are {}",
            toolkit.version,
            names.join(", ")
        ),
        cites: std::iter::once(packages.cite(toolkit.span))
            .chain(config.runtimes.iter().map(|runtime| read.cite(runtime.span)))
            .collect(),
        ..Fault::default()
    }])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_compared_as_they_are_stored() {
        assert_eq!(normal("localhost/kubernetes/pause"), "localhost/kubernetes/pause:latest");
        assert_eq!(normal("pause:3.9"), "docker.io/library/pause:3.9");
        assert_eq!(normal("org/pause"), "docker.io/org/pause:latest");
        assert_eq!(normal("registry.k8s.io/pause@sha256:ab"), "registry.k8s.io/pause@sha256:ab");
    }
}
