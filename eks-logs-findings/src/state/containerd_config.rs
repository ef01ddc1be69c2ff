//! containerd's configuration as `containerd config dump` prints it (TOML, versions 2 and 3), with lines of its log in front.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::words::{complaint, find};
use super::{Lines, Parsed, Span};

/// A value and its place.
pub type Cited<T = String> = (Span, T);

/// An OCI runtime.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Runtime {
    /// Where its name stands.
    pub span: Span,
    /// Its name: `runc`, `nvidia`.
    pub name: String,
    /// The shim, such as `io.containerd.runc.v2`.
    pub kind: Option<Cited>,
    /// The program, where it is set.
    pub binary: Option<Cited>,
    /// Whether systemd makes the cgroups; must agree with kubelet's cgroupDriver.
    pub systemd_cgroup: Option<Cited<bool>>,
}

/// What the configuration says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContainerdConfig {
    /// The version of the format.
    pub version: Option<Cited<i64>>,
    /// Where containerd keeps images and snapshots.
    pub root: Option<Cited>,
    /// The image of pod sandboxes.
    pub sandbox_image: Option<Cited>,
    /// The snapshotter.
    pub snapshotter: Option<Cited>,
    /// Where registries are configured.
    pub registry_config_path: Option<Cited>,
    /// Registries with mirrors in the old way, which newer versions no longer read.
    pub registry_mirrors: Vec<Cited>,
    /// The runtime of pods that name none.
    pub default_runtime: Option<Cited>,
    /// All runtimes, by name.
    pub runtimes: Vec<Runtime>,
    /// Where CNI configurations are.
    pub cni_conf_dir: Option<Cited>,
    /// Plugins that are turned off.
    pub disabled_plugins: Vec<Cited>,
}

impl ContainerdConfig {
    /// The runtime of that name.
    pub fn runtime(&self, name: &str) -> Option<&Runtime> {
        self.runtimes.iter().find(|runtime| runtime.name == name)
    }
}

/// Finds values and says where they stand.
struct Reader<'a> {
    root: &'a DeTable<'a>,
    lines: Vec<Span>,
}

impl<'a> Reader<'a> {
    /// The whole lines of a range of bytes.
    fn span(&self, range: std::ops::Range<usize>) -> Span {
        let at = |offset: usize| self.lines.partition_point(|span| span.start <= offset as u64).saturating_sub(1);
        let (first, last) =
            (self.lines.get(at(range.start)), self.lines.get(at(range.end.saturating_sub(1).max(range.start))));
        let first = first.copied().unwrap_or_default();
        Span { end: last.map_or(first.end, |last| last.end.max(first.end)), ..first }
    }

    fn at(&self, path: &[&str]) -> Option<&'a Spanned<DeValue<'a>>> {
        let (last, tables) = path.split_last()?;
        let table = tables.iter().try_fold(self.root, |table, key| match table.get(*key)?.get_ref() {
            DeValue::Table(table) => Some(table),
            _ => None,
        })?;
        table.get(*last)
    }

    fn text(&self, path: &[&str]) -> Option<Cited> {
        let value = self.at(path)?;
        Some((self.span(value.span()), value.get_ref().as_str()?.to_owned()))
    }

    fn table(&self, path: &[&str]) -> Option<&'a DeTable<'a>> {
        match self.at(path)?.get_ref() {
            DeValue::Table(table) => Some(table),
            _ => None,
        }
    }
}

/// The tables that hold the settings of the CRI plugin: one in version 2, two in version 3.
const CRI: &str = "io.containerd.grpc.v1.cri";
const IMAGES: &str = "io.containerd.cri.v1.images";
const RUNTIME: &str = "io.containerd.cri.v1.runtime";

fn config(reader: &Reader<'_>) -> ContainerdConfig {
    let either = |old: &[&str], new: &[&str]| {
        let path = |rest: &[&str]| reader.text(&[&["plugins"], rest].concat());
        path(new).or_else(|| path(old))
    };
    let mut runtimes = Vec::new();
    for plugin in [RUNTIME, CRI] {
        let path = ["plugins", plugin, "containerd", "runtimes"];
        let Some(table) = reader.table(&path).filter(|_| runtimes.is_empty()) else { continue };
        for name in table.keys() {
            let key: &str = name.get_ref();
            let text = |rest: &[&str]| reader.text(&[&path[..], &[key], rest].concat());
            let systemd = reader.at(&[&path[..], &[key, "options", "SystemdCgroup"]].concat());
            runtimes.push(Runtime {
                span: reader.span(name.span()),
                name: name.get_ref().to_string(),
                kind: text(&["runtime_type"]),
                binary: text(&["options", "BinaryName"]),
                systemd_cgroup: systemd.and_then(|value| Some((reader.span(value.span()), value.get_ref().as_bool()?))),
            });
        }
    }
    let mirrors = [IMAGES, CRI].iter().find_map(|plugin| reader.table(&["plugins", plugin, "registry", "mirrors"]));
    let disabled = match reader.at(&["disabled_plugins"]).map(Spanned::get_ref) {
        Some(DeValue::Array(plugins)) => plugins
            .iter()
            .filter_map(|plugin| Some((reader.span(plugin.span()), plugin.get_ref().as_str()?.to_owned())))
            .collect(),
        _ => Vec::new(),
    };
    let version = reader.at(&["version"]).and_then(|value| match value.get_ref() {
        DeValue::Integer(number) => Some((reader.span(value.span()), number.as_str().parse().ok()?)),
        _ => None,
    });
    ContainerdConfig {
        version,
        root: reader.text(&["root"]),
        sandbox_image: either(&[CRI, "sandbox_image"], &[IMAGES, "pinned_images", "sandbox"]),
        snapshotter: either(&[CRI, "containerd", "snapshotter"], &[IMAGES, "snapshotter"]),
        registry_config_path: either(&[CRI, "registry", "config_path"], &[IMAGES, "registry", "config_path"]),
        registry_mirrors: mirrors
            .into_iter()
            .flat_map(|table| table.keys())
            .map(|name| (reader.span(name.span()), name.get_ref().to_string()))
            .collect(),
        default_runtime: either(
            &[CRI, "containerd", "default_runtime_name"],
            &[RUNTIME, "containerd", "default_runtime_name"],
        ),
        runtimes,
        cni_conf_dir: either(&[CRI, "cni", "conf_dir"], &[RUNTIME, "cni", "conf_dir"]),
        disabled_plugins: disabled,
    }
}

/// Reads the file; none when it holds no settings.
pub fn parse(file: &[u8]) -> Parsed<Option<ContainerdConfig>> {
    let mut parsed = Parsed::new(None);
    // Lines of containerd's own log and messages become blanks, so that places stay true.
    let mut toml = Vec::with_capacity(file.len());
    let mut lines = Vec::new();
    for (span, line) in Lines::new(file) {
        let logged = line.starts_with(b"time=\"") && find(line, b" level=").is_some();
        let said = if toml_assigns(line) { None } else { complaint(line) };
        if let Some(what) = said {
            parsed.problem(span, what);
        }
        let blank = logged || said.is_some() || line.starts_with(b"containerd: ");
        toml.resize(span.start as usize, b'\n');
        toml.extend(line.iter().map(|byte| if blank || (*byte < b' ' && *byte != b'\t') { b' ' } else { *byte }));
        lines.push(span);
    }
    let Ok(text) = std::str::from_utf8(&toml) else {
        parsed.problem(lines.first().copied().unwrap_or_default(), "not UTF-8");
        return parsed;
    };
    let (root, errors) = DeTable::parse_recoverable(text);
    let reader = Reader { root: root.get_ref(), lines };
    for error in errors {
        parsed.problem(reader.span(error.span().unwrap_or_default()), format!("not TOML: {}", error.message()));
    }
    if !reader.root.is_empty() {
        parsed.value = Some(config(&reader));
    }
    parsed
}

/// Whether a line is an assignment or a table's name, whatever words its value holds.
fn toml_assigns(line: &[u8]) -> bool {
    let line = line.trim_ascii_start();
    line.starts_with(b"[") || find(line, b" = ").is_some_and(|at| !line[..at].contains(&b' '))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn print(version: i64, sandbox: &str, runtimes: &[(String, Option<bool>)], path: &str) -> String {
        let (images, runtime, sandbox) = match version {
            2 => (CRI, CRI, format!("  [plugins.\"{CRI}\"]\n    sandbox_image = \"{sandbox}\"\n")),
            _ => (
                IMAGES,
                RUNTIME,
                format!(
                    "  [plugins.'{IMAGES}']\n    snapshotter = 'overlayfs'\n    [plugins.'{IMAGES}'.pinned_images]\n      sandbox = '{sandbox}'\n"
                ),
            ),
        };
        let mut out = format!(
            "time=\"2026-11-20T03:12:06Z\" level=warning msg=\"x\"\nversion = {version}\nroot = '/var/lib/containerd'\n[plugins]\n{sandbox}    [plugins.'{images}'.registry]\n      config_path = '{path}'\n"
        );
        for (name, systemd) in runtimes {
            let table = format!("plugins.'{runtime}'.containerd.runtimes.{name}");
            out += &format!(
                "        [{table}]\n          runtime_type = 'io.containerd.runc.v2'\n          [{table}.options]\n            BinaryName = '/usr/bin/{name}'\n"
            );
            if let Some(systemd) = systemd {
                out += &format!("            SystemdCgroup = {systemd}\n");
            }
        }
        out
    }

    proptest! {
        #[test]
        fn what_is_printed_is_parsed_back(
            version in 2..=3i64, sandbox in "[a-z0-9./:@-]{1,40}", path in "[a-z/.:]{0,20}",
            runtimes in proptest::collection::btree_map("[a-z-]{1,8}", proptest::option::of(any::<bool>()), 0..4),
        ) {
            let runtimes: Vec<_> = runtimes.into_iter().collect();
            let printed = print(version, &sandbox, &runtimes, &path);
            let parsed = parse(printed.as_bytes());
            prop_assert_eq!(parsed.problem_count, 0, "{:?}", parsed.problems);
            let config = parsed.value.unwrap();
            prop_assert_eq!(config.version.unwrap().1, version);
            prop_assert_eq!(config.registry_config_path.unwrap().1, path);
            let (span, image) = config.sandbox_image.unwrap();
            let quote = if version == 2 { '"' } else { '\'' };
            let cited = &printed[span.start as usize..span.end as usize];
            prop_assert!(cited.ends_with(&format!("{quote}{image}{quote}")), "{}", cited);
            prop_assert_eq!(image, sandbox);
            let back: Vec<_> = config.runtimes.into_iter().map(|runtime| (runtime.name, runtime.systemd_cgroup.map(|(_, systemd)| systemd))).collect();
            prop_assert_eq!(back, runtimes);
        }

        #[test]
        fn any_bytes_are_survived(file in proptest::collection::vec(any::<u8>(), 0..100), text in "[a-z.'\"=\\[\\]{} \n0-9]{0,120}") {
            parse(&file);
            parse(text.as_bytes());
        }
    }

    #[test]
    fn a_cut_file_keeps_what_it_has() {
        let parsed = parse(b"version = 2\n[plugins]\n  [plugins.\"io.containerd.grpc.v1.cri\"]\n    sandbox_image = \"registry.k8s.io/pause:3.8\"\n    [plugins.\"io.conta");
        assert!(parsed.problem_count > 0);
        assert_eq!(parsed.value.unwrap().sandbox_image.unwrap().1, "registry.k8s.io/pause:3.8");
    }

    #[test]
    fn a_message_is_no_configuration() {
        let parsed = parse(b"timeout: failed to run command 'containerd': No such file or directory\n");
        assert_eq!((parsed.value, parsed.problems[0].what.as_str()), (None, "the tool is not installed"));
    }
}
