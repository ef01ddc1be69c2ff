//! What `aws-eks-na-cli ebpf` dumps: the network policy agent's programs with their maps, and the maps' entries.

use super::{Lines, Parsed, Span};

/// One program that enforces policies on a pod's interface, in one direction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Program {
    /// The line of its path.
    pub span: Span,
    /// Where it is pinned.
    pub path: Box<str>,
    /// The pods it is for: name without its last part, and namespace.
    pub pod: Box<str>,
    /// `ingress` or `egress`.
    pub direction: Box<str>,
    /// Its maps: name and number.
    pub maps: Vec<(Box<str>, u32)>,
}

/// The entries of one map.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MapDump {
    /// Its heading.
    pub span: Span,
    /// Its number.
    pub id: u32,
    /// Networks it has entries for (a policy map), or flows (a connection map).
    pub keys: u64,
    /// Whether all entries were printed; an empty map is complete too.
    pub complete: bool,
    /// What the tool said instead of entries.
    pub said: Option<Box<str>>,
}

const PROGRAMS: &str = "*** EBPF loaded data ***";
const MAP: &str = "*** EBPF Maps Data for Map ID ";

/// Reads `ebpf-data.txt`. The collector appends to what an aborted run left: what follows the last heading counts.
pub fn parse_programs(text: &[u8]) -> Parsed<Vec<Program>> {
    let mut parsed = Parsed::new(Vec::<Program>::new());
    let mut name: Option<Box<str>> = None;
    for (span, line) in Lines::new(text) {
        let Ok(line) = std::str::from_utf8(line) else {
            parsed.problem(span, "the line is not UTF-8");
            continue;
        };
        let line = line.trim();
        if line == PROGRAMS {
            if !parsed.value.is_empty() {
                parsed.value.clear();
                parsed.problem(span, "an aborted collection left its programs above; those from here on count");
            }
            continue;
        }
        if line.is_empty() || line.starts_with("=====") || line == "Associated Maps ->" || line.starts_with("Prog ID:")
        {
            continue;
        }
        if let Some(path) = line.strip_prefix("PinPath:") {
            parsed.value.push(Program { span, path: path.trim().into(), ..Program::default() });
            continue;
        }
        let Some(program) = parsed.value.last_mut() else {
            parsed.problem(span, "expected `PinPath:` first");
            continue;
        };
        if let Some(rest) = line.strip_prefix("Pod Identifier :") {
            let (pod, direction) = rest.split_once("Direction :").unwrap_or((rest, ""));
            (program.pod, program.direction) = (pod.trim().into(), direction.trim().into());
        } else if let Some(rest) = line.strip_prefix("Map Name:") {
            name = Some(rest.trim().into());
        } else if let Some(id) = line.strip_prefix("Map ID:").and_then(|id| id.trim().parse().ok()) {
            program.maps.extend(name.take().map(|name| (name, id)));
        } else {
            parsed.problem(span, "expected a program's pod, or a map's name or number");
        }
    }
    parsed
}

/// Reads `ebpf-maps-data.txt` and `ebpf-cp-maps-data.txt`. A map that is dumped twice counts once: the last time.
pub fn parse_maps(text: &[u8]) -> Parsed<Vec<MapDump>> {
    let mut parsed = Parsed::new(Vec::<MapDump>::new());
    let mut key: &[u8] = b"";
    for (span, line) in Lines::new(text) {
        if let Some(rest) = line.strip_prefix(MAP.as_bytes()) {
            let id = std::str::from_utf8(rest).ok().and_then(|rest| rest.trim_end_matches([' ', '*']).parse().ok());
            let Some(id) = id else {
                parsed.problem(span, "expected the number of a map");
                continue;
            };
            let known = parsed.value.len();
            parsed.value.retain(|map| map.id != id);
            if parsed.value.len() < known {
                parsed.problem(span, format!("map {id} again: an aborted collection left its entries above"));
            }
            parsed.value.push(MapDump { span, id, ..MapDump::default() });
            key = b"";
            continue;
        }
        let line = line.trim_ascii();
        let Some(map) = parsed.value.last_mut() else {
            if !line.is_empty() {
                parsed.problem(span, "expected the heading of a map first");
            }
            continue;
        };
        if line.starts_with(b"Key: ") || line.starts_with(b"Key : ") || line.starts_with(b"Conntrack Key : ") {
            // An entry of a cluster policy's map has its key printed twice.
            map.keys += u64::from(line != key);
            key = line;
        } else if line.starts_with(b"Done reading all entries")
            || line.starts_with(b"No Entries found")
            || line.starts_with(b"No entries found")
        {
            map.complete = true;
        } else if line.starts_with(b"****") {
            key = b"";
        } else if [&b"Unable to"[..], b"unable to", b"unsupported map", b"failed to", b"error reading"]
            .iter()
            .any(|said| line.starts_with(said))
        {
            map.said = Some(String::from_utf8_lossy(line).into());
        }
    }
    parsed
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::damage::{damaged, problems_stand_in};
    use super::*;

    const LOADED: &str = "\
*** EBPF loaded data ***
PinPath:  /sys/fs/bpf/globals/aws/programs/cart-5f6d7-shop_handle_ingress
Pod Identifier : cart-5f6d7-shop  Direction : ingress 
Prog ID:  12
Associated Maps -> 
Map Name:  ingress_map
Map ID:  5
Map Name:  aws_conntrack_map
Map ID:  6
========================================================================================
";

    const MAPS: &str = "\
*** EBPF Maps Data for Map ID 5 ***
Key: 10.70.0.0/16
Key: 10.70.0.0/16
-------------------
Entry 0:
Protocol  - TCP
-------------------
*******************************
Key: 10.71.0.0/16
*******************************
Done reading all entries
*** EBPF Maps Data for Map ID 6 ***
No Entries found, Empty map
*** EBPF Maps Data for Map ID 7 ***
Unable to get map entry: no such file
";

    #[test]
    fn programs_and_maps() {
        let parsed = parse_programs(LOADED.as_bytes());
        assert_eq!(parsed.problems, []);
        let program = &parsed.value[0];
        assert_eq!((&*program.pod, &*program.direction), ("cart-5f6d7-shop", "ingress"));
        assert_eq!(program.maps, [("ingress_map".into(), 5), ("aws_conntrack_map".into(), 6)]);
        let parsed = parse_maps(MAPS.as_bytes());
        assert_eq!(parsed.problems, []);
        let maps: Vec<_> =
            parsed.value.iter().map(|map| (map.id, map.keys, map.complete, map.said.is_some())).collect();
        assert_eq!(maps, [(5, 2, true, false), (6, 0, true, false), (7, 0, false, true)]);
    }

    #[test]
    fn an_aborted_run_above_does_not_count() {
        let parsed = parse_programs((LOADED.to_owned() + LOADED).as_bytes());
        assert_eq!((parsed.value.len(), parsed.problem_count), (1, 1));
        let parsed = parse_maps((MAPS[..90].to_owned() + "\n" + MAPS).as_bytes());
        assert_eq!((parsed.value.len(), parsed.problem_count), (3, 1));
    }

    proptest! {
        #[test]
        fn programs_are_read_back(made in prop::collection::vec(("[a-z-]{3,9}", "in|e", prop::collection::vec(("[a-z_]{3,9}", any::<u32>()), 0..3)), 0..5)) {
            let mut text = format!("{PROGRAMS}\n");
            for (pod, way, maps) in &made {
                text += &format!("PinPath:  /sys/fs/bpf/{pod}\nPod Identifier : {pod}  Direction : {way}gress \nProg ID:  1\nAssociated Maps -> \n");
                text.extend(maps.iter().map(|(name, id)| format!("Map Name:  {name}\nMap ID:  {id}\n")));
                text += "=====\n";
            }
            let parsed = parse_programs(text.as_bytes());
            prop_assert_eq!(&parsed.problems, &[]);
            let read: Vec<_> = parsed.value.iter().map(|p| (p.pod.to_string(), p.direction.trim_end_matches("gress").to_owned(), p.maps.iter().map(|(n, id)| (n.to_string(), *id)).collect::<Vec<_>>())).collect();
            prop_assert_eq!(read, made);
        }

        #[test]
        fn maps_are_read_back(made in prop::collection::btree_map(any::<u32>(), (0..9u64, any::<bool>()), 0..5)) {
            let mut text = String::new();
            for (id, (keys, complete)) in &made {
                text += &format!("{MAP}{id} ***\n");
                text.extend((0..*keys).map(|n| format!("Key: 10.0.{n}.0/24\n*******************************\n")));
                text += if *complete { "Done reading all entries\n" } else { "" };
            }
            let parsed = parse_maps(text.as_bytes());
            prop_assert_eq!(&parsed.problems, &[]);
            let read: std::collections::BTreeMap<_, _> = parsed.value.iter().map(|map| (map.id, (map.keys, map.complete))).collect();
            prop_assert_eq!(read, made);
        }

        #[test]
        fn any_bytes_are_survived(text in prop_oneof![damaged(LOADED), damaged(MAPS)]) {
            problems_stand_in(&parse_programs(&text), &text);
            problems_stand_in(&parse_maps(&text), &text);
        }
    }
}
