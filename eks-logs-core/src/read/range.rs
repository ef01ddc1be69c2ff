//! Reading by bytes.

use bytes::Bytes;
use memchr::{memchr, memrchr};

use super::content::Window;
use super::{Chunk, DEFAULT_BYTES, LONGEST};
use crate::error::{Error, Result};
use crate::path::StorePath;
use crate::store::{ByteRange, Store};

/// What is read around a range at first: lines are rarely longer.
const MARGIN: u64 = 16 << 10;

pub(super) async fn snapped(store: &dyn Store, path: &StorePath, start: u64, end: Option<u64>) -> Result<Chunk> {
    let object = store.stat(path).await?;
    let end = end.unwrap_or_else(|| start.saturating_add(DEFAULT_BYTES));
    let most = end.min(start.saturating_add(LONGEST));
    let window = Window::open(store, &object, start.saturating_sub(MARGIN), most.saturating_add(MARGIN)).await;
    let mut window = window?;
    ByteRange::new(start, end).within(path, window.size)?;
    let from = snap(&mut window, start).await?;
    let to = if most <= from { from } else { snap(&mut window, most).await? };
    // The end may have snapped too far.
    let to = if to - from > LONGEST { last_boundary(&mut window, from).await? } else { to };
    chunk(window, from, to).await
}

pub(super) async fn exact(store: &dyn Store, path: &StorePath, start: u64, end: u64) -> Result<Chunk> {
    let object = store.stat(path).await?;
    let window = Window::open(store, &object, start.saturating_sub(1), end.min(start.saturating_add(LONGEST))).await?;
    let range = ByteRange::new(start, end).within(path, window.size)?;
    let to = range.end.min(range.start + LONGEST);
    chunk(window, range.start, to).await
}

pub(super) async fn chunk(mut window: Window<'_>, start: u64, end: u64) -> Result<Chunk> {
    window.reach(start.saturating_sub(1), end).await?;
    let ends_at_line = |offset: u64| offset == 0 || window.slice(offset - 1, offset) == b"\n";
    let content = Bytes::copy_from_slice(window.slice(start, end));
    if content.len() as u64 != end - start {
        let source = std::io::Error::new(std::io::ErrorKind::UnexpectedEof, "the file shrank while it was read");
        return Err(Error::Io { path: window.path().to_string(), source });
    }
    Ok(Chunk {
        starts_inside_line: !ends_at_line(start) && start < window.size,
        ends_inside_line: end < window.size && end > start && !content.ends_with(b"\n"),
        content,
        start,
        end,
        size: window.size,
        start_line: None,
        end_line: None,
        lines: None,
        compressed: window.compressed,
        unfinished: window.unfinished.clone(),
        stale_index: false,
    })
}

/// The next boundary at or behind `at`: behind a newline, the end, or [`LONGEST`] behind the start of a line.
async fn snap(window: &mut Window<'_>, at: u64) -> Result<u64> {
    if at == 0 || at >= window.size {
        return Ok(at.min(window.size));
    }
    let mut step = MARGIN;
    let lowest = at.saturating_sub(LONGEST);
    let line_start = loop {
        let from = at.saturating_sub(step).max(lowest);
        window.reach(from, at).await?;
        match memrchr(b'\n', window.slice(from, at)) {
            Some(newline) => break from + newline as u64 + 1,
            None if from == 0 => break 0,
            None if from == lowest => return Ok(at),
            None => step *= 8,
        }
    };
    if line_start == at || at - line_start >= LONGEST {
        return Ok(at);
    }
    let furthest = (line_start + LONGEST).min(window.size);
    let (mut from, mut step) = (at, MARGIN);
    while from < furthest {
        // What is in memory is looked at first: the line may end there.
        let to = if from < window.to() { window.to().min(furthest) } else { (from + step).min(furthest) };
        window.reach(from, to).await?;
        if let Some(newline) = memchr(b'\n', window.slice(from, to)) {
            return Ok(from + newline as u64 + 1);
        }
        from = to;
        step *= 8;
    }
    Ok(furthest)
}

/// The last boundary within [`LONGEST`] bytes behind `from`, which is one.
async fn last_boundary(window: &mut Window<'_>, from: u64) -> Result<u64> {
    let to = from + LONGEST;
    window.reach(from, to).await?;
    Ok(memrchr(b'\n', window.slice(from, to)).map_or(to, |newline| from + newline as u64 + 1))
}
