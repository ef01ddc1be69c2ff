//! Which version of what runs on the node, and versions as numbers.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use super::files::{NodeFiles, Read};
use crate::checks::Cite;
use crate::state::ctr::{Container, Image};

/// A component and its version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Component {
    /// Its name, as in `data/known-bad.toml`.
    pub(crate) name: &'static str,
    /// Its version as printed.
    pub(crate) version: String,
    /// Where it is printed.
    pub(crate) cite: Cite,
}

/// Images by the end of their name: the component, and the repository's last parts.
const IMAGES: [(&str, &[&str]); 12] = [
    ("vpc-cni", &["amazon-k8s-cni"]),
    ("network-policy-agent", &["aws-network-policy-agent"]),
    ("kube-proxy", &["kube-proxy", "kube-proxy-minimal"]),
    ("coredns", &["coredns"]),
    ("ebs-csi-driver", &["aws-ebs-csi-driver"]),
    ("efs-csi-driver", &["aws-efs-csi-driver"]),
    ("s3-csi-driver", &["aws-mountpoint-s3-csi-driver", "aws-s3-csi-driver"]),
    ("fsx-csi-driver", &["aws-fsx-csi-driver"]),
    ("pod-identity-agent", &["eks-pod-identity-agent"]),
    ("node-monitoring-agent", &["eks-node-monitoring-agent"]),
    ("datadog-agent", &["datadog/agent", "datadog-agent"]),
    ("cilium", &["cilium/cilium"]),
];

/// Packages: the component and the package's names.
const PACKAGES: [(&str, &[&str]); 5] = [
    ("runc", &["runc"]),
    ("nvidia-container-toolkit", &["nvidia-container-toolkit"]),
    ("chrony", &["chrony"]),
    ("systemd", &["systemd"]),
    ("os-release", &["system-release", "amazon-linux-repo-s3"]),
];

/// The component of an image reference and its version (the tag).
fn of_image(reference: &str) -> Option<(&'static str, &str)> {
    let reference = reference.split('@').next()?;
    let (repository, tag) = reference.rsplit_once(':').filter(|(_, tag)| !tag.contains('/'))?;
    let ends = |name: &str| repository.strip_suffix(name).is_some_and(|rest| rest.is_empty() || rest.ends_with('/'));
    let (component, _) = IMAGES.iter().find(|(_, names)| names.iter().any(|name| ends(name)))?;
    tag.trim_start_matches('v').starts_with(|letter: char| letter.is_ascii_digit()).then_some((*component, tag))
}

impl NodeFiles {
    /// All components whose version is told, by name; one that runs in several versions stands several times.
    pub(crate) fn components(&self) -> Vec<Component> {
        let mut found = Vec::new();
        if let Some(read) = &self.uname {
            found.extend(read.value().iter().map(|uname| Component {
                name: "kernel",
                version: uname.release.clone(),
                cite: read.cite(uname.span),
            }));
        }
        let version = self.containerd_version.as_ref().and_then(|read| {
            let (span, version) = read.value().server.as_ref().or(read.value().client.as_ref())?;
            Some(Component { name: "containerd", version: version.clone(), cite: read.cite(*span) })
        });
        let package = |name: &'static str, names: &[&str]| {
            let read = self.packages.as_ref()?;
            let package = names.iter().find_map(|name| read.value().named(name))?;
            Some(Component { name, version: package.version.clone(), cite: read.cite(package.span) })
        };
        found.extend(version.or_else(|| package("containerd", &["containerd", "containerd.io"])));
        found.extend(PACKAGES.iter().filter_map(|(name, names)| package(name, names)));
        // What runs says more than what was pulled.
        let containers = self.containers.as_ref().filter(|read| !read.value().is_empty());
        match containers {
            Some(read) => {
                let of = |read: &Read<Vec<Container>>, container: &Container| {
                    of_image(&container.image).map(|(name, tag)| Component {
                        name,
                        version: tag.to_owned(),
                        cite: read.cite(container.span),
                    })
                };
                found.extend(read.value().iter().filter_map(|container| of(read, container)));
            }
            None => {
                let of = |read: &Read<Vec<Image>>, image: &Image| {
                    of_image(&image.reference).map(|(name, tag)| Component {
                        name,
                        version: tag.to_owned(),
                        cite: read.cite(image.span),
                    })
                };
                let images =
                    self.images.iter().flat_map(|read| read.value().iter().filter_map(move |image| of(read, image)));
                found.extend(images);
            }
        }
        let mut seen = BTreeSet::new();
        found.retain(|component| seen.insert((component.name, component.version.clone())));
        found.sort_by(|a, b| (a.name, &a.version).cmp(&(b.name, &b.version)));
        found
    }
}

/// A part of a version: numbers come after letters (`1.0.0-rc1` before `1.0.0-1`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Letters(String),
    Number(u64),
}

/// The parts of a version, at every change between digits, letters and other signs; a leading `v` is no part.
fn parts(version: &str) -> Vec<Part> {
    let version = version.strip_prefix('v').unwrap_or(version);
    let mut parts = Vec::new();
    let mut rest = version;
    while let Some(first) = rest.chars().next() {
        let class = |letter: char| (letter.is_ascii_digit(), letter.is_ascii_alphabetic());
        let end = rest.find(|letter| class(letter) != class(first)).unwrap_or(rest.len());
        let (part, tail) = rest.split_at(end);
        rest = tail;
        if first.is_ascii_digit() {
            parts.push(Part::Number(part.parse().unwrap_or(u64::MAX)));
        } else if first.is_ascii_alphabetic() {
            parts.push(Part::Letters(part.to_ascii_lowercase()));
        }
    }
    parts
}

/// How a version stands to a bound, as far as the bound goes: `5.10.178-162.673.amzn2` equals `5.10.178`.
pub(super) fn against(version: &str, bound: &str) -> Ordering {
    let (version, bound) = (parts(version), parts(bound));
    let version = &version[..version.len().min(bound.len())];
    version.cmp(&bound)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn versions_are_compared_by_their_numbers() {
        for (version, bound, wanted) in [
            ("1.7.20", "1.7.14", Ordering::Greater),
            ("v1.7.9", "1.7.14", Ordering::Less),
            ("5.4.214-120.368.amzn2.x86_64", "5.4.214-120.368", Ordering::Equal),
            ("5.10.177-158.645.amzn2", "5.10.178-162.673", Ordering::Less),
            ("5.10.178", "5.10.178-162.673", Ordering::Less),
            ("2.1.4", "2.10", Ordering::Less),
            ("1.0.0-rc93", "1.0.0-1", Ordering::Less),
            ("1.3.2-1.amzn2", "1.3.2", Ordering::Equal),
            ("v1.20.1-eksbuild.1", "1.20.2", Ordering::Less),
        ] {
            assert_eq!(against(version, bound), wanted, "{version} {bound}");
        }
    }

    #[test]
    fn images_tell_components() {
        let account = "602401143452.dkr.ecr.us-west-2.amazonaws.com";
        assert_eq!(
            of_image(&format!("{account}/amazon-k8s-cni:v1.20.1-eksbuild.1")),
            Some(("vpc-cni", "v1.20.1-eksbuild.1"))
        );
        assert_eq!(
            of_image(&format!("{account}/eks/kube-proxy:v1.33.3-eksbuild.4")),
            Some(("kube-proxy", "v1.33.3-eksbuild.4"))
        );
        assert_eq!(of_image(&format!("{account}/amazon-k8s-cni-init:v1.20.1")), None);
        assert_eq!(of_image("localhost:5000/team/my-coredns"), None);
        assert_eq!(of_image("public.ecr.aws/eks/coredns:latest"), None);
    }

    proptest! {
        #[test]
        fn comparing_never_fails(version in "\\PC{0,24}", bound in "\\PC{0,24}", numbers in proptest::collection::vec(0..99u64, 1..5)) {
            against(&version, &bound);
            let text = numbers.iter().map(u64::to_string).collect::<Vec<_>>().join(".");
            prop_assert_eq!(against(&text, &text), Ordering::Equal);
            prop_assert_eq!(against(&format!("{text}.1-eks"), &text), Ordering::Equal);
            prop_assert_eq!(against(&text, &format!("{text}.1")), Ordering::Less);
        }
    }
}
