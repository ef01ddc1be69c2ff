//! The network's sections: what labelled incidents expect of them, what they say of files that are absent, empty or in another format.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::io::Write as _;
use std::path::Path;

use eks_logs_core::{LocalStore, Located, MemoryStore, StorePath};
use eks_logs_findings::diagnostics::{Figures, FileState, NETWORK_SECTIONS, SectionReport, network};
use eks_logs_findings::rule::Section;
use eks_logs_findings::{Catalogue, Scan, ScanOptions, Severity, scan};
use futures_lite::future::block_on;
use proptest::prelude::*;
use serde_json::Value;

fn scanned(bundle: &Located) -> Scan {
    block_on(scan(bundle, Catalogue::builtin(), ScanOptions::default().with_threads(0), None)).unwrap()
}

fn bundle(files: &[(&str, &[u8])]) -> Scan {
    let store = MemoryStore::new();
    for (path, content) in files {
        store.insert(StorePath::parse(path).unwrap(), content.to_vec());
    }
    scanned(&Located::in_store(store))
}

fn section<'a>(reports: &'a [SectionReport], name: &str) -> &'a SectionReport {
    reports.iter().find(|report| report.section == name).unwrap_or_else(|| panic!("no section {name}"))
}

#[test]
fn what_the_incidents_expect_of_each_section() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/incidents");
    let Ok(cases) = fs::read_dir(&root) else {
        let _ = writeln!(std::io::stderr(), "skipped: labelled incidents: {} is absent", root.display());
        return;
    };
    let mut wrong = Vec::new();
    for case in cases.map(|case| case.unwrap().path()) {
        let Ok(label) = fs::read_to_string(case.join("label.json")) else { continue };
        let label: Value = serde_json::from_str(&label).unwrap();
        let Some(expected) = label["network_expect"].as_array().filter(|expected| !expected.is_empty()) else {
            continue;
        };
        let scan = scanned(&Located::in_store(LocalStore::open(case.join("bundle")).unwrap()));
        let reports = network(&scan, &[]);
        for one in expected {
            let (name, issue) = (one["section"].as_str().unwrap(), one["issue"].as_str().unwrap());
            let healthy = ["no finding", "excerpt only"].iter().any(|start| issue.starts_with(start));
            let report = section(&reports, name);
            if issue.contains("VPC+2 resolver") && issue.ends_with("(normal)") {
                let Figures::Dns(dns) = &report.figures else { panic!("no figures of DNS") };
                assert_eq!(dns.vpc_resolver, Some(true), "{}", case.display());
                continue;
            }
            let loud = report.issues.iter().filter(|issue| issue.severity <= Severity::Medium).count();
            // What a label has from its thread alone is in no file of the bundle.
            if !issue.starts_with("thread:") && (if healthy { loud > 0 } else { report.issues.is_empty() }) {
                wrong.push(format!("{}: {name}: {issue}: {:?}", case.display(), report.issues));
            }
        }
        if label["kind"] == "noise" {
            for issue in
                reports.iter().flat_map(|report| &report.issues).filter(|issue| issue.severity <= Severity::Medium)
            {
                wrong.push(format!("{}: {issue:?}", case.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_section_without_its_files_says_so_and_never_that_all_is_well() {
    let scan = bundle(&[("system/instance-id.txt", b"i-0123456789abcdef0\n")]);
    let reports = network(&scan, &[]);
    assert_eq!(reports.len(), NETWORK_SECTIONS.len());
    for report in &reports {
        assert!(!report.unknown.is_empty(), "{} says nothing of what is missing", report.section);
        assert!(report.passed.is_empty(), "{} passed without files: {:?}", report.section, report.passed);
        assert!(report.files.iter().all(|file| file.state == FileState::Absent), "{:?}", report.files);
    }
    let one = network(&scan, &[Section::Dns]);
    assert_eq!(one.iter().map(|report| report.section).collect::<Vec<_>>(), ["dns"]);
}

#[test]
fn a_file_in_another_format_is_a_gap_with_its_first_bad_line() {
    let scan = bundle(&[
        ("networking/iprule.txt", b"<html>\n<body>502</body>\n"),
        ("networking/ethtool.txt", b""),
        ("networking/ipset.txt", b"ipset not installed\n"),
    ]);
    let reports = network(&scan, &[]);
    let file = |section_: &str, path: &str| {
        section(&reports, section_).files.iter().find(|file| file.file == path).cloned().unwrap()
    };
    let rules = file("routes", "networking/iprule.txt");
    assert_eq!(rules.state, FileState::Unreadable);
    assert!(rules.detail.unwrap().starts_with("line 1: "));
    assert_eq!(file("eni", "networking/ethtool.txt").state, FileState::Empty);
    let sets = file("kube-proxy", "networking/ipset.txt");
    assert_eq!((sets.state, sets.detail.as_deref()), (FileState::Unavailable, Some("ipset not installed")));
    let gap = scan.gaps.iter().find(|gap| gap.file.as_deref() == Some("networking/iprule.txt")).unwrap();
    assert!(gap.detail.contains("line 1"), "{gap:?}");
}

#[test]
fn figures_of_a_node_that_tells_all() {
    let enis = br#"{"0":{"TotalIPs":3,"AssignedIPs":1,"ENIs":{"eni-0a1b2c3d4e5f60718":{"ID":"eni-0a1b2c3d4e5f60718","IsPrimary":true,"DeviceNumber":0,"AvailableIPv4Cidrs":{
        "10.70.5.11/32":{"IPAddresses":{"10.70.5.11":{"Address":"10.70.5.11","IPAMKey":{"networkName":"aws-cni","containerID":"4711aa","ifName":"eth0"},"AssignedTime":"2026-11-22T07:00:00Z","UnassignedTime":"0001-01-01T00:00:00Z"}}},
        "10.70.5.12/32":{"IPAddresses":{"10.70.5.12":{"Address":"10.70.5.12","IPAMKey":{"networkName":"","containerID":"","ifName":""},"UnassignedTime":"2026-11-22T06:59:50Z"}}},
        "10.70.5.13/32":{"IPAddresses":{}}}}}}}"#;
    let scan = bundle(&[
        ("ipamd/enis.json", enis),
        ("networking/iprule.txt", b"0:\tfrom all lookup local\n512:\tfrom all to 10.70.5.11 lookup main\n32766:\tfrom all lookup main\n"),
        ("networking/iproute.txt", b"default via 10.70.0.1 dev ens5 proto dhcp src 10.70.3.4 metric 512 \n10.70.5.11 dev eni5d3b1c2a4f0 scope link \nlocal 10.70.3.4 dev ens5 table local proto kernel scope host src 10.70.3.4 \n"),
        ("sysctls/sysctl_all.txt", b"net.netfilter.nf_conntrack_count = 4711\nnet.netfilter.nf_conntrack_max = 131072\n"),
        ("kernel/dmesg.current", b"[    0.000000] DMI: Amazon EC2 m5.large/, BIOS 1.0 10/16/2017\n"),
    ]);
    let reports = network(&scan, &[]);
    let Figures::Ipamd(ipamd) = &section(&reports, "ipamd").figures else { panic!() };
    let pool = ipamd.pool.as_ref().unwrap();
    assert_eq!((pool.total, pool.assigned, pool.cooling, pool.free), (3, 1, 1, 1));
    assert_eq!(ipamd.interface_limit, Some(3));
    let Figures::Routes(routes) = &section(&reports, "routes").figures else { panic!() };
    assert_eq!((routes.rules_to_pods, routes.routes_to_pods, routes.pod_addresses), (Some(1), Some(1), Some(1)));
    assert_eq!(routes.primary_interface.as_deref(), Some("ens5"));
    let Figures::Conntrack(table) = &section(&reports, "conntrack").figures else { panic!() };
    assert_eq!((table.entries, table.limit, table.unreplied), (Some(4711), Some(131_072), None));
    let Figures::Eni(eni) = &section(&reports, "eni").figures else { panic!() };
    assert_eq!(eni.instance_type.as_deref(), Some("m5.large"));
    assert!(section(&reports, "routes").passed.contains(&"cni/pod-rule-missing".to_owned()));
    assert!(scan.findings.is_empty(), "{:#?}", scan.findings);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn no_bytes_upset_the_checks(contents in prop::collection::vec(prop_oneof![
        prop::collection::vec(any::<u8>(), 0..80),
        "(\\*nat|:KUBE-SERVICES - \\[0:0\\]|-A KUBE-SERVICES -j DROP|512:\tfrom all to 10.0.0.1 lookup main|default via 10.0.0.1 dev ens5|Interface ens5|\\{\"0\":\\{\"TotalIPs\":1\\}\\}|COMMIT|\n){0,12}".prop_map(String::into_bytes),
    ], 12)) {
        let paths = [
            "networking/iptables-save.txt", "networking/iptables-filter.txt", "networking/iprule.txt", "networking/iproute.txt",
            "networking/ifconfig.txt", "networking/ethtool.txt", "networking/conntrack.txt", "networking/curl_api_server.txt",
            "ipamd/enis.json", "ipamd/ipam.json", "cni/10-aws.conflist", "cni/cni-configuration-variables-containerd.json",
        ];
        let files: Vec<_> = paths.iter().copied().zip(contents.iter().map(Vec::as_slice)).collect();
        let scan = bundle(&files);
        prop_assert_eq!(network(&scan, &[]).len(), NETWORK_SECTIONS.len());
        for line in scan.findings.iter().flat_map(|finding| &finding.evidence) {
            let content = files.iter().find(|(path, _)| *path == line.file).unwrap().1;
            let text = String::from_utf8_lossy(&content[line.start_byte as usize..line.end_byte as usize]);
            prop_assert_eq!(&*text, line.text.as_str());
        }
    }
}
