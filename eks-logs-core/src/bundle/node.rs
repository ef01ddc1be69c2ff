//! What kind of node a bundle is of and who collected it, by its own files.

use serde::{Deserialize, Serialize};

use super::Located;
use crate::error::{Error, Result};
use crate::path::StorePath;
use crate::store::ByteRange;

/// What is read of a file that tells the system: all of most package lists.
const READ: u64 = 256 << 10;

/// The operating system of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Os {
    /// Amazon Linux 2.
    Al2,
    /// Amazon Linux 2023.
    Al2023,
    /// Ubuntu.
    Ubuntu,
    /// Bottlerocket.
    Bottlerocket,
    /// Windows.
    Windows,
    /// Nothing tells.
    Unknown,
}

/// Who made a bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Collector {
    /// eks-log-collector.sh.
    Script,
    /// The EKS node monitoring agent.
    Agent,
    /// Bottlerocket's logdog.
    Logdog,
    /// eks-log-collector.ps1.
    Windows,
}

/// What kind of node a bundle is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeFacts {
    /// The operating system.
    pub os: Os,
    /// Who made the bundle.
    pub collector: Collector,
    /// An NVIDIA driver is installed.
    pub gpu: bool,
    /// It is no EC2 instance.
    pub hybrid: bool,
    /// EKS Auto Mode runs it.
    pub auto_mode: bool,
}

impl NodeFacts {
    /// Looks at the names of a bundle's files and into three of them. `inner` is the directory around everything, if there is one.
    ///
    /// # Errors
    /// If a file that is there cannot be read for want of rights or of an answer.
    pub async fn detect(bundle: &Located, inner: Option<&StorePath>, files: &[&str]) -> Result<Self> {
        let has = |name: &str| files.contains(&name);
        let below = |prefix: &str| files.iter().any(|file| file.starts_with(prefix));
        let windows = has("system/system-eventlogs.csv")
            || has("system/sysinfo")
            || below("system/eks/")
            || below("system/kubelet/");
        let logdog = has("logdog.errors") || (has("journalctl.log") && has("dmesg"));
        let auto_mode = below("automode/");
        let agent = auto_mode
            || below("bottlerocket/")
            || below("system/pressure_")
            || has("log-capture-errors.log")
            || has("networking/get_api_server.txt");
        let collector = match (windows, logdog, agent) {
            (true, ..) => Collector::Windows,
            (_, true, _) => Collector::Logdog,
            (_, _, true) => Collector::Agent,
            _ => Collector::Script,
        };
        let read = async |name: &str| -> Result<Vec<u8>> {
            if !has(name) {
                return Ok(Vec::new());
            }
            let root = inner.map_or_else(|| Ok(bundle.root.clone()), |inner| bundle.root.join(inner.as_str()))?;
            match bundle.store.get(&root.join(name)?, ByteRange::new(0, READ)).await {
                Ok(bytes) => Ok(bytes.to_vec()),
                Err(Error::NotFound { .. } | Error::Corrupt { .. }) => Ok(Vec::new()),
                Err(why) => Err(why),
            }
        };
        let uname = read("kernel/uname.txt").await?;
        let release = read("os-release").await?;
        let packages = read("system/pkglist.txt").await?;
        let holds = |bytes: &[u8], word: &str| memchr::memmem::find(bytes, word.as_bytes()).is_some();
        let told = |word: &str| holds(&uname, word) || holds(&packages, word);
        let os = if windows {
            Os::Windows
        } else if logdog
            || below("bottlerocket/")
            || holds(&release, "ID=bottlerocket")
            || holds(&uname, "bottlerocket")
        {
            Os::Bottlerocket
        } else if told(".amzn2023") {
            Os::Al2023
        } else if told(".amzn2.") {
            Os::Al2
        } else if holds(&uname, "Ubuntu") || packages.starts_with(b"Desired=") || has("kubelet/kubelet-eks_service.txt")
        {
            Os::Ubuntu
        } else {
            Os::Unknown
        };
        let instance = bundle.name.as_ref().map(|name| name.instance.as_ref().map(|id| id.as_str().starts_with("mi-")));
        // A collection without an instance in its name is one of a node without metadata service.
        let hybrid = matches!(instance, Some(None | Some(true)));
        let gpu = below("gpu/")
            || holds(&packages, "nvidia-driver")
            || holds(&packages, "kmod-nvidia")
            || holds(&packages, "nvidia-fabric");
        Ok(Self { os, collector, gpu, hybrid, auto_mode })
    }
}
