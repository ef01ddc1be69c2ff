//! How much of a context window a text takes, about: no tokenizer is asked, because each model has another.

/// Letters that make one token, about: words are whole or in a few pieces.
const LETTERS: usize = 5;
/// Digits that make one token.
const DIGITS: usize = 3;
/// Marks that make one token: JSON's come in pairs and threes.
const MARKS: usize = 2;

/// About how many tokens a text takes. Errs to the larger side on logs and JSON.
pub(crate) fn estimate(text: &str) -> usize {
    #[derive(PartialEq)]
    enum Run {
        Letters,
        Digits,
        Marks,
        Space,
    }
    let (mut tokens, mut length, mut run) = (0, 0_usize, Run::Space);
    let close = |run: &Run, length: usize| match run {
        Run::Letters => length.div_ceil(LETTERS),
        Run::Digits => length.div_ceil(DIGITS),
        Run::Marks => length.div_ceil(MARKS),
        // One space belongs to the word behind it.
        Run::Space => length.saturating_sub(1).div_ceil(8),
    };
    for byte in text.bytes() {
        let kind = match byte {
            b'a'..=b'z' | b'A'..=b'Z' => Run::Letters,
            b'0'..=b'9' => Run::Digits,
            b' ' | b'\n' | b'\t' | b'\r' => Run::Space,
            // The first byte of a character outside ASCII counts as one token, the others not.
            0x80..=0xbf => continue,
            0xc0..=0xff => {
                tokens += 1;
                continue;
            }
            _ => Run::Marks,
        };
        if kind == run {
            length += 1;
        } else {
            tokens += close(&run, length);
            (run, length) = (kind, 1);
        }
    }
    tokens + close(&run, length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_what_tokenizers_count() {
        // What the o200k_base vocabulary makes of them.
        for (text, tokens) in [
            ("The OOM killer took a node daemon twice.", 10),
            ("[Fri Nov 20 02:31:09 2026] Out of memory: Killed process 2977 (aws-k8s-agent)", 32),
            (r#"{"file":"kernel/dmesg.current","line":405,"startByte":40842,"endByte":41030}"#, 25),
            (
                r#"E1121 05:00:02.000000    1234 pod_workers.go:1301] "Error syncing pod, skipping" err="failed to \"StartContainer\" for \"app\" with CrashLoopBackOff" pod="default/web-7d4b9c6f5d-x2x4k" podUID="6f1f2a34-5b67-48c9-9d0e-1f2a3b4c5d6e""#,
                106,
            ),
        ] {
            let estimated = estimate(text);
            assert!(estimated >= tokens && estimated * 10 <= tokens * 12, "{text}: {estimated}, not about {tokens}");
        }
        assert_eq!(estimate(""), 0);
        assert_eq!(estimate("日志"), 2);
    }
}
