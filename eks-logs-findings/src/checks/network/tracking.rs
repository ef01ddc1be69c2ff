//! Connection tracking: the table's room, insertions that fail, connections without an answer.

use super::view::{Network, Seen, Verdict, need};
use crate::Severity;
use crate::checks::{Cite, Fault, Outcome, thresholds};
use crate::state::conntrack::{Conntrack, Processor};

fn statistics(network: &Network) -> Result<&Seen<Conntrack>, Outcome> {
    let file = need(&network.conntrack, "networking/conntrack.txt")?;
    if file.value().processors.is_empty() {
        return Err(Outcome::Unknown(format!("{} holds no counters of `conntrack -S`", file.path)));
    }
    Ok(file)
}

fn cite(file: &Seen<Conntrack>, wanted: impl Fn(&Processor) -> bool) -> Vec<Cite> {
    file.value().processors.iter().filter(|one| wanted(one)).map(|one| file.cite(one.span)).collect()
}

/// Connections that could not be entered into the table, and whose packets were dropped.
pub(super) fn insert_failed(network: &Network) -> Verdict {
    let file = statistics(network)?;
    let count = |one: &Processor, name: &str| one.counter(name).unwrap_or(0);
    let failed = file.value().total("insert_failed").unwrap_or(0);
    let dropped = file.value().total("drop").unwrap_or(0);
    let many = thresholds::conntrack_failed() as u64;
    if failed < many || dropped < many {
        return Ok(Vec::new());
    }
    let often =
        file.value().processors.iter().any(|one| count(one, "insert_failed") >= many && count(one, "drop") >= many);
    let severity =
        (!often).then(|| (Severity::Low, "a few on each processor: what a long-lived node gathers".to_owned()));
    let hit = file.value().processors.iter().filter(|one| count(one, "insert_failed") > 0).count();
    let found = file.value().total("found").unwrap_or(0);
    Ok(vec![Fault {
        severity,
        count: failed,
        detail: format!(
            "insert_failed={failed}, drop={dropped} on {hit} of {} processors since boot (found={found})",
            file.value().processors.len()
        ),
        cites: cite(file, |one| count(one, "insert_failed") > 0),
        ..Fault::default()
    }])
}

/// Entries that were thrown out, or packets dropped, for want of room.
pub(super) fn table_overrun(network: &Network) -> Verdict {
    let file = statistics(network)?;
    let early = file.value().total("early_drop").unwrap_or(0);
    let (dropped, failed) = (file.value().total("drop").unwrap_or(0), file.value().total("insert_failed").unwrap_or(0));
    let other = dropped.saturating_sub(failed);
    if early == 0 && other < thresholds::conntrack_failed() as u64 {
        return Ok(Vec::new());
    }
    Ok(vec![Fault {
        severity: (early == 0).then(|| {
            (Severity::Low, "packets were dropped for want of memory or room at some time since boot".to_owned())
        }),
        count: early.max(other),
        detail: format!(
            "early_drop={early}: entries thrown out to make room; drop={dropped}, {failed} of them at insertion"
        ),
        cites: cite(file, |one| one.counter("early_drop").unwrap_or(0) > 0 || one.counter("drop").unwrap_or(0) > 0),
        ..Fault::default()
    }])
}

/// The table's size and its limit, and where they stand. The kernel's own count is better than a list that may have been cut.
pub(super) fn occupancy(network: &Network) -> Option<(u64, u64, Vec<Cite>)> {
    let file = network.sysctl.as_ref()?;
    let of = |name: &str| {
        let setting = file.value().get(name)?;
        Some((setting.value.parse::<u64>().ok()?, file.cite(setting.span)))
    };
    let (max, limit) = of("net.netfilter.nf_conntrack_max").or_else(|| of("net.nf_conntrack_max"))?;
    let counted = of("net.netfilter.nf_conntrack_count");
    let listed = || {
        let file = network.conntrack.as_ref()?;
        let heading = file.value().listed?;
        Some((file.value().shown.unwrap_or(file.value().entries), file.cite(heading)))
    };
    let (count, cite) = counted.or_else(listed)?;
    Some((count, max, vec![cite, limit]))
}

/// The table is nearly full.
pub(super) fn near_limit(network: &Network) -> Verdict {
    need(&network.sysctl, "sysctls/sysctl_all.txt")?;
    let Some((count, max, cites)) = occupancy(network).filter(|(_, max, _)| *max > 0) else {
        return Err(Outcome::Unknown(
            "sysctls/sysctl_all.txt does not tell nf_conntrack_max, or nothing tells how many entries there are"
                .to_owned(),
        ));
    };
    let percent = count.saturating_mul(100) / max;
    if percent < thresholds::conntrack_full_percent() as u64 {
        return Ok(Vec::new());
    }
    let full = percent >= thresholds::conntrack_brimful_percent() as u64;
    let severity = full.then(|| {
        (Severity::High, "at nine tenths the next burst of connections fills it, and new ones are dropped".to_owned())
    });
    let detail = format!("{count} of {max} entries: {percent} %");
    Ok(vec![Fault { severity, count, detail, cites, ..Fault::default() }])
}

/// The table is smaller than kube-proxy makes it.
pub(super) fn limit_low(network: &Network) -> Verdict {
    let file = need(&network.sysctl, "sysctls/sysctl_all.txt")?;
    let Some(max) = file.value().get("net.netfilter.nf_conntrack_max") else {
        return Err(Outcome::Unknown("sysctls/sysctl_all.txt does not tell net.netfilter.nf_conntrack_max".to_owned()));
    };
    if !network.has_chain("KUBE-SERVICES") {
        return Err(Outcome::NotApplicable("no rules of kube-proxy on this node".to_owned()));
    }
    let least = thresholds::conntrack_least() as i64;
    if max.value.parse::<i64>().is_ok_and(|value| value < least) {
        let detail =
            format!("nf_conntrack_max is {}; kube-proxy sets {least} or more unless told otherwise", max.value);
        return Ok(vec![Fault { detail, cites: vec![file.cite(max.span)], ..Fault::default() }]);
    }
    Ok(Vec::new())
}

/// Many packets that belong to no connection that the kernel knows.
pub(super) fn invalid_many(network: &Network) -> Verdict {
    let file = statistics(network)?;
    let invalid = file.value().total("invalid").unwrap_or(0);
    if invalid < thresholds::conntrack_invalid() as u64 {
        return Ok(Vec::new());
    }
    let detail = format!(
        "invalid={invalid} on {} processors since boot: packets outside of their connection's window, or of a forgotten one",
        file.value().processors.len()
    );
    Ok(vec![Fault {
        count: invalid,
        detail,
        cites: cite(file, |one| one.counter("invalid").unwrap_or(0) > 0),
        ..Fault::default()
    }])
}

/// Many connections to one destination wait for an answer.
pub(super) fn unanswered(network: &Network) -> Verdict {
    let mut faults = Vec::new();
    let mut listed = false;
    for file in network.conntrack.iter().chain(&network.conntrack6) {
        listed |= file.value().listed.is_some();
        for heavy in file
            .value()
            .syn_sent_destinations
            .iter()
            .filter(|heavy| heavy.at_least >= thresholds::unanswered_syn() as u64)
        {
            faults.push(Fault {
                subject: heavy.key.to_string(),
                count: heavy.at_least,
                detail: format!("{} connections to {} sent a SYN and got no answer", heavy.at_least, heavy.key),
                entities: vec![heavy.key.address.to_string()],
                cites: vec![Cite { text: Some(heavy.text.to_string()), ..file.cite(heavy.span) }],
                ..Fault::default()
            });
        }
        for heavy in file
            .value()
            .unreplied_destinations
            .iter()
            .filter(|heavy| heavy.at_least >= thresholds::unanswered_flows() as u64)
        {
            let one_way = heavy.key.port.is_some_and(|port| matches!(port, 514 | 8125 | 8126 | 6831 | 4789 | 6081));
            if one_way || faults.iter().any(|fault: &Fault| fault.subject == heavy.key.to_string()) {
                continue;
            }
            faults.push(Fault {
                subject: heavy.key.to_string(),
                severity: Some((Severity::Low, "flows without an answer; some protocols expect none".to_owned())),
                count: heavy.at_least,
                detail: format!("{} flows to {} without an answer", heavy.at_least, heavy.key),
                entities: vec![heavy.key.address.to_string()],
                cites: vec![Cite { text: Some(heavy.text.to_string()), ..file.cite(heavy.span) }],
            });
        }
    }
    if !listed {
        return Err(Outcome::Unknown("no list of connections in the bundle (networking/conntrack.txt)".to_owned()));
    }
    Ok(faults)
}

/// Sockets of one program in one state, many more than it should have.
pub(super) fn sockets_piling_up(network: &Network) -> Verdict {
    let file = need(&network.sockets, "system/netstat.txt")?;
    let mut waiting: std::collections::BTreeMap<String, Vec<Cite>> = std::collections::BTreeMap::new();
    for socket in file.value().iter().filter(|socket| &*socket.state == "CLOSE_WAIT") {
        let name = socket.process.as_ref().map_or_else(|| "-".to_owned(), |process| process.name.to_string());
        waiting.entry(name).or_default().push(file.cite(socket.span));
    }
    let many = waiting.into_iter().filter(|(_, cites)| cites.len() > thresholds::sockets_close_wait() as usize);
    let faults = many.map(|(name, cites)| Fault {
        count: cites.len() as u64,
        detail: format!(
            "{} sockets of {name} are in CLOSE_WAIT: it does not close what its peers have closed",
            cites.len()
        ),
        subject: name,
        cites: cites.into_iter().take(10).collect(),
        ..Fault::default()
    });
    Ok(faults.collect())
}
