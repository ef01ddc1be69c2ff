//! Sizes for people.

/// Bytes for people, in powers of 1024.
pub(crate) fn size_human(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut size = bytes as f64;
    let mut unit = 0;
    while size >= 1024.0 && unit + 1 < UNITS.len() {
        size /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{size:.1} {}", UNITS[unit]) }
}

#[cfg(test)]
mod tests {
    use super::size_human;

    #[test]
    fn sizes_for_people() {
        assert_eq!(size_human(0), "0 B");
        assert_eq!(size_human(1023), "1023 B");
        assert_eq!(size_human(1536), "1.5 KiB");
        assert_eq!(size_human(u64::MAX), "16777216.0 TiB");
    }
}
