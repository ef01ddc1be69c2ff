//! How fast the largest state files are parsed, and in how much memory: `cargo run --release -p eks-logs-benches --example parse_state`.
#![allow(clippy::print_stdout)]

use std::fmt::Write as _;
use std::time::Instant;

use eks_logs_findings::state::{conntrack, iptables_save};

/// A node's nat table with that many rules: services of three endpoints each.
fn rules(count: usize) -> String {
    let mut chains = String::new();
    let mut rules = String::new();
    let mut made = 0;
    for service in 0.. {
        if made >= count {
            break;
        }
        let name = format!("shop-{service}/cart:http");
        let _ = writeln!(chains, ":KUBE-SVC-{service:016X} - [0:0]");
        let (a, b) = (service / 250 % 250, service % 250);
        let _ = writeln!(
            rules,
            "-A KUBE-SERVICES -d 172.20.{a}.{b}/32 -p tcp -m comment --comment \"{name} cluster IP\" -m tcp --dport 80 -j KUBE-SVC-{service:016X}"
        );
        made += 1;
        for endpoint in 0..3 {
            let _ = writeln!(chains, ":KUBE-SEP-{service:013X}{endpoint:03X} - [0:0]");
            let _ = writeln!(
                rules,
                "-A KUBE-SVC-{service:016X} -m comment --comment \"{name} -> 10.70.{a}.{b}:8080\" -m statistic --mode random --probability 0.33333333349 -j KUBE-SEP-{service:013X}{endpoint:03X}"
            );
            let _ = writeln!(
                rules,
                "-A KUBE-SEP-{service:013X}{endpoint:03X} -s 10.70.{a}.{b}/32 -m comment --comment \"{name}\" -j KUBE-MARK-MASQ"
            );
            let _ = writeln!(
                rules,
                "-A KUBE-SEP-{service:013X}{endpoint:03X} -p tcp -m comment --comment \"{name}\" -m tcp -j DNAT --to-destination 10.70.{a}.{b}:8080"
            );
            made += 3;
        }
    }
    format!("*nat\n:KUBE-SERVICES - [0:0]\n:KUBE-MARK-MASQ - [0:0]\n{chains}{rules}COMMIT\n")
}

fn entries(count: usize) -> String {
    let mut text = "*** Output of conntrack -L ***\n".to_owned();
    for n in 0..count {
        let (a, b, port) = (n / 60_000 % 250, n % 250, 1024 + n % 60_000);
        let (to, state) = (n * 7 % 5000, if n % 97 == 0 { "SYN_SENT" } else { "ESTABLISHED" });
        let unreplied = if n % 97 == 0 { "[UNREPLIED] " } else { "" };
        let _ = writeln!(
            text,
            "tcp      6 431999 {state} src=10.70.{a}.{b} dst=172.20.{}.{} sport={port} dport=443 {unreplied}src=10.71.1.1 dst=10.70.{a}.{b} sport=443 dport={port} [ASSURED] mark=128 use=1",
            to / 250,
            to % 250
        );
    }
    text
}

/// The most memory that this process has had so far, in bytes, where the system tells.
fn peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    Some(line.split_ascii_whitespace().nth(1)?.parse::<u64>().ok()? * 1024)
}

fn measure(name: &str, text: &str, parse: impl Fn(&[u8]) -> u64) {
    let before = peak();
    let start = Instant::now();
    let found = parse(text.as_bytes());
    let seconds = start.elapsed().as_secs_f64();
    let more = before.and_then(|before| Some(peak()? - before));
    let rate = text.len() as f64 / 1e6 / seconds;
    println!("{name}: {found} entries, {} bytes, {rate:.0} MB/s, {more:?} bytes of memory more", text.len());
}

fn main() {
    let table = rules(40_000);
    measure("iptables-save", &table, |text| iptables_save::parse(text).value.rule_count() as u64);
    let list = entries(300_000);
    measure("conntrack -L", &list, |text| conntrack::parse(text).value.entries);
}
