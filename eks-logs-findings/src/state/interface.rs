//! A network interface, as `ifconfig` and `ip addr` print it.

use core::net::IpAddr;

use super::Span;

/// A network interface.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interface {
    /// Its first line.
    pub span: Span,
    /// Its name, without the peer behind `@`.
    pub name: Box<str>,
    /// `UP`, `BROADCAST`, `RUNNING`, `MULTICAST`, `LOOPBACK`, `NO-CARRIER` ... as printed. `ip` prints `LOWER_UP` where `ifconfig` prints
    /// `RUNNING`.
    pub flags: Vec<Box<str>>,
    /// The largest packet, in bytes.
    pub mtu: Option<u32>,
    /// Its hardware address.
    pub mac: Option<Box<str>>,
    /// Its addresses, with the length of their prefix.
    pub addresses: Vec<(IpAddr, u8)>,
    /// Its counters; `ip addr` prints none.
    pub counters: Option<Counters>,
}

/// What an interface received and sent since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Packets received.
    pub rx_packets: u64,
    /// Packets that could not be received.
    pub rx_errors: u64,
    /// Packets received and thrown away.
    pub rx_dropped: u64,
    /// Packets sent.
    pub tx_packets: u64,
    /// Packets that could not be sent.
    pub tx_errors: u64,
    /// Packets thrown away instead of sent.
    pub tx_dropped: u64,
}

impl Interface {
    /// Whether a flag was printed.
    pub fn has(&self, flag: &str) -> bool {
        self.flags.iter().any(|known| &**known == flag)
    }

    /// Whether it is administratively up.
    pub fn is_up(&self) -> bool {
        self.has("UP")
    }

    /// Whether the driver has a carrier.
    pub fn is_running(&self) -> bool {
        self.has("RUNNING") || self.has("LOWER_UP")
    }

    /// Whether it carries frames of a network (not a loopback, tunnel or dummy).
    pub fn is_ethernet(&self) -> bool {
        self.has("BROADCAST") && self.has("MULTICAST")
    }
}
