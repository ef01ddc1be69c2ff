//! kubelet's settings in effect: the merged configuration files, and over them the flags.

use super::files::Read;
use crate::checks::{Cite, StateFiles};
use crate::state::document::Node;
use crate::state::kubelet_config::{self, KubeletConfig};
use crate::state::kubelet_flags::{self, Flag, Flags};
use crate::state::{ps, systemd_unit};

/// Settings and where they are from.
#[derive(Clone, Debug, Default)]
pub(crate) struct KubeletSettings {
    /// The merged configuration.
    pub(crate) config: KubeletConfig,
    /// The files that were merged, in that order.
    pub(crate) config_files: Vec<String>,
    /// Why a configuration file could not be read: then what is missing may stand in it.
    pub(crate) unread: Vec<String>,
    /// Flags with the file that shows them; the running process comes before the unit.
    pub(crate) flags: Vec<(String, Flags)>,
}

impl KubeletSettings {
    pub(super) fn of(files: &StateFiles, ps: Option<&Read<Vec<ps::Process>>>) -> Self {
        let mut settings = Self::default();
        let mut nodes: Vec<Node> = Vec::new();
        for file in files.iter().filter(|file| file.source.name() == "kubelet-config") {
            let parsed = kubelet_config::parse(&file.content);
            match (parsed.value, parsed.problems.first()) {
                (Some(node), _) => {
                    nodes.push(node);
                    settings.config_files.push(file.path.clone());
                }
                (None, Some(problem)) => settings.unread.push(format!("{}: {problem}", file.path)),
                (None, None) => settings.unread.push(format!("{} is empty", file.path)),
            }
        }
        settings.config = KubeletConfig::merged(&nodes);
        if let Some(ps) = ps {
            let running =
                ps.value().iter().find(|process| process.program() == "kubelet" && process.command.contains(" --"));
            let flags = running.map(|process| Flags::of_command_line(process.span, &process.command));
            settings.flags.extend(flags.map(|flags| (ps.path.clone(), flags)));
        }
        if let Some(file) = files.get("kubelet/kubelet_service.txt") {
            let unit = systemd_unit::parse(&file.content);
            settings.flags.push((file.path.clone(), Flags::of_unit(&unit.value)));
        }
        if let Some(file) = files.get("kubelet/kubelet-eks_service.txt") {
            settings.flags.push((file.path.clone(), kubelet_flags::parse(&file.content).value));
        }
        settings
    }

    /// A flag in effect.
    pub(crate) fn flag(&self, name: &str) -> Option<(Cite, &Flag)> {
        let (path, flags) = self.flags.iter().find(|(_, flags)| flags.get(name).is_some())?;
        let flag = flags.get(name)?;
        Some((Cite { file: path.clone(), span: flag.span, text: None }, flag))
    }

    /// One value, by its flag or else by its path in the configuration.
    pub(crate) fn one(&self, flag: &str, path: &str) -> Option<(Cite, &str)> {
        if let Some((cite, value)) = self.flag(flag).and_then(|(cite, flag)| Some((cite, flag.value.as_deref()?))) {
            return Some((cite, value));
        }
        let (cited, value) = self.config.one(path)?;
        Some((self.cite(cited)?, value))
    }

    /// The place of a configured value.
    pub(crate) fn cite(&self, cited: &kubelet_config::Cited) -> Option<Cite> {
        Some(Cite { file: self.config_files.get(cited.file)?.clone(), span: cited.span, text: None })
    }

    /// An eviction threshold or a reservation: the value behind a key of a mapping, as a flag prints it (`key=value,...` or
    /// `key<value,...`) or as the configuration has it.
    pub(crate) fn of_map(&self, flag: &str, path: &str, key: &str) -> Option<(Cite, String)> {
        if let Some((cite, map)) = self.flag(flag).and_then(|(cite, flag)| Some((cite, flag.value.as_deref()?))) {
            let value = map.split(',').find_map(|pair| {
                let (known, value) = pair.split_once(['=', '<'])?;
                (known == key).then(|| value.to_owned())
            });
            return value.map(|value| (cite, value));
        }
        let (cited, value) = self.config.one(&format!("{path}/{key}"))?;
        Some((self.cite(cited)?, value.to_owned()))
    }
}

/// A quantity of Kubernetes, in its base unit: `100Mi`, `1Gi`, `500m`, `1e3`.
pub(crate) fn quantity(text: &str) -> Option<f64> {
    const UNITS: [(&str, f64); 15] = [
        ("Ki", 1024.0),
        ("Mi", 1_048_576.0),
        ("Gi", 1_073_741_824.0),
        ("Ti", 1_099_511_627_776.0),
        ("Pi", 1_125_899_906_842_624.0),
        ("n", 1e-9),
        ("u", 1e-6),
        ("m", 1e-3),
        ("k", 1e3),
        ("M", 1e6),
        ("G", 1e9),
        ("T", 1e12),
        ("P", 1e15),
        ("Ei", 1_152_921_504_606_846_976.0),
        ("E", 1e18),
    ];
    let text = text.trim();
    let (digits, scale) =
        UNITS.iter().find_map(|(unit, scale)| Some((text.strip_suffix(unit)?, *scale))).unwrap_or((text, 1.0));
    digits.parse::<f64>().ok().filter(|value| value.is_finite()).map(|value| value * scale)
}

/// An eviction threshold against what there is: `10%`, or a quantity.
pub(crate) fn threshold(text: &str, total: f64) -> Option<f64> {
    match text.trim().strip_suffix('%') {
        Some(percent) => percent.parse::<f64>().ok().map(|percent| total * percent / 100.0),
        None => quantity(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_and_thresholds() {
        assert_eq!(quantity("574Mi"), Some(574.0 * 1_048_576.0));
        assert_eq!(quantity("70m"), Some(0.07));
        assert_eq!(quantity("1"), Some(1.0));
        assert_eq!((quantity("a"), quantity("")), (None, None));
        assert_eq!((threshold("10%", 80.0), threshold("1Ki", 80.0)), (Some(8.0), Some(1024.0)));
    }

    #[test]
    fn flags_win_over_files_and_drop_ins_over_the_base() {
        let files = StateFiles::of([
            ("kubelet/config.json", r#"{"maxPods": 29, "evictionHard": {"memory.available": "100Mi"}}"#),
            ("kubelet/config.json.d/40-nodeadm.conf", r#"{"maxPods": 58}"#),
            (
                "kubelet/kubelet_service.txt",
                "[Service]\nExecStart=/usr/bin/kubelet --eviction-hard=memory.available<5%,nodefs.available<10%\n",
            ),
        ]);
        let settings = KubeletSettings::of(&files, None);
        let (cite, pods) = settings.one("max-pods", "maxPods").unwrap();
        assert_eq!((cite.file.as_str(), pods), ("kubelet/config.json.d/40-nodeadm.conf", "58"));
        let (cite, memory) = settings.of_map("eviction-hard", "evictionHard", "memory.available").unwrap();
        assert_eq!((cite.file.as_str(), cite.span.line, memory.as_str()), ("kubelet/kubelet_service.txt", 2, "5%"));
    }

    #[test]
    fn a_file_that_cannot_be_read_is_told() {
        let files =
            StateFiles::of([("kubelet/config.json", "{\"maxPods\": "), ("kubelet/config.json.d/1.conf", "{\"a\": 1}")]);
        let settings = KubeletSettings::of(&files, None);
        assert!(settings.unread[0].starts_with("kubelet/config.json: line 1"));
    }
}
