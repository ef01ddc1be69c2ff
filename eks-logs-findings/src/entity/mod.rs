//! Entities: what a line names, typed. Pods, containers, volumes, network interfaces: what two events share when they are about one thing.

mod aliases;
mod extract;

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use aliases::Aliases;
pub use extract::{in_finding, in_path, in_text};

/// What kind of thing an entity is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum EntityKind {
    /// A pod, `namespace/name`.
    Pod,
    /// A pod's UID, with dashes.
    Uid,
    /// A container or pod sandbox: 64 hexadecimal digits. A line does not tell which of the two.
    Container,
    /// An image reference.
    Image,
    /// An elastic network interface, `eni-...`.
    Eni,
    /// A network interface as the kernel calls it: `eth1`, `ens5`, `eni0a1b2c3d4e5`.
    Interface,
    /// An IP address that is neither loopback nor link-local.
    Ip,
    /// An EBS volume, `vol-...`.
    Volume,
    /// A block device: `nvme1` (the controller; its namespaces and partitions are the same volume), `dm-4`, `xvda`.
    Device,
    /// A process id.
    Pid,
    /// A systemd unit.
    Unit,
}

impl EntityKind {
    /// All kinds.
    pub const ALL: [EntityKind; 11] = [
        Self::Pod,
        Self::Uid,
        Self::Container,
        Self::Image,
        Self::Eni,
        Self::Interface,
        Self::Ip,
        Self::Volume,
        Self::Device,
        Self::Pid,
        Self::Unit,
    ];

    /// The name as it stands in rules and answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pod => "pod",
            Self::Uid => "uid",
            Self::Container => "container",
            Self::Image => "image",
            Self::Eni => "eni",
            Self::Interface => "interface",
            Self::Ip => "ip",
            Self::Volume => "volume",
            Self::Device => "device",
            Self::Pid => "pid",
            Self::Unit => "unit",
        }
    }
}

impl fmt::Display for EntityKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for EntityKind {
    type Err = UnknownEntityKind;

    fn from_str(text: &str) -> Result<Self, UnknownEntityKind> {
        Self::ALL.into_iter().find(|kind| kind.name() == text).ok_or_else(|| UnknownEntityKind(text.to_owned()))
    }
}

/// A kind of entity that does not exist.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no kind of entity; one of: pod, uid, container, image, eni, interface, ip, volume, device, pid, unit"
)]
pub struct UnknownEntityKind(pub String);

/// One thing that a line names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
pub struct Entity {
    /// What it is.
    pub kind: EntityKind,
    /// Its name or id.
    pub value: String,
}

impl Entity {
    /// An entity.
    pub fn new(kind: EntityKind, value: impl Into<String>) -> Self {
        Self { kind, value: value.into() }
    }
}

impl fmt::Display for Entity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.value)
    }
}
