//! Following events of several lines through the blocks of a file. Blocks come in order; between events nothing is read again.

use memchr::memchr;

use super::block::Scanned;
use crate::event::{self, Assembly, EventKind, Fields, Step, Text};
use crate::line::{self, Stamp};

/// Events whose fields are kept of one file; those beyond are told apart all the same.
const KEPT: usize = 512;
/// Events that are open at a time.
const OPEN: usize = 4;

/// A line that begins an event of several lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Start {
    /// Offset in the block.
    pub(super) at: u32,
    /// Newlines of the block before it.
    pub(super) line: u32,
}

/// An event of several lines.
#[derive(Clone, Debug)]
pub(super) struct Report {
    pub(super) kind: EventKind,
    pub(super) fields: Fields,
    /// Lines of the file before its first and its last line.
    pub(super) first_line: u64,
    pub(super) last_line: u64,
    /// When it began, as printed.
    pub(super) stamp: Stamp,
}

/// The events of one file.
#[derive(Debug, Default)]
pub(super) struct Reports {
    open: Vec<(u32, Assembly)>,
    next: u32,
    kept: Vec<Report>,
}

/// Which lines of a block belong to which event.
pub(super) struct Members(Vec<(usize, usize, u32)>);

impl Members {
    /// The event of the line that holds an offset.
    pub(super) fn of(&self, at: u32) -> Option<u32> {
        let at = at as usize;
        let behind = self.0.partition_point(|(start, ..)| *start <= at);
        let (_, end, report) = self.0.get(behind.checked_sub(1)?)?;
        (at <= *end).then_some(*report)
    }
}

impl Reports {
    pub(super) fn get(&self, number: u32) -> Option<&Report> {
        self.kept.get(number as usize)
    }

    pub(super) fn is_open(&self, number: u32) -> bool {
        self.open.iter().any(|(open, _)| *open == number)
    }

    /// Reads the lines of the events that are open or begin in the next block; `lines` of the file stand before it.
    pub(super) fn follow(&mut self, scanned: &Scanned, lines: u64) -> Members {
        let mut members = Vec::new();
        let mut starts = scanned.starts.iter().peekable();
        let data = &scanned.data;
        let (mut at, mut number) = (scanned.context, lines);
        while at < data.len() {
            if self.open.is_empty() {
                let Some(start) = starts.peek() else { break };
                (at, number) = (start.at as usize, lines + u64::from(start.line));
            }
            let end = memchr(b'\n', &data[at..]).map_or(data.len(), |newline| at + newline);
            let text = data[at..end].strip_suffix(b"\r").unwrap_or(&data[at..end]);
            let text = &*line::clean(text);
            let parsed = line::parse(text);
            let is_start = starts.next_if(|start| start.at as usize <= at).is_some();
            if let Some(report) = self.read(&Text::new(text, &parsed), parsed.kernel, is_start, number, parsed.stamp) {
                members.push((at, end, report));
            }
            (at, number) = (end + 1, number + 1);
        }
        Members(members)
    }

    fn read(&mut self, text: &Text<'_>, kernel: bool, is_start: bool, line: u64, stamp: Stamp) -> Option<u32> {
        let mut member = None;
        let kept = &mut self.kept;
        self.open.retain_mut(|(number, assembly)| {
            if member.is_some() {
                return true;
            }
            let step = assembly.feed(text);
            if matches!(step, Step::Member | Step::Last) {
                member = Some(*number);
            }
            let over = matches!(step, Step::Over | Step::Last);
            if let Some(report) = kept.get_mut(*number as usize) {
                if member == Some(*number) {
                    report.last_line = line;
                }
                if member == Some(*number) || over {
                    report.fields.clone_from(&assembly.fields);
                }
            }
            !over
        });
        if member.is_some() || !is_start || self.open.len() == OPEN {
            return member;
        }
        let kind = event::begins(text, kernel)?;
        let assembly = Assembly::begin(kind, text);
        let number = self.next;
        self.next += 1;
        if kept.len() < KEPT {
            let fields = assembly.fields.clone();
            kept.push(Report { kind, fields, first_line: line, last_line: line, stamp });
        }
        self.open.push((number, assembly));
        Some(number)
    }
}
