//! Order, clusters and gaps.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::collections::BTreeSet;

use eks_logs_findings::correlate::{Focus, Pivot, PivotError, correlate};
use eks_logs_findings::timeline::{Event, Timeline, by_time};
use eks_logs_findings::{Catalogue, Certainty, Severity};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use support::scanned;

fn event(number: usize, time: Option<i64>) -> Event {
    Event {
        time: time.map(|seconds| Timestamp::from_second(seconds).unwrap()),
        time_certainty: Certainty::Exact,
        component: "kubelet".to_owned(),
        severity: Severity::High,
        finding_ids: vec![format!("F-{number:03}")],
        rules: vec!["kubelet/x".to_owned()],
        title: "x".to_owned(),
        file: "kubelet/kubelet.log".to_owned(),
        line: number as u64,
        start_byte: number as u64,
        end_byte: number as u64 + 1,
        text: "x".to_owned(),
        entities: Vec::new(),
    }
}

proptest! {
    #[test]
    fn each_event_is_in_one_cluster_and_none_is_longer_than_the_window(
        times in proptest::collection::vec(proptest::option::weighted(0.9, 0_i64..2000), 0..80),
        window in 0_i64..200,
    ) {
        let events: Vec<Event> = times.iter().enumerate().map(|(number, time)| event(number, *time)).collect();
        let window = SignedDuration::from_secs(window);
        let clusters = by_time(&events, window);
        let mut seen = BTreeSet::new();
        for cluster in &clusters {
            let of: Vec<Option<Timestamp>> = cluster.events.iter().map(|at| events[*at].time).collect();
            prop_assert!(!of.is_empty());
            for at in &cluster.events {
                prop_assert!(seen.insert(*at), "event {} is in two clusters", at);
            }
            match cluster.range {
                Some((first, last)) => {
                    prop_assert_eq!((of.iter().flatten().min(), of.iter().flatten().max()), (Some(&first), Some(&last)));
                    prop_assert!(of.iter().all(Option::is_some));
                    prop_assert!(last.duration_since(first) <= window, "{} to {}", first, last);
                }
                None => prop_assert!(of.iter().all(Option::is_none)),
            }
        }
        prop_assert_eq!(seen.len(), events.len());
        // Clusters are in order, and a pause longer than the window always parts.
        let ranges: Vec<_> = clusters.iter().filter_map(|cluster| cluster.range).collect();
        for pair in ranges.windows(2) {
            prop_assert!(pair[0].1 < pair[1].0 || (pair[0].1 == pair[1].0 && window == SignedDuration::ZERO));
        }
    }

    #[test]
    fn the_order_of_events_does_not_change_clusters(times in proptest::collection::vec(0_i64..500, 0..40), window in 1_i64..60) {
        let events: Vec<Event> = times.iter().enumerate().map(|(number, time)| event(number, Some(*time))).collect();
        let mut backwards = events.clone();
        backwards.reverse();
        let ranges = |events: &[Event]| -> Vec<_> {
            by_time(events, SignedDuration::from_secs(window)).into_iter().map(|c| (c.range, c.finding_ids)).collect()
        };
        prop_assert_eq!(ranges(&events), ranges(&backwards));
    }
}

#[test]
fn simultaneous_events_stay_together() {
    let events: Vec<Event> = (0..5).map(|number| event(number, Some(100))).collect();
    assert_eq!(by_time(&events, SignedDuration::from_secs(0)).len(), 1);
}

const BUNDLE: &str = "
//- containerd/containerd-log.txt
Jul 14 10:30:05 ip-10-0-12-7 containerd[900]: time=\"2026-07-14T10:30:05.000Z\" level=info msg=\"starting\"
//- var_log/messages
Jul 14 10:00:05 ip-10-0-12-7 kernel: nvme nvme1: I/O 21 QID 3 timeout, aborting
Jul 14 10:00:06 ip-10-0-12-7 kernel: nf_conntrack: nf_conntrack: table full, dropping packet
Jul 14 10:30:00 ip-10-0-12-7 kernel: EXT4-fs error (device nvme1n1): ext4_journal_check_start:83: comm x: Detected aborted journal
Jul 14 10:30:01 ip-10-0-12-7 kernel: EXT4-fs (nvme1n1): Remounting filesystem read-only
";

#[test]
fn events_stand_in_order_with_what_they_name() {
    let scan = scanned(BUNDLE);
    let timeline = Timeline::new(&scan);
    let times: Vec<_> = timeline.events.iter().map(|event| event.time.unwrap()).collect();
    assert!(times.is_sorted() && times.len() >= 4, "{times:?}");
    assert!(
        timeline
            .events
            .iter()
            .all(|event| event.time_certainty == Certainty::YearInferred && event.component == "kernel")
    );
    let together = correlate(Catalogue::builtin(), &scan, &Focus::default());
    assert_eq!(together.clusters.len(), 2, "{:#?}", together.clusters);
    let disk = together.entities.iter().find(|cluster| cluster.entity.to_string() == "device nvme1").unwrap();
    assert!(disk.finding_ids.len() >= 3 && disk.range.is_some(), "{disk:#?}");
    assert!(together.joined.iter().any(|joined| joined.cause_edge));
}

#[test]
fn a_pivot_looks_around_an_event_and_a_component_filter_hides_the_rest() {
    let scan = scanned(BUNDLE);
    let catalogue = Catalogue::builtin();
    let around = |pivot: &str| {
        let pivot = Some(Pivot::parse(pivot, &scan, catalogue).unwrap());
        correlate(catalogue, &scan, &Focus { pivot, ..Focus::default() })
    };
    for pivot in ["network/conntrack-table-full", "table FULL"] {
        let found = around(pivot);
        let files: Vec<u64> = found.timeline.iter().map(|event| event.line).collect();
        assert_eq!(files, [1, 2], "{pivot}");
        assert!(found.outside.events >= 2 && found.outside.findings >= 2);
    }
    let of = Focus { components: vec!["kubelet".to_owned()], ..Focus::default() };
    assert!(correlate(catalogue, &scan, &of).timeline.is_empty());
    assert!(matches!(Pivot::parse("F-999", &scan, catalogue), Err(PivotError::NoSuchFinding(_))));
    assert!(matches!(Pivot::parse("(", &scan, catalogue), Err(PivotError::NoPattern { .. })));
    assert!(matches!(Pivot::parse("x*", &scan, catalogue), Err(PivotError::NoPattern { .. })));
}

#[test]
fn a_log_that_ends_before_the_incident_is_a_gap() {
    let mut text = String::from("//- kubelet/kubelet.log\n");
    for minute in 0..60 {
        text.push_str(&format!("2026-07-14T08:{minute:02}:00Z kubelet[1]: SyncLoop\n"));
    }
    text.push_str(&BUNDLE[1..]);
    let found = correlate(Catalogue::builtin(), &scanned(&text), &Focus::default());
    let early: Vec<_> = found.gaps.iter().filter(|gap| gap.kind == "source-ends-early").collect();
    assert_eq!(early.len(), 1, "{:#?}", found.gaps);
    assert_eq!(early[0].file.as_deref(), Some("kubelet/kubelet.log"));
    assert!(early[0].detail.contains("91 min"), "{}", early[0].detail);
}

#[test]
fn without_times_nothing_is_put_in_order() {
    let found = correlate(
        Catalogue::builtin(),
        &scanned(
            "//- var_log/messages\nJul 14 10:00:06 ip-10-0-12-7 kernel: nf_conntrack: nf_conntrack: table full, dropping packet\n",
        ),
        &Focus::default(),
    );
    assert!(found.gaps.iter().any(|gap| gap.kind == "no-certain-time"), "{:#?}", found.gaps);
    assert_eq!((found.clusters.len(), found.clusters[0].range), (1, None));
}
