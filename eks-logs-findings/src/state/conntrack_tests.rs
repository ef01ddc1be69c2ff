use proptest::prelude::*;

use super::super::damage::{damaged, problems_stand_in};
use super::*;

const NODE: &str = "\
*** Output of conntrack -S *** 
cpu=0   \tfound=7 invalid=2157 insert=0 insert_failed=74 drop=70 early_drop=0 error=0 search_restart=100
cpu=1   \tfound=9 invalid=31 insert=0 insert_failed=1 drop=0 early_drop=0 error=0 search_restart=1
*** Output of conntrack -L ***
tcp      6 431999 ESTABLISHED src=10.70.3.9 dst=172.20.0.1 sport=51234 dport=443 src=10.70.1.1 dst=10.70.3.9 sport=443 dport=51234 [ASSURED] mark=128 use=1
tcp      6 57 SYN_SENT src=10.70.3.9 dst=10.71.5.5 sport=41000 dport=5432 [UNREPLIED] src=10.71.5.5 dst=10.70.3.9 sport=5432 dport=41000 mark=0 use=1
udp      17 12 src=10.70.3.9 dst=172.20.0.10 sport=40000 dport=53 src=10.70.4.4 dst=10.70.3.9 sport=53 dport=40000 mark=0 use=1
icmp     1 29 src=10.70.3.9 dst=10.70.0.1 type=8 code=0 id=7 src=10.70.0.1 dst=10.70.3.9 type=0 code=0 id=7 mark=0 use=1
";

#[test]
fn a_small_table() {
    let parsed = parse(NODE.as_bytes());
    assert_eq!(parsed.problems, []);
    let table = parsed.value;
    assert_eq!(
        (table.total("insert_failed"), table.total("drop"), table.total("clash_resolve")),
        (Some(75), Some(70), None)
    );
    assert_eq!((table.entries, table.unreplied), (4, 1));
    assert_eq!(table.by_protocol.get("tcp"), Some(&2));
    assert_eq!(table.by_state.get("ESTABLISHED"), Some(&1));
    assert_eq!(table.sources[0].at_least, 4);
    assert_eq!(table.syn_sent_destinations[0].key.to_string(), "10.71.5.5:5432/tcp");
    assert_eq!(table.syn_sent_destinations[0].span.line, 6);
    assert_eq!(table.listed.map(|span| span.line), Some(4));
}

#[test]
fn only_the_last_run_counts() {
    let parsed = parse((NODE.to_owned() + NODE).as_bytes());
    assert_eq!((parsed.value.entries, parsed.value.processors.len(), parsed.problem_count), (4, 2, 1));
    let parsed = parse(b"*** Output of conntrack -L -f ipv6 ***\n*** Output of conntrack -L -f ipv6 ***\n");
    assert_eq!((parsed.value.entries, parsed.problem_count), (0, 1));
}

#[test]
fn the_extended_form_and_the_tool_s_own_count() {
    let text = b"ipv4     2 tcp      6 86399 ESTABLISHED src=10.0.0.1 dst=10.0.0.2 sport=1 dport=2 packets=3 bytes=180 src=10.0.0.2 dst=10.0.0.1 sport=2 dport=1 packets=1 bytes=60 [ASSURED] mark=0 zone=0 use=2\nconntrack v1.4.6 (conntrack-tools): 1 flow entries have been shown.\n";
    let parsed = parse(text);
    assert_eq!((parsed.value.entries, parsed.value.shown, parsed.problem_count), (1, Some(1), 0));
}

#[derive(Clone, Debug)]
struct Made {
    tcp: bool,
    syn_sent: bool,
    source: IpAddr,
    destination: IpAddr,
    port: u16,
}

fn made() -> impl Strategy<Value = Made> {
    let address = || prop_oneof![any::<IpAddr>(), Just(IpAddr::from([10, 70, 3, 9]))];
    (any::<bool>(), any::<bool>(), address(), address(), any::<u16>())
        .prop_map(|(tcp, syn_sent, source, destination, port)| Made { tcp, syn_sent, source, destination, port })
}

impl Made {
    fn print(&self) -> String {
        let Self { tcp, syn_sent, source, destination, port } = self;
        let head = match (tcp, syn_sent) {
            (true, true) => "tcp      6 57 SYN_SENT",
            (true, false) => "tcp      6 431999 ESTABLISHED",
            _ => "udp      17 12",
        };
        let unreplied = if *syn_sent { " [UNREPLIED]" } else { "" };
        format!(
            "{head} src={source} dst={destination} sport=9 dport={port}{unreplied} src={destination} dst={source} sport={port} dport=9 mark=0 use=1\n"
        )
    }
}

proptest! {
    #[test]
    fn what_was_printed_is_counted(
        processors in prop::collection::vec(prop::collection::vec(("[a-z_]{1,9}", any::<u64>()), 0..6), 0..4),
        entries in prop::collection::vec(made(), 0..30),
    ) {
        let mut text = "*** Output of conntrack -S *** \n".to_owned();
        for (cpu, counters) in processors.iter().enumerate() {
            let counters: Vec<_> = counters.iter().map(|(name, value)| format!("{name}={value}")).collect();
            text += &format!("cpu={cpu}   \t{}\n", counters.join(" "));
        }
        text += "*** Output of conntrack -L ***\n";
        text.extend(entries.iter().map(Made::print));
        let parsed = parse(text.as_bytes());
        prop_assert_eq!(&parsed.problems, &[]);
        let read = parsed.value;
        let counters: Vec<Vec<_>> = read.processors.iter().map(|p| p.counters.iter().map(|(name, value)| (name.to_string(), *value)).collect()).collect();
        prop_assert_eq!(counters, processors);
        prop_assert_eq!(read.entries, entries.len() as u64);
        prop_assert_eq!(read.unreplied, entries.iter().filter(|entry| entry.syn_sent).count() as u64);
        prop_assert_eq!(read.by_protocol.get("tcp").copied().unwrap_or(0), entries.iter().filter(|entry| entry.tcp).count() as u64);
        for heavy in read.destinations {
            let Endpoint { protocol, address, port } = &heavy.key;
            let same = |entry: &&Made| entry.tcp == (&**protocol == "tcp") && entry.destination == *address && Some(entry.port) == *port;
            prop_assert_eq!(entries.iter().filter(same).count() as u64, heavy.at_least);
            let line = &text[heavy.span.start as usize..heavy.span.end as usize];
            let dst = format!("dst={address} ");
            prop_assert!(line.contains(&dst));
            prop_assert_eq!(line, &*heavy.text);
        }
    }

    #[test]
    fn the_pieces_in_which_it_comes_do_not_decide(text in damaged(NODE), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6)) {
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
        cuts.sort_unstable();
        let mut reader = ConntrackReader::default();
        let mut from = 0;
        for cut in cuts.into_iter().chain([text.len()]) {
            reader.push(&text[from..cut]);
            from = cut;
        }
        prop_assert_eq!(reader.finish(), parse(&text));
    }

    #[test]
    fn any_bytes_are_survived(text in damaged(NODE)) {
        problems_stand_in(&parse(&text), &text);
    }
}
