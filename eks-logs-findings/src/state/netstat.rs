//! `netstat -plant`: TCP sockets of the node (not of pods).

use core::net::{IpAddr, SocketAddr};

use super::{Lines, Parsed, Span};

/// A socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Socket {
    /// Its line.
    pub span: Span,
    /// Whether it is of IPv6's kind (`tcp6`), which may speak IPv4 too.
    pub six: bool,
    /// Bytes that the program has not fetched; of a listener, connections that wait to be accepted.
    pub receive_queue: u64,
    /// Bytes that the peer has not acknowledged; of a listener, the most connections that may wait.
    pub send_queue: u64,
    /// Its own address. netstat cuts long IPv6 addresses: then `None`.
    pub local: Option<SocketAddr>,
    /// The peer's address; `None` for a listener.
    pub peer: Option<SocketAddr>,
    /// `LISTEN`, `ESTABLISHED`, `TIME_WAIT` ...
    pub state: Box<str>,
    /// Its process, where netstat may know it.
    pub process: Option<Process>,
}

/// The process that a socket belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// Its name, cut by netstat at 20 characters.
    pub name: Box<str>,
}

/// Reads the sockets.
pub fn parse(text: &[u8]) -> Parsed<Vec<Socket>> {
    let mut parsed = Parsed::new(Vec::new());
    for (span, line) in Lines::new(text) {
        let Ok(line) = std::str::from_utf8(line) else {
            parsed.problem(span, "the line is not UTF-8");
            continue;
        };
        let heading = ["Active Internet connections", "Proto Recv-Q", "(Not all processes", " will not be shown"];
        if line.trim().is_empty() || heading.iter().any(|heading| line.starts_with(heading)) {
            continue;
        }
        match socket(span, line) {
            Some(socket) => parsed.value.push(socket),
            None => parsed.problem(span, "expected `tcp RECV-Q SEND-Q LOCAL FOREIGN STATE PID/PROGRAM`"),
        }
    }
    parsed
}

fn socket(span: Span, line: &str) -> Option<Socket> {
    let mut rest = line;
    let mut next = || {
        let word = rest.trim_start();
        let (word, after) = word.split_once(' ').unwrap_or((word, ""));
        rest = after;
        (!word.is_empty()).then_some(word)
    };
    let six = match next()? {
        "tcp" => false,
        "tcp6" => true,
        _ => return None,
    };
    let (receive_queue, send_queue) = (next()?.parse().ok()?, next()?.parse().ok()?);
    let (local, peer, state) = (next()?, next()?, next()?.into());
    let (pid, name) = rest.trim().split_once('/').unwrap_or_default();
    let process = pid.parse().ok().map(|pid| Process { pid, name: name.into() });
    Some(Socket { span, six, receive_queue, send_queue, local: address(local), peer: address(peer), state, process })
}

/// `10.70.3.4:10250`, `:::10250`, `fe80::1:22`; `None` for `0.0.0.0:*`.
fn address(text: &str) -> Option<SocketAddr> {
    let (address, port) = text.rsplit_once(':')?;
    Some(SocketAddr::new(address.parse::<IpAddr>().ok()?, port.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::damage::{damaged, problems_stand_in};
    use super::*;

    const NODE: &str = "\
Active Internet connections (servers and established)
Proto Recv-Q Send-Q Local Address           Foreign Address         State       PID/Program name    
tcp        0      0 127.0.0.1:50051         0.0.0.0:*               LISTEN      4711/aws-k8s-agent  
tcp        0      0 10.70.3.4:41000         172.20.0.1:443          ESTABLISHED 4711/aws-k8s-agent  
tcp        0      0 10.70.3.4:22            10.70.9.9:50000         TIME_WAIT   -                   
tcp6       0      0 :::10250                :::*                    LISTEN      3141/kubelet        
tcp        0      0 0.0.0.0:22              0.0.0.0:*               LISTEN      7/sshd: /usr/sbin/s 
";

    #[test]
    fn sockets_of_a_node() {
        let parsed = parse(NODE.as_bytes());
        assert_eq!(parsed.problems, []);
        let sockets = parsed.value;
        assert_eq!(sockets[0].local, "127.0.0.1:50051".parse().ok());
        assert_eq!((sockets[0].peer, &*sockets[0].state), (None, "LISTEN"));
        assert_eq!(sockets[2].process, None);
        assert_eq!(sockets[3].local, "[::]:10250".parse().ok());
        assert_eq!(sockets[4].process.as_ref().map(|p| (p.pid, &*p.name)), Some((7, "sshd: /usr/sbin/s")));
    }

    proptest! {
        #[test]
        fn what_was_printed_is_read_back(
            made in prop::collection::vec((any::<u64>(), any::<(IpAddr, u16)>(), any::<(IpAddr, u16)>(), "LISTEN|ESTABLISHED|CLOSE_WAIT", prop::option::of((any::<u32>(), "[a-z]{1,8}(: [a-z]{1,4})?"))), 0..8)
        ) {
            let mut text = NODE[..NODE.find("tcp ").unwrap()].to_owned();
            for (queue, local, peer, state, process) in &made {
                let kind = if local.0.is_ipv6() { "tcp6" } else { "tcp" };
                let process = process.as_ref().map_or_else(|| "-".to_owned(), |(pid, name)| format!("{pid}/{name}"));
                text += &format!("{kind:<6} {queue:>6} {:>6} {:<23} {:<23} {state:<11} {process:<20}\n", 0, format!("{}:{}", local.0, local.1), format!("{}:{}", peer.0, peer.1));
            }
            let parsed = parse(text.as_bytes());
            prop_assert_eq!(&parsed.problems, &[]);
            let read: Vec<_> = parsed.value.into_iter().map(|s| {
                let pair = |address: Option<SocketAddr>| address.map(|a| (a.ip(), a.port())).unwrap();
                (s.receive_queue, pair(s.local), pair(s.peer), s.state.to_string(), s.process.map(|p| (p.pid, p.name.to_string())))
            }).collect();
            prop_assert_eq!(read, made);
        }

        #[test]
        fn any_bytes_are_survived(text in damaged(NODE)) {
            problems_stand_in(&parse(&text), &text);
        }
    }
}
