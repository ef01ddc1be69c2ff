//! Finding entities in text: one pass of one regex over a line, each match named by its group.

use core::net::IpAddr;
use std::collections::BTreeSet;
use std::sync::OnceLock;

use regex::Regex;

use super::{Entity, EntityKind};
use crate::finding::Finding;

/// Bytes of a line that are looked at: entities stand at its beginning, and a line may be megabytes long.
const LOOKED_AT: usize = 16 * 1024;
/// Entities that one line gives: a list of a thousand pods names none of them in particular.
const MOST: usize = 32;

/// The forms in which components print entities. `\\?"` because logfmt and JSON print quotes inside a message escaped.
const PATTERN: &str = concat!(
    r#"(?:\bpods?\\?"?[=:] ?\[?\\?"?(?P<pod>[a-z0-9][a-z0-9.-]{0,62}/[a-z0-9][a-z0-9.-]{0,252}))"#,
    r#"|\bpod=(?P<dash_name>[a-z0-9][a-z0-9.-]*)_(?P<dash_ns>[a-z0-9-]+)\((?P<dash_uid>[0-9a-f-]{36})"#,
    r#"|PodSandboxMetadata\{Name:(?P<sandbox_name>[a-z0-9][a-z0-9.-]*),Uid:(?P<sandbox_uid>[0-9a-f-]{36}),Namespace:(?P<sandbox_ns>[a-z0-9-]+)"#,
    r#"|K8S_POD_NAMESPACE[=:](?P<cni_ns>[a-z0-9-]+);K8S_POD_NAME[=:](?P<cni_name>[a-z0-9][a-z0-9.-]*)"#,
    r#"|/var/log/pods/(?P<log_ns>[a-z0-9-]+)_(?P<log_name>[a-z0-9][a-z0-9.-]*)_(?P<log_uid>[0-9a-f-]{36})"#,
    r"|pod(?P<cgroup>[0-9a-f]{8}[_-][0-9a-f]{4}[_-][0-9a-f]{4}[_-][0-9a-f]{4}[_-][0-9a-f]{12})",
    r"|\b(?P<uid>[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})\b",
    r"|(?:sha256:[0-9a-f]{64})",
    r"|\b(?P<container>[0-9a-f]{64})\b",
    r#"|\bimage(?:ID)?\\?"?[=:] ?\\?"?(?P<image>[a-z0-9][A-Za-z0-9._/:@-]{2,200})"#,
    r"|\b(?P<eni>eni-[0-9a-f]{8,17})\b",
    r"|\b(?P<volume>vol-?[0-9a-f]{8,17})\b",
    r"|\b(?P<interface>(?:eth|ens|enp)[0-9][a-z0-9]{0,6}|eni[0-9a-f]{11}|vlan\.eth\.[0-9]+)\b",
    r"|\b(?P<nvme>nvme[0-9]{1,3})(?:n[0-9]+)?(?:p[0-9]+)?(?:-[0-9]+)?\b",
    r"|\b(?P<device>dm-[0-9]+|xvd[a-z]{1,2}|md[0-9]+)(?:[0-9]+|-[0-9]+)?\b",
    // Bare, `sdk` would be a device.
    r"|(?:/dev/|\[)(?P<scsi>sd[a-z])(?:[0-9]+)?\b",
    r#"|\b(?:pid|PID|Pid)\\?"?[=: ] ?(?P<pid>[0-9]{1,7})\b"#,
    r"|\b[Pp]rocess (?P<killed>[0-9]{1,7}) \(",
    r"|\b(?P<unit>[a-zA-Z0-9][a-zA-Z0-9:_.@-]*\.(?:service|mount|socket|timer))\b",
    r"|\b(?P<ip4>[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3})\b",
    r"|(?P<ip6>\b[0-9a-f]{1,4}(?::[0-9a-f]{0,4}){3,7}\b)",
);

fn pattern() -> Option<&'static Regex> {
    static COMPILED: OnceLock<Option<Regex>> = OnceLock::new();
    // A pattern that does not compile fails every test of this module.
    COMPILED.get_or_init(|| Regex::new(PATTERN).ok()).as_ref()
}

/// What a line names.
pub fn in_text(text: &str) -> BTreeSet<Entity> {
    let mut found = BTreeSet::new();
    let Some(pattern) = pattern() else { return found };
    let mut end = text.len().min(LOOKED_AT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    for captures in pattern.captures_iter(&text[..end]) {
        if found.len() >= MOST {
            break;
        }
        let named = |name: &str| captures.name(name).map(|value| value.as_str());
        let mut add = |kind, value: &str| {
            found.insert(Entity::new(kind, value));
        };
        if let Some(pod) = named("pod") {
            add(EntityKind::Pod, pod.trim_end_matches('.'));
        } else if let (Some(name), Some(uid), Some(ns)) =
            (named("sandbox_name"), named("sandbox_uid"), named("sandbox_ns"))
        {
            add(EntityKind::Pod, &format!("{ns}/{name}"));
            add(EntityKind::Uid, uid);
        } else if let (Some(name), Some(ns), Some(uid)) = (named("dash_name"), named("dash_ns"), named("dash_uid")) {
            add(EntityKind::Pod, &format!("{ns}/{name}"));
            add(EntityKind::Uid, uid);
        } else if let (Some(ns), Some(name)) = (named("cni_ns"), named("cni_name")) {
            add(EntityKind::Pod, &format!("{ns}/{name}"));
        } else if let (Some(ns), Some(name), Some(uid)) = (named("log_ns"), named("log_name"), named("log_uid")) {
            add(EntityKind::Pod, &format!("{ns}/{name}"));
            add(EntityKind::Uid, uid);
        } else if let Some(uid) = named("cgroup") {
            add(EntityKind::Uid, &uid.replace('_', "-"));
        } else if let Some(uid) = named("uid") {
            add(EntityKind::Uid, uid);
        } else if let Some(image) = named("image") {
            // `image="..."` and also `image: not found`: a reference has a path or a tag.
            let image = image.trim_end_matches([':', '.', '/']);
            if image.contains('/') || image.contains(':') {
                add(EntityKind::Image, image);
            }
        } else if let Some(volume) = named("volume") {
            // NVMe serial numbers leave the dash out.
            let id = volume.strip_prefix("vol-").or_else(|| volume.strip_prefix("vol")).unwrap_or(volume);
            add(EntityKind::Volume, &format!("vol-{id}"));
        } else if let Some(device) = named("nvme").or_else(|| named("device")).or_else(|| named("scsi")) {
            add(EntityKind::Device, device);
        } else if let Some(pid) = named("pid").or_else(|| named("killed")) {
            add(EntityKind::Pid, pid);
        } else if let Some(ip) = named("ip4").or_else(|| named("ip6")) {
            if let Some(ip) = identifying(ip) {
                add(EntityKind::Ip, &ip.to_string());
            }
        } else {
            for (name, kind) in [
                ("container", EntityKind::Container),
                ("eni", EntityKind::Eni),
                ("interface", EntityKind::Interface),
                ("unit", EntityKind::Unit),
            ] {
                if let Some(value) = named(name) {
                    add(kind, value);
                }
            }
        }
    }
    found
}

/// Addresses of the host itself, of link-local services and of nobody tell no two things apart.
fn identifying(text: &str) -> Option<IpAddr> {
    let ip: IpAddr = text.parse().ok()?;
    let tells = match ip {
        IpAddr::V4(ip) => !(ip.is_loopback() || ip.is_link_local() || ip.is_unspecified() || ip.is_broadcast()),
        IpAddr::V6(ip) => !(ip.is_loopback() || ip.is_unicast_link_local() || ip.is_unspecified()),
    };
    tells.then_some(ip)
}

/// What the path of a pod's log says: `<namespace>_<pod>_<uid>/<container>/0.log`, `<pod>_<namespace>_<container>-<id>.log`.
pub fn in_path(path: &str) -> BTreeSet<Entity> {
    static FORMS: OnceLock<Option<(Regex, Regex)>> = OnceLock::new();
    let forms = FORMS.get_or_init(|| {
        let pods = r"(?:^|/)(?P<ns>[a-z0-9-]+)_(?P<name>[a-z0-9][a-z0-9.-]*)_(?P<uid>[0-9a-f-]{36}|[0-9a-f]{32})/";
        let links = r"(?:^|/)(?P<name>[a-z0-9][a-z0-9.-]*)_(?P<ns>[a-z0-9-]+)_[a-z0-9.-]+-(?P<id>[0-9a-f]{64})\.log";
        Some((Regex::new(pods).ok()?, Regex::new(links).ok()?))
    });
    let mut found = BTreeSet::new();
    let Some((pods, links)) = forms else { return found };
    if let Some(captures) = pods.captures(path) {
        found.insert(Entity::new(EntityKind::Pod, format!("{}/{}", &captures["ns"], &captures["name"])));
        found.insert(Entity::new(EntityKind::Uid, &captures["uid"]));
    } else if let Some(captures) = links.captures(path) {
        found.insert(Entity::new(EntityKind::Pod, format!("{}/{}", &captures["ns"], &captures["name"])));
        found.insert(Entity::new(EntityKind::Container, &captures["id"]));
    }
    found
}

/// What a finding is about: the subjects it prints, and what its lines and their paths name.
pub fn in_finding(finding: &Finding) -> BTreeSet<Entity> {
    let mut found = BTreeSet::new();
    for printed in &finding.entities {
        for pair in printed.split(' ') {
            let Some((name, value)) = pair.split_once('=') else { continue };
            let Ok(kind) = name.parse::<EntityKind>() else { continue };
            match kind {
                // The kernel's names carry partitions: `in_text` knows how to cut them.
                EntityKind::Device | EntityKind::Volume => {
                    let named = in_text(value);
                    found.extend(named.into_iter().filter(|entity| entity.kind == kind));
                }
                EntityKind::Pod if !value.contains('/') => {}
                _ if value.is_empty() => {}
                _ => drop(found.insert(Entity::new(kind, value))),
            }
        }
    }
    for event in &finding.events {
        for (field, kind) in
            [("podUid", EntityKind::Uid), ("containerId", EntityKind::Container), ("victimPid", EntityKind::Pid)]
        {
            found.extend(event.fields.get(field).map(|value| Entity::new(kind, value)));
        }
    }
    for line in &finding.evidence {
        found.extend(in_text(&line.text));
        found.extend(in_path(&line.file));
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn named(text: &str) -> Vec<String> {
        in_text(text).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn components_name_things_in_many_forms() {
        let id = "0123456789abcdef".repeat(4);
        let uid = "0363f3c1-ad9f-735c-e266-4c45bae016d8";
        for (text, want) in [
            (
                r#""Error syncing pod" pod="payments/web-0" podUID="0363f3c1-ad9f-735c-e266-4c45bae016d8""#.to_owned(),
                vec!["pod payments/web-0".to_owned(), format!("uid {uid}")],
            ),
            (
                r#""SyncLoop ADD" source="api" pods=["payments/web-0"]"#.to_owned(),
                vec!["pod payments/web-0".to_owned()],
            ),
            (
                format!("RunPodSandbox for &PodSandboxMetadata{{Name:web-0,Uid:{uid},Namespace:payments,Attempt:0,}}"),
                vec!["pod payments/web-0".to_owned(), format!("uid {uid}")],
            ),
            (
                format!(r#"failed to setup network for sandbox \"{id}\": eni-0a1b2c3d4e5f60718"#),
                vec![format!("container {id}"), "eni eni-0a1b2c3d4e5f60718".to_owned()],
            ),
            ("kubepods-burstable-pod0363f3c1_ad9f_735c_e266_4c45bae016d8.slice".to_owned(), vec![format!("uid {uid}")]),
            ("EXT4-fs error (device nvme1n1p1) in ext4_setattr".to_owned(), vec!["device nvme1".to_owned()]),
            ("Aborting journal on device dm-4-8.".to_owned(), vec!["device dm-4".to_owned()]),
            (
                "nvme nvme1: I/O 21 QID 3 timeout, vol0123456789abcdef0".to_owned(),
                vec!["volume vol-0123456789abcdef0".to_owned(), "device nvme1".to_owned()],
            ),
            (
                r#"pull image="registry.example/app:v1" failed"#.to_owned(),
                vec!["image registry.example/app:v1".to_owned()],
            ),
            ("Memory cgroup out of memory: Killed process 4711 (java)".to_owned(), vec!["pid 4711".to_owned()]),
            (
                "systemd[1]: kubelet.service: Failed with result 'exit-code'.".to_owned(),
                vec!["unit kubelet.service".to_owned()],
            ),
            (
                "dial tcp 10.1.2.3:443: connect: refused; 127.0.0.1 and 169.254.169.254".to_owned(),
                vec!["ip 10.1.2.3".to_owned()],
            ),
            (r#"level=error msg="x" pod=\"payments/web-0\""#.to_owned(), vec!["pod payments/web-0".to_owned()]),
            (
                format!("back-off 5m0s restarting failed container=app pod=web-0_payments({uid})"),
                vec!["pod payments/web-0".to_owned(), format!("uid {uid}")],
            ),
            ("ens5: DHCP lease lost".to_owned(), vec!["interface ens5".to_owned()]),
            (format!("image sha256:{id} is no container"), vec![]),
        ] {
            assert_eq!(named(&text), want, "{text}");
        }
    }

    #[test]
    fn paths_of_pod_logs_name_their_pods() {
        let named = |path: &str| in_path(path).iter().map(ToString::to_string).collect::<Vec<_>>();
        let uid = "0363f3c1-ad9f-735c-e266-4c45bae016d8";
        assert_eq!(
            named(&format!("var_log/payments_web-0_{uid}/app/0.log")),
            ["pod payments/web-0".to_owned(), format!("uid {uid}")]
        );
        let id = "0123456789abcdef".repeat(4);
        assert_eq!(
            named(&format!("var_log/web-0_payments_app-{id}.log")),
            ["pod payments/web-0".to_owned(), format!("container {id}")]
        );
        assert_eq!(named("kubelet/kubelet.log"), Vec::<String>::new());
    }

    proptest! {
        #[test]
        fn any_text_is_read_and_every_entity_stands_in_it(text in "(?s).{0,80}(pod=\"a/b\"|vol-0123456789abcdef0|pid=12|eth0|fe80::1|10\\.0\\.0\\.1){0,3}.{0,40}") {
            for entity in in_text(&text) {
                let tail = entity.value.rsplit(['/', '-', ':']).next().unwrap().to_owned();
                prop_assert!(text.contains(&tail), "{entity}");
            }
        }
    }
}
