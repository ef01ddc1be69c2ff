//! Candidate causes: what an edge demands, and that neither the order of anything nor the clock decides.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::fmt::Write as _;

use async_trait::async_trait;
use bytes::Bytes;
use eks_logs_core::store::{ByteStream, Children, ObjectStream};
use eks_logs_core::{ByteRange, Located, MemoryStore, Object, Result, Store, StoreExt, StorePath};
use eks_logs_findings::hypothesis::Verdict;
use eks_logs_findings::{Catalogue, EvidenceLimit, Hypothesis, Scan, ScanOptions, diagnose, hypotheses, scan};
use futures_lite::future::block_on;
use futures_lite::stream;
use jiff::{SignedDuration, Timestamp, tz::Offset};
use proptest::prelude::*;
use support::{find, scanned, store};

/// A line of a story: seconds after its beginning, its file, and how that file prints it.
type Told = (i64, &'static str, fn(Clock) -> String);

/// How a node prints a moment.
#[derive(Clone, Copy)]
struct Clock {
    at: Timestamp,
    zone: Offset,
}

impl Clock {
    fn utc(self) -> String {
        self.at.strftime("%Y-%m-%dT%H:%M:%S.000Z").to_string()
    }

    fn syslog(self) -> String {
        self.zone.to_datetime(self.at).strftime("%b %e %H:%M:%S ip-10-0-12-7").to_string()
    }

    fn klog(self) -> String {
        let local = self.zone.to_datetime(self.at);
        format!("{} kubelet[1234]: E{}    1234", self.syslog(), local.strftime("%m%d %H:%M:%S.000000"))
    }
}

const CONTAINERD: &str = "containerd/containerd-log.txt";
const KUBELET: &str = "kubelet/kubelet.log";
const IPAMD: &str = "var_log/aws-routed-eni/ipamd.log";
const MESSAGES: &str = "var_log/messages";

fn no_address(clock: Clock) -> String {
    format!(
        r#"{} containerd[900]: time="{}" level=error msg="RunPodSandbox for &PodSandboxMetadata{{Name:web-0,Uid:0363f3c1-ad9f-735c-e266-4c45bae016d8,Namespace:payments,Attempt:0,}} failed, error" error="failed to setup network for sandbox \"{}\": plugin type=\"aws-cni\" name=\"aws-cni\" failed (add): add cmd: failed to assign an IP address to container""#,
        clock.syslog(),
        clock.utc(),
        "0123456789abcdef".repeat(4)
    )
}

fn subnet_full(clock: Clock) -> String {
    format!(
        r#"{{"level":"error","ts":"{}","caller":"ipamd/ipamd.go:905","msg":"Failed to increase pool size due to insufficient IP addresses: InsufficientFreeAddressesInSubnet: The specified subnet does not have enough free addresses to satisfy the request."}}"#,
        clock.utc()
    )
}

/// A subnet without addresses, sandboxes that fail for it, and a fault that has nothing to do with it.
const STORY: [Told; 8] = [
    (0, IPAMD, subnet_full),
    (20, IPAMD, subnet_full),
    (31, CONTAINERD, no_address),
    (45, CONTAINERD, no_address),
    (46, KUBELET, |clock| {
        format!(
            r#"{} pod_workers.go:1301] "Error syncing pod, skipping" err="failed to \"CreatePodSandbox\" for \"web-0_payments(0363f3c1-ad9f-735c-e266-4c45bae016d8)\" with CreatePodSandboxError: \"Failed to create sandbox for pod \\\"web-0_payments(0363f3c1-ad9f-735c-e266-4c45bae016d8)\\\": rpc error: code = Unknown desc = failed to setup network for sandbox: plugin type=\\\"aws-cni\\\" failed (add): add cmd: failed to assign an IP address to container\"" pod="payments/web-0" podUID="0363f3c1-ad9f-735c-e266-4c45bae016d8""#,
            clock.klog()
        )
    }),
    (200, MESSAGES, |clock| format!("{} kernel: nvme nvme1: I/O 21 QID 3 timeout, aborting", clock.syslog())),
    (260, MESSAGES, |clock| format!("{} systemd[1]: Started Session 12 of User root.", clock.syslog())),
    (300, IPAMD, |clock| {
        format!(r#"{{"level":"debug","ts":"{}","caller":"ipamd/ipamd.go:651","msg":"Reconciling"}}"#, clock.utc())
    }),
];

fn bundle_of(story: &[Told], begins: &str, zone: i32) -> String {
    let begins: Timestamp = begins.parse().unwrap();
    let zone = Offset::from_seconds(zone).unwrap();
    let mut text = String::new();
    for file in [IPAMD, CONTAINERD, KUBELET, MESSAGES] {
        writeln!(text, "//- {file}").unwrap();
        for (after, _, print) in story.iter().filter(|(_, of, _)| *of == file) {
            let at = begins + SignedDuration::from_secs(*after);
            writeln!(text, "{}", print(Clock { at, zone })).unwrap();
        }
    }
    text
}

fn causes(scan: &Scan) -> Vec<Hypothesis> {
    hypotheses(Catalogue::builtin(), &scan.findings)
}

#[test]
fn a_chain_is_found_with_its_links() {
    let scan = scanned(&bundle_of(&STORY, "2026-07-14T10:00:00Z", 0));
    let found = causes(&scan);
    // A disk that fails beside it is another cause: which of the two matters more is not this test's business.
    let first = found.iter().take(2).find(|hypothesis| hypothesis.rule == "cni/subnet-out-of-ips");
    let first = first.unwrap_or_else(|| panic!("{found:#?}"));
    assert_eq!(first.cause, [find(&scan, "cni/subnet-out-of-ips").id.clone()]);
    let sandbox = find(&scan, "cni/no-ip-available").id.clone();
    assert!(first.effects.contains(&sandbox), "{first:#?}");
    let link = first.chain.iter().find(|link| link.effect == sandbox).unwrap();
    assert!((0..=46).contains(&link.delay_seconds.unwrap()), "{link:?}");
    assert!(first.explanation.contains(&first.cause[0]) && first.confidence > 0.5, "{first:#?}");
    // What has nothing to do with it is another hypothesis, not an effect.
    let disk = find(&scan, "storage/nvme-io-timeout").id.clone();
    assert!(!first.effects.contains(&disk));
    assert!(found.iter().any(|hypothesis| hypothesis.cause.contains(&disk)));
}

#[test]
fn the_clock_does_not_decide() {
    let reference = causes(&scanned(&bundle_of(&STORY, "2026-07-14T10:00:00Z", 0)));
    for (begins, zone) in [
        ("2026-07-14T23:58:00Z", 0),
        ("2026-07-14T10:00:00Z", 19_800),
        ("2026-07-14T10:00:00Z", -28_800),
        ("2031-02-03T04:05:06Z", 0),
        ("2026-12-31T23:59:00Z", 0),
        ("2026-12-31T23:59:30Z", 7200),
        ("2026-12-31T18:29:30Z", 19_800),
        ("2028-02-29T23:59:10Z", 0),
    ] {
        let shifted = causes(&scanned(&bundle_of(&STORY, begins, zone)));
        assert_eq!(shifted, reference, "{begins} at {zone}");
    }
}

/// A store that hands its files over last first.
#[derive(Debug)]
struct Reversed(MemoryStore);

#[async_trait]
impl Store for Reversed {
    fn locator(&self) -> String {
        self.0.locator()
    }

    fn list<'a>(&'a self, prefix: &'a StorePath) -> ObjectStream<'a> {
        let mut objects = block_on(self.0.list_all(prefix)).unwrap();
        objects.reverse();
        Box::pin(stream::iter(objects.into_iter().map(Ok)))
    }

    async fn children(&self, prefix: &StorePath) -> Result<Children> {
        self.0.children(prefix).await
    }

    async fn head(&self, path: &StorePath) -> Result<Object> {
        self.0.head(path).await
    }

    async fn get(&self, path: &StorePath, range: ByteRange) -> Result<Bytes> {
        self.0.get(path, range).await
    }

    async fn stream<'a>(&'a self, path: &'a StorePath, range: ByteRange) -> Result<ByteStream<'a>> {
        self.0.stream(path, range).await
    }
}

#[test]
fn the_order_of_files_does_not_decide() {
    let text = bundle_of(&STORY, "2026-07-14T10:00:00Z", 0);
    let options = ScanOptions::default().with_evidence(EvidenceLimit::All);
    let reversed = Located::in_store(Reversed(store(&text)));
    let backwards = block_on(scan(&reversed, Catalogue::builtin(), options, None)).unwrap();
    assert_eq!(causes(&backwards), causes(&scanned(&text)));
}

fn examples_of_all_rules() -> Scan {
    // One example of each of many rules, in one bundle: hundreds of findings with edges among them.
    let mut files = std::collections::BTreeMap::<&str, String>::new();
    for rule in Catalogue::builtin().rules().iter().step_by(3) {
        for example in rule.examples.iter().filter(|example| !example.file.is_empty()) {
            let content = files.entry(&example.file).or_default();
            content.push_str(&example.line);
            content.push('\n');
        }
    }
    let text: String = files.iter().map(|(file, content)| format!("//- {file}\n{content}")).collect();
    scanned(&text)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn the_order_of_findings_does_not_decide(seed in any::<u64>()) {
        static SCAN: std::sync::OnceLock<(Scan, Vec<Hypothesis>)> = std::sync::OnceLock::new();
        let (scan, wanted) = SCAN.get_or_init(|| {
            let scan = examples_of_all_rules();
            let wanted = causes(&scan);
            (scan, wanted)
        });
        prop_assert!(scan.findings.len() > 100);
        let mut shuffled = scan.findings.clone();
        // Fisher and Yates, with a generator of our own: the order follows from the seed.
        let mut state = seed | 1;
        for at in (1..shuffled.len()).rev() {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            shuffled.swap(at, (state >> 33) as usize % (at + 1));
        }
        prop_assert_eq!(&hypotheses(Catalogue::builtin(), &shuffled), wanted);
    }
}

const ROOT: &str = r#"
title = "The plug was pulled"
severity = "high"
severity_reason = "test"
sources = ["kubelet"]
origin = "test"
since = "0.1.0"
EDGE
[match]
literals = ["plug pulled"]
[remedy]
steps = ["Push it in."]
[[examples]]
file = "kubelet/kubelet.log"
line = "plug pulled"
[[examples]]
file = "kubelet/kubelet.log"
line = "the plug pulled out"
[[counter_examples]]
file = "kubelet/kubelet.log"
line = "plug pushed"
why = "in again"
"#;

const EFFECT: &str = r#"
title = "The light went out"
severity = "critical"
severity_reason = "test"
sources = ["kubelet"]
origin = "test"
since = "0.1.0"
[match]
literals = ["light out"]
[remedy]
steps = ["Look for the plug."]
[[examples]]
file = "kubelet/kubelet.log"
line = "light out"
[[examples]]
file = "kubelet/kubelet.log"
line = "the light out there"
[[counter_examples]]
file = "kubelet/kubelet.log"
line = "light on"
why = "on"
"#;

/// What explains the light, for a rule with this edge and these lines of kubelet.
fn explained(edge: &str, lines: &[&str]) -> bool {
    let rules = [("test/plug", ROOT.replace("EDGE", edge)), ("test/light", EFFECT.to_owned())];
    let catalogue =
        Catalogue::empty().extended(rules.iter().map(|(id, text)| (*id, text.as_str()))).expect("sound rules");
    let text = format!("//- kubelet/kubelet.log\n{}\n", lines.join("\n"));
    let options = ScanOptions::default().with_threads(0);
    let scan = block_on(scan(&support::bundle(&text), &catalogue, options, None)).unwrap();
    let found = hypotheses(&catalogue, &scan.findings);
    let light = find(&scan, "test/light").id.clone();
    found.iter().any(|hypothesis| hypothesis.rule == "test/plug" && hypothesis.effects.contains(&light))
}

#[test]
fn an_edge_demands_order_delay_and_what_is_shared() {
    let plug = "2026-07-14T10:00:00Z plug pulled pod=\"a/x\"";
    let after = "2026-07-14T10:00:40Z light out pod=\"a/x\"";
    let late = "2026-07-14T11:00:40Z light out pod=\"a/x\"";
    let before = "2026-07-14T09:00:00Z light out pod=\"a/x\"";
    let other = "2026-07-14T10:00:40Z light out pod=\"a/y\"";
    let nobody = "2026-07-14T10:00:40Z light out";
    let plain = r#"causes = ["test/light"]"#;
    let rich = "[[leads_to]]\nrule = \"test/light\"\nwithin = \"1m\"\nshares = [\"pod\"]";
    assert!(explained(plain, &[plug, after]));
    assert!(explained(plain, &[plug, late]));
    assert!(!explained(plain, &[before, plug]), "the effect was over an hour before");
    assert!(explained(rich, &[plug, after]));
    assert!(!explained(rich, &[plug, late]), "later than the edge allows");
    assert!(!explained(rich, &[plug, other]), "another pod");
    assert!(explained(rich, &[plug, nobody]), "no pod is named: it may be the same");
    assert!(!explained("", &[plug, after]), "no edge");
}

#[test]
fn an_effect_printed_just_ahead_of_its_cause_is_still_its_effect() {
    let plug = "2026-07-14T10:02:00Z plug pulled";
    let ahead = "2026-07-14T10:00:10Z light out";
    assert!(explained(r#"causes = ["test/light"]"#, &[ahead, plug]), "watchdogs notice late");
}

#[test]
fn a_bundle_of_consequences_says_that_the_cause_is_elsewhere() {
    let scan = scanned(
        "
//- kubelet/kubelet.log
Jul 14 10:00:00 ip-10-0-12-7 kubelet[1234]: I0714 10:00:00.000000    1234 setters.go:600] \"Node became not ready\" node=\"ip-10-0-12-7\" condition={\"type\":\"Ready\",\"status\":\"False\",\"reason\":\"KubeletNotReady\",\"message\":\"x\"}
",
    );
    let told = diagnose(Catalogue::builtin(), &scan);
    assert_eq!(told.verdict, Verdict::CauseNotInBundle, "{told:#?}");
    assert!(told.verdict_reason.contains(&told.hypotheses[0].cause[0]));
    let kernel = told.not_seen.iter().find(|not_seen| not_seen.not_collected.iter().any(|source| source == "kernel"));
    assert!(kernel.is_some(), "without kernel logs their faults are not known to be absent: {:#?}", told.not_seen);
    assert!(told.not_seen.iter().all(|not_seen| !not_seen.looked_in.contains(&"kernel".to_owned())));
}

#[test]
fn a_quiet_bundle_has_no_cause() {
    let scan = scanned("//- kubelet/kubelet.log\nall is well\n");
    let told = diagnose(Catalogue::builtin(), &scan);
    assert_eq!((told.verdict, told.hypotheses.len()), (Verdict::NothingFound, 0));
}

/// Lines of healthy nodes that look like faults, from the corpus of noise, by file.
fn noise() -> std::collections::BTreeMap<String, Vec<String>> {
    #[derive(serde::Deserialize)]
    struct Noise {
        case: Vec<Case>,
    }
    #[derive(serde::Deserialize)]
    struct Case {
        file: String,
        lines: Vec<String>,
        #[serde(default)]
        fault: bool,
    }
    let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/noise");
    let mut files: Vec<_> = std::fs::read_dir(directory).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    let mut lines = std::collections::BTreeMap::<String, Vec<String>>::new();
    for file in files {
        let noise: Noise = toml::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
        for case in noise.case.into_iter().filter(|case| !case.fault) {
            lines.entry(case.file).or_default().extend(case.lines);
        }
    }
    lines
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]
    #[test]
    fn a_planted_chain_is_found_in_noise(places in proptest::collection::vec(any::<prop::sample::Index>(), 8)) {
        let mut files = noise();
        let begins: Timestamp = "2026-11-20T02:00:00Z".parse().unwrap();
        for ((after, file, print), place) in STORY.iter().zip(places) {
            let clock = Clock { at: begins + SignedDuration::from_secs(*after), zone: Offset::UTC };
            let lines = files.entry((*file).to_owned()).or_default();
            lines.insert(place.index(lines.len() + 1), print(clock));
        }
        let text: String = files.iter().map(|(file, lines)| format!("//- {file}\n{}\n", lines.join("\n"))).collect();
        let scan = scanned(&text);
        let found = causes(&scan);
        let root = found.iter().find(|hypothesis| hypothesis.rule == "cni/subnet-out-of-ips");
        prop_assert!(root.is_some_and(|root| root.rank <= 3), "{found:#?}");
        let effect = &find(&scan, "cni/no-ip-available").id;
        prop_assert!(root.unwrap().effects.contains(effect), "{root:#?}");
    }
}
