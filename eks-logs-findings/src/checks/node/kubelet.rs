//! kubelet's configuration and flags.

use core::net::IpAddr;

use super::files::needed;
use super::kubelet_settings::quantity;
use crate::Severity;
use crate::checks::{Cite, Fault, Outcome, State};

/// kubelet's configuration, as a whole, or why nothing can be said of what it lacks. The place to cite for something that is missing.
fn whole(state: &State, unknown: &str) -> Result<Cite, Outcome> {
    let kubelet = &state.node.kubelet;
    if let Some(why) = kubelet.unread.first() {
        return Err(Outcome::Unknown(format!("{why}: {unknown} is not known")));
    }
    let Some(path) = kubelet.config_files.first() else {
        return Err(Outcome::Unknown(format!(
            "no configuration of kubelet's is in the bundle: {unknown} is not known"
        )));
    };
    let drop_ins = kubelet.flag("config-dir").is_some();
    if drop_ins && kubelet.config_files.len() < 2 {
        return Err(Outcome::Unknown(format!(
            "kubelet reads drop-ins (--config-dir) and the bundle has none: {unknown} is not known"
        )));
    }
    match state.files.get(path) {
        Some(file) => Ok(Cite::head(file)),
        None => Err(Outcome::Unknown(format!("{path} is not kept: {unknown} is not known"))),
    }
}

/// Mebibytes that the EKS AMI reserves for kubelet and the runtime.
fn reserved_by_ami(pods: f64) -> f64 {
    11.0 * pods + 255.0
}

/// Nothing, or too little, is reserved for the node's own daemons.
pub(super) fn reserved_missing(state: &State) -> Result<Vec<Fault>, Outcome> {
    let place = whole(state, "what is reserved for the node's daemons")?;
    let kubelet = &state.node.kubelet;
    let kube = kubelet.of_map("kube-reserved", "kubeReserved", "memory");
    let system = kubelet.of_map("system-reserved", "systemReserved", "memory");
    if kube.is_none() && system.is_none() {
        return Ok(vec![Fault {
            count: 1,
            detail: "neither kubeReserved nor systemReserved names memory: pods may take all of it from kubelet and the runtime".to_owned(),
            cites: vec![place],
            ..Fault::default()
        }]);
    }
    let sum: f64 = [&kube, &system].into_iter().flatten().filter_map(|(_, text)| quantity(text)).sum();
    let pods =
        kubelet.one("max-pods", "maxPods").and_then(|(_, pods)| pods.parse::<f64>().ok()).filter(|pods| *pods > 0.0);
    let Some(wanted) = pods.map(reserved_by_ami) else { return Ok(Vec::new()) };
    let mebibytes = sum / 1_048_576.0;
    if mebibytes >= wanted / 2.0 {
        return Ok(Vec::new());
    }
    Ok(vec![Fault {
        severity: Some((
            Severity::Low,
            "something is reserved, less than half of what the EKS AMI would reserve".to_owned(),
        )),
        count: 1,
        detail: format!("{mebibytes:.0} MiB are reserved; for so many pods the EKS AMI reserves {wanted:.0} MiB"),
        cites: kube.into_iter().chain(system).map(|(cite, _)| cite).collect(),
        ..Fault::default()
    }])
}

/// Memory is no reason for eviction: the kernel kills in kubelet's place.
pub(super) fn eviction_memory_off(state: &State) -> Result<Vec<Fault>, Outcome> {
    let kubelet = &state.node.kubelet;
    let place = whole(state, "when kubelet evicts pods")?;
    let configured = kubelet.config.below("evictionHard").next().is_some() || kubelet.flag("eviction-hard").is_some();
    if !configured || kubelet.config.one("mergeDefaultEvictionSettings").is_some_and(|(_, on)| on == "true") {
        return Ok(Vec::new());
    }
    let memory = kubelet.of_map("eviction-hard", "evictionHard", "memory.available");
    let off = |text: &str| text.trim_end_matches('%').parse::<f64>().ok() == Some(0.0) || quantity(text) == Some(0.0);
    let (detail, cite) = match memory {
        None => ("evictionHard is set without memory.available: kubelet never evicts for memory".to_owned(), place),
        Some((cite, text)) if off(&text) => {
            (format!("memory.available is {text}: kubelet never evicts for memory"), cite)
        }
        Some(_) => return Ok(Vec::new()),
    };
    Ok(vec![Fault { count: 1, detail, cites: vec![cite], ..Fault::default() }])
}

/// Pods get no resolver, or one that is no address, or of the other IP family.
pub(super) fn cluster_dns(state: &State) -> Result<Vec<Fault>, Outcome> {
    let kubelet = &state.node.kubelet;
    let flag = kubelet.flag("cluster-dns").and_then(|(cite, flag)| Some((cite, flag.value.clone()?)));
    let (cite, servers): (Cite, Vec<String>) = match (flag, kubelet.config.many("clusterDNS")) {
        (Some((cite, servers)), _) => (cite, servers.split(',').map(str::to_owned).collect()),
        (None, Some((cited, servers))) => match kubelet.cite(cited) {
            Some(cite) => (cite, servers.to_vec()),
            None => return Ok(Vec::new()),
        },
        (None, None) => {
            let place = whole(state, "which resolver pods get")?;
            return Ok(vec![Fault {
                count: 1,
                detail: "clusterDNS is not set: pods get the node's resolver and find no service".to_owned(),
                cites: vec![place],
                ..Fault::default()
            }]);
        }
    };
    let fault = |detail: String, cites: Vec<Cite>| Fault { count: 1, detail, cites, ..Fault::default() };
    if servers.is_empty() {
        return Ok(vec![fault(
            "clusterDNS is an empty list: pods get the node's resolver and find no service".to_owned(),
            vec![cite],
        )]);
    }
    let mut faults = Vec::new();
    let node_ip =
        kubelet.flag("node-ip").and_then(|(cite, flag)| Some((cite, flag.value.as_deref()?.parse::<IpAddr>().ok()?)));
    for server in &servers {
        match (server.trim().parse::<IpAddr>(), &node_ip) {
            (Err(_), _) => {
                faults.push(fault(format!("clusterDNS names {server:?}, which is no IP address"), vec![cite.clone()]))
            }
            (Ok(address), Some((of_node, node_ip))) if address.is_ipv4() != node_ip.is_ipv4() => faults.push(fault(
                format!("clusterDNS is {address} and the node's IP {node_ip}: two families"),
                vec![cite.clone(), of_node.clone()],
            )),
            _ => {}
        }
    }
    Ok(faults)
}

/// kubelet and the runtime make cgroups in different ways.
pub(super) fn cgroup_drivers_differ(state: &State) -> Result<Vec<Fault>, Outcome> {
    let node = &state.node;
    let Some((place, driver)) = node.kubelet.one("cgroup-driver", "cgroupDriver") else {
        return Err(Outcome::Unknown(
            "no file tells kubelet's cgroupDriver: whether the runtime has the same is not known".to_owned(),
        ));
    };
    let fault = |runtime: &str, cite: Cite, other: &str| Fault {
        count: 1,
        detail: format!(
            "kubelet's cgroupDriver is {driver} and {runtime} makes cgroups with {other}: no sandbox can be made"
        ),
        cites: vec![place.clone(), cite],
        ..Fault::default()
    };
    let containerd =
        node.containerd_config.as_ref().and_then(|read| read.value().as_ref().map(|config| (read, config)));
    if let Some((read, config)) = containerd {
        let name = config.default_runtime.as_ref().map_or("runc", |(_, name)| name.as_str());
        let runtime = config.runtime(name).or(config.runtimes.first());
        let Some((span, systemd)) = runtime.and_then(|runtime| runtime.systemd_cgroup) else {
            return Err(Outcome::Unknown(format!(
                "{} does not tell SystemdCgroup of {name}: whether it agrees with kubelet is not known",
                read.path
            )));
        };
        let other = if systemd { "systemd" } else { "cgroupfs" };
        return Ok(if other == driver { Vec::new() } else { vec![fault("containerd", read.cite(span), other)] });
    }
    let docker =
        node.docker_info.as_ref().and_then(|read| read.value().value("Cgroup Driver").map(|told| (read, told)));
    if let Some((read, (span, other))) = docker {
        return Ok(if other == driver { Vec::new() } else { vec![fault("docker", read.cite(span), other)] });
    }
    needed(
        &node.containerd_config,
        "containerd/containerd-config.txt",
        "how the runtime makes cgroups",
        Option::is_none,
    )?;
    Ok(Vec::new())
}

/// The kubeconfig asks for a token of a cluster that cannot be: the bootstrap's arguments were shifted.
pub(super) fn cluster_name_wrong(state: &State) -> Result<Vec<Fault>, Outcome> {
    let read = needed(
        &state.node.kubeconfig,
        "kubelet/kubeconfig.yaml",
        "for which cluster kubelet asks a token",
        Option::is_none,
    )?;
    let Some(config) = read.value() else { return Ok(Vec::new()) };
    if config.command.is_none() && config.arguments.is_empty() {
        return Err(Outcome::NotApplicable(
            "kubelet has credentials of its own in the kubeconfig, no command that gets a token".to_owned(),
        ));
    }
    let Some((span, name)) = config.cluster_name() else {
        return Err(Outcome::Unknown(format!("{}: no argument names the cluster", read.path)));
    };
    let possible = name.starts_with(|letter: char| letter.is_ascii_alphanumeric())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    if possible {
        return Ok(Vec::new());
    }
    let detail = match name.as_str() {
        "" => "the cluster's name is empty".to_owned(),
        name => format!("a token of the cluster {name:?} is asked for, which is no name of a cluster"),
    };
    Ok(vec![Fault { count: 1, detail, cites: vec![read.cite(*span)], ..Fault::default() }])
}

/// Words on kubelet's command line that belong to no flag, and flags that contradict each other.
pub(super) fn arguments_wrong(state: &State) -> Result<Vec<Fault>, Outcome> {
    /// Flags of one value: of two, the last counts.
    const ONE_VALUE: [&str; 9] = [
        "max-pods",
        "node-ip",
        "hostname-override",
        "cloud-provider",
        "config",
        "kubeconfig",
        "container-runtime-endpoint",
        "pod-infra-container-image",
        "cgroup-driver",
    ];
    // In a row of ps a value with blanks falls apart: only the unit tells words apart.
    let Some((path, flags)) = state.node.kubelet.flags.iter().find(|(path, _)| !path.starts_with("system/")) else {
        return Err(Outcome::Unknown(
            "kubelet/kubelet_service.txt is not in the bundle: kubelet's arguments are not known".to_owned(),
        ));
    };
    let cite = |span| Cite { file: path.clone(), span, text: None };
    let mut faults = Vec::new();
    if !flags.stray.is_empty() {
        let words: Vec<&str> = flags.stray.iter().map(|(_, word)| word.as_str()).collect();
        faults.push(Fault {
            severity: Some((Severity::High, "kubelet takes no words besides flags: it exits".to_owned())),
            count: words.len() as u64,
            detail: format!("words that belong to no flag: {}", words.join(" ")),
            cites: flags.stray.iter().map(|(span, _)| cite(*span)).collect(),
            ..Fault::default()
        });
    }
    for name in ONE_VALUE {
        let all: Vec<_> = flags.flags.iter().filter(|flag| flag.name == name).collect();
        let differ = all.windows(2).any(|pair| pair[0].value != pair[1].value);
        if let Some(last) = all.last().filter(|_| differ) {
            faults.push(Fault {
                subject: format!("--{name}"),
                count: all.len() as u64,
                detail: format!(
                    "--{name} is given {} times with different values; the last counts: {}",
                    all.len(),
                    last.value.as_deref().unwrap_or("none")
                ),
                cites: all.iter().map(|flag| cite(flag.span)).collect(),
                ..Fault::default()
            });
        }
    }
    Ok(faults)
}

/// As many pods as kubelet takes.
pub(super) fn max_pods_reached(state: &State) -> Result<Vec<Fault>, Outcome> {
    let node = &state.node;
    let Some((place, most)) = node.kubelet.one("max-pods", "maxPods") else {
        return Err(Outcome::Unknown(
            "no file tells maxPods: whether the node is full of pods is not known".to_owned(),
        ));
    };
    let containers =
        needed(&node.containers, "containerd/containerd-containers.txt", "how many pods run", Vec::is_empty)?;
    let tasks = needed(&node.tasks, "containerd/containerd-tasks.txt", "how many pods run", Vec::is_empty)?;
    let Some(most) = most.parse::<usize>().ok().filter(|most| *most > 0) else { return Ok(Vec::new()) };
    let running: std::collections::BTreeSet<&str> =
        tasks.value().iter().filter(|task| task.status == "RUNNING").map(|task| task.id.as_str()).collect();
    let pause = |image: &str| image.rsplit('/').next().is_some_and(|name| name.starts_with("pause"));
    let pods = containers
        .value()
        .iter()
        .filter(|container| pause(&container.image) && running.contains(container.id.as_str()))
        .count();
    if pods < most {
        return Ok(Vec::new());
    }
    Ok(vec![Fault {
        count: pods as u64,
        detail: format!("{pods} sandboxes run, and kubelet takes {most} pods"),
        cites: vec![place],
        ..Fault::default()
    }])
}
