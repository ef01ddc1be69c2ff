//! Disks: how full, writable or not, fragmented, what fills them.

use super::files::{NodeFiles, Read, needed};
use super::kubelet_settings::threshold;
use crate::Severity;
use crate::checks::thresholds;
use crate::checks::{Cite, Fault, Outcome, State};
use crate::state::df::Filesystem;

/// Places whose file systems are the node's own. `*` stands for anything.
const NODE_PLACES: [&str; 9] = [
    "/",
    "/var",
    "/var/lib",
    "/var/lib/containerd",
    "/var/lib/docker",
    "/var/lib/kubelet",
    "/local",
    "/mnt/k8s-disks*",
    "/run",
];

fn is_node_place(target: &str) -> bool {
    NODE_PLACES.iter().any(|place| match place.strip_suffix('*') {
        Some(start) => target.starts_with(start),
        None => target == *place,
    })
}

/// File systems of the node itself, each once: containers' overlays show the figures of the disk below them, and images, boot partitions and
/// what has no size are no disks.
pub(super) fn own(filesystems: &[Filesystem]) -> impl Iterator<Item = &Filesystem> {
    filesystems.iter().filter(|row| row.device != "overlay" && is_node_place(&row.target))
}

/// Gibibytes for people.
fn gib(bytes: u64) -> String {
    format!("{:.1} GiB", bytes as f64 / 1_073_741_824.0)
}

/// File systems of the node that are near full, measured by what makes kubelet act.
pub(super) fn full(state: &State) -> Result<Vec<Fault>, Outcome> {
    let node = &state.node;
    let (path, filesystems) = node.filesystems()?;
    let gc = node.kubelet.one("image-gc-high-threshold", "imageGCHighThresholdPercent");
    let configured = gc.as_ref().and_then(|(_, percent)| percent.parse::<f64>().ok());
    let warn =
        configured.filter(|percent| (1.0..100.0).contains(percent)).unwrap_or_else(thresholds::filesystem_full_percent);
    let mut faults = Vec::new();
    for row in own(filesystems) {
        let Some(percent) = row.percent.map(f64::from) else { continue };
        let (total, available) = (row.total.unwrap_or(0) as f64, row.available.unwrap_or(0) as f64);
        let evicts = node
            .kubelet
            .of_map("eviction-hard", "evictionHard", "nodefs.available")
            .and_then(|(_, text)| threshold(&text, total))
            .unwrap_or(total * thresholds::eviction_nodefs_available_percent() / 100.0);
        let evicting = row.target != "/run" && available < evicts;
        let severity = if percent >= thresholds::filesystem_critical_percent() {
            Some((Severity::Critical, "almost nothing can be written any more".to_owned()))
        } else if evicting {
            Some((Severity::High, "less is free than kubelet's eviction threshold: it evicts pods".to_owned()))
        } else if percent >= warn {
            None
        } else {
            continue;
        };
        faults.push(Fault {
            subject: row.target.clone(),
            severity,
            count: 1,
            detail: format!(
                "{} is {percent} % full: {} of {} free; image garbage collection starts at {warn} %, eviction below {}",
                row.target,
                gib(available as u64),
                gib(total as u64),
                gib(evicts as u64)
            ),
            entities: vec![row.device.clone()],
            cites: vec![Cite { file: path.to_owned(), span: row.span, text: None }],
        });
    }
    Ok(faults)
}

/// Volumes of workloads that are near full: theirs, not the node's.
pub(super) fn volumes_full(state: &State) -> Result<Vec<Fault>, Outcome> {
    let (path, filesystems) = state.node.filesystems()?;
    let volumes = filesystems.iter().filter(|row| {
        row.target.starts_with("/var/lib/kubelet/")
            && row.target.contains("/volumes/")
            && row.device.starts_with("/dev/")
            || row.target.contains("/globalmount")
    });
    Ok(volumes
        .filter(|row| row.percent.map(f64::from) >= Some(thresholds::volume_full_percent()))
        .map(|row| Fault {
            subject: row.target.clone(),
            count: 1,
            detail: format!("{} is {} % full", row.target, row.percent.unwrap_or(0)),
            entities: vec![row.device.clone()],
            cites: vec![Cite { file: path.to_owned(), span: row.span, text: None }],
            ..Fault::default()
        })
        .collect())
}

/// File systems of the node that run out of inodes.
pub(super) fn inodes_full(state: &State) -> Result<Vec<Fault>, Outcome> {
    let node = &state.node;
    let read = needed(&node.inodes, "storage/inodes.txt", "how many inodes are used", Vec::is_empty)?;
    let mut faults = Vec::new();
    for row in own(read.value()) {
        let Some(percent) = row.percent.map(f64::from) else { continue };
        let (total, available) = (row.total.unwrap_or(0) as f64, row.available.unwrap_or(0) as f64);
        let evicts = node
            .kubelet
            .of_map("eviction-hard", "evictionHard", "nodefs.inodesFree")
            .and_then(|(_, text)| threshold(&text, total))
            .unwrap_or(total * thresholds::eviction_nodefs_inodes_percent() / 100.0);
        if percent < thresholds::inodes_full_percent() && available >= evicts {
            continue;
        }
        let severity = (available < evicts && row.target != "/run")
            .then(|| (Severity::Critical, "fewer inodes are free than kubelet's eviction threshold".to_owned()));
        faults.push(Fault {
            subject: row.target.clone(),
            severity,
            count: 1,
            detail: format!(
                "{} has used {percent} % of its inodes: {available} of {total} are free; kubelet evicts pods below {evicts:.0}",
                row.target
            ),
            entities: vec![row.device.clone()],
            cites: vec![read.cite(row.span)],
        });
    }
    Ok(faults)
}

/// The root or a directory of kubelet's or containerd's that cannot be written to.
pub(super) fn read_only(state: &State) -> Result<Vec<Fault>, Outcome> {
    let node = &state.node;
    let read = node.mount_table()?;
    let immutable = node.immutable_root(&state.files);
    let mut faults = Vec::new();
    for place in NODE_PLACES.iter().filter(|place| **place != "/run" && !(immutable && **place == "/")) {
        let Some(mount) = read.value().mounts.iter().rev().find(|mount| mount.target == *place) else { continue };
        if mount.read_only() {
            faults.push(Fault {
                subject: mount.target.clone(),
                count: 1,
                detail: format!(
                    "{} on {} ({}) is mounted read-only: {}",
                    mount.device, mount.target, mount.fs_type, mount.options
                ),
                entities: vec![mount.device.clone()],
                cites: vec![read.cite(mount.span)],
                ..Fault::default()
            });
        }
    }
    Ok(faults)
}

/// XFS whose free space lies in small pieces.
pub(super) fn xfs_fragmented(state: &State) -> Result<Vec<Fault>, Outcome> {
    let read = needed(&state.node.xfs, "storage/xfs.txt", "how XFS has its free space", |xfs| {
        xfs.iter().all(|xfs| xfs.average_free().is_none())
    })?;
    let least = thresholds::xfs_average_free_extent_blocks();
    let mut faults = Vec::new();
    for xfs in read.value() {
        let Some(average) = xfs.average_free().filter(|average| *average < least) else { continue };
        let place = xfs.average_free_extent.map(|(span, _)| span).or(xfs.free.first().map(|bucket| bucket.span));
        let sparse = if xfs.sparse == Some(true) {
            "sparse inode chunks soften it"
        } else {
            "inode chunks need a run of blocks"
        };
        faults.push(Fault {
            subject: xfs.device.clone(),
            count: 1,
            detail: format!(
                "{} has {} free blocks in extents of {average:.1} blocks on average, fewer than {least}; {sparse}",
                xfs.device,
                xfs.free_blocks()
            ),
            cites: std::iter::once(xfs.span).chain(place).map(|span| read.cite(span)).collect(),
            ..Fault::default()
        });
    }
    Ok(faults)
}

/// Far more mounts than pods explain.
pub(super) fn mounts_many(state: &State) -> Result<Vec<Fault>, Outcome> {
    let read = state.node.mount_table()?;
    let count = read.value().mounts.len();
    if (count as f64) < thresholds::mounts() {
        return Ok(Vec::new());
    }
    let of = |start: &str| read.value().mounts.iter().filter(|mount| mount.fs_type == start).count();
    let last = read.value().mounts.last().map(|mount| read.cite(mount.span));
    Ok(vec![Fault {
        count: count as u64,
        detail: format!(
            "{count} mounts, {} of them overlays and {} tmpfs; more than {}",
            of("overlay"),
            of("tmpfs"),
            thresholds::mounts()
        ),
        cites: last.into_iter().collect(),
        ..Fault::default()
    }])
}

/// A container that writes much into its own layer.
pub(super) fn layers_large(state: &State) -> Result<Vec<Fault>, Outcome> {
    let node = &state.node;
    let read = match &node.layers {
        Some(read) => read,
        None => {
            needed(&node.layers, "storage/pod_local_storage.txt", "what containers write into their layers", |_| false)?
        }
    };
    let filesystems = node.filesystems().map(|(_, filesystems)| filesystems).unwrap_or_default();
    let disk = ["/var/lib/containerd", "/var/lib", "/var", "/"]
        .iter()
        .find_map(|place| filesystems.iter().find(|row| row.target == *place && row.device != "overlay"));
    let share =
        disk.and_then(|row| row.total).map(|total| total as f64 * thresholds::container_layer_disk_percent() / 100.0);
    let crowded = disk
        .and_then(|row| row.percent)
        .is_some_and(|percent| f64::from(percent) >= thresholds::filesystem_full_percent());
    let most = share.unwrap_or(f64::MAX).min(thresholds::container_layer_bytes());
    Ok(read
        .value()
        .iter()
        .filter(|layer| layer.bytes as f64 > most)
        .map(|layer| Fault {
            subject: layer.path.clone(),
            severity: crowded.then(|| (Severity::Medium, "the disk below it is near full".to_owned())),
            count: 1,
            detail: format!("{} holds {}: what its container wrote outside of volumes", layer.path, gib(layer.bytes)),
            cites: vec![read.cite(layer.span)],
            ..Fault::default()
        })
        .collect())
}

/// Disks of the instance store that were prepared and are not mounted, as after a stop and start.
pub(super) fn instance_store_unmounted(state: &State) -> Result<Vec<Fault>, Outcome> {
    let node = &state.node;
    let mounts = node.mount_table()?;
    let mounted = |target: &str| mounts.value().at(target).is_some();
    let mut faults = Vec::new();
    let mut add = |subject: &str, detail: String, cite: Cite| {
        faults.push(Fault { subject: subject.to_owned(), count: 1, detail, cites: vec![cite], ..Fault::default() });
    };
    for (read, entry) in both(&node.fstab).filter(|(_, entry)| entry.target.starts_with("/mnt/k8s-disks")) {
        if !mounted(&entry.target) {
            add(&entry.target, format!("{} is in fstab and not mounted", entry.target), read.cite(entry.span));
        }
    }
    let units = node.services.iter().flat_map(|read| read.value().units.iter().map(move |unit| (read, unit)));
    for (read, unit) in units.filter(|(_, unit)| unit.name.contains("k8s\\x2ddisks") && unit.name.ends_with(".mount")) {
        if unit.active == "failed" {
            add(&unit.name, format!("{} is {}: {}", unit.name, unit.active, unit.description), read.cite(unit.span));
        }
    }
    Ok(faults)
}

/// Each item of a list file with its file.
fn both<T>(read: &Option<Read<Vec<T>>>) -> impl Iterator<Item = (&Read<Vec<T>>, &T)> {
    read.iter().flat_map(|read| read.value().iter().map(move |item| (read, item)))
}

/// EFS mounts over TLS go through a local tunnel: none of it is dead, and each has its own.
pub(super) fn efs_tunnels(state: &State) -> Result<Vec<Fault>, Outcome> {
    let node: &NodeFiles = &state.node;
    let ps = needed(&node.ps, "system/ps.txt", "whether the tunnels of EFS mounts run", Vec::is_empty)?;
    let tunnel = |program: &str| matches!(program, "stunnel" | "stunnel5" | "efs-proxy");
    let (dead, alive): (Vec<_>, Vec<_>) =
        ps.value().iter().filter(|process| tunnel(process.program())).partition(|process| process.zombie());
    let port_of = |command: &str| {
        let config = command.split_whitespace().find(|word| word.contains("stunnel-config."))?;
        config.rsplit('.').next()?.parse::<u16>().ok()
    };
    let ports: Vec<u16> = alive.iter().filter_map(|process| port_of(&process.command)).collect();
    let mounts = node.mounts.as_ref();
    let through = mounts
        .into_iter()
        .flat_map(|read| read.value().mounts.iter().map(move |mount| (read, mount)))
        .filter_map(|(read, mount)| {
            let local = mount.fs_type.starts_with("nfs") && mount.device.starts_with("127.0.0.1:");
            Some((read, mount, mount.option("port").filter(|_| local)?.parse::<u16>().ok()?))
        });
    let mut faults = Vec::new();
    for (read, mount, port) in through {
        // A tunnel whose command line does not tell its port may be this mount's.
        if !ports.contains(&port) && ports.len() == alive.len() {
            faults.push(Fault {
                subject: mount.target.clone(),
                severity: Some((Severity::Critical, "every access to the mount hangs".to_owned())),
                count: 1,
                detail: format!(
                    "{} goes through 127.0.0.1:{port} and no stunnel or efs-proxy of that port runs ({} run, {} are dead)",
                    mount.target,
                    alive.len(),
                    dead.len()
                ),
                cites: vec![read.cite(mount.span)],
                ..Fault::default()
            });
        }
    }
    if !dead.is_empty() {
        faults.push(Fault {
            count: dead.len() as u64,
            detail: format!("{} tunnel processes are dead and not reaped", dead.len()),
            cites: dead.iter().map(|process| ps.cite(process.span)).collect(),
            ..Fault::default()
        });
    }
    Ok(faults)
}
