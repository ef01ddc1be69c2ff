//! `verify` for people: what does not hold first.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use eks_logs_findings::verify::{ClaimVerdict, Judged};
use eks_logs_tools::VerifyAnswer;

use super::{BOLD, DIM, LINE};
use crate::terminal::{neutral, shortened};

pub(crate) fn verify(answer: &VerifyAnswer) -> String {
    let mut out = String::new();
    let found = &answer.verification;
    say!(
        out,
        "{BOLD}{} claims{BOLD:#}: {} supported, {} contradicted, {} not found",
        found.claims.len(),
        found.supported,
        found.contradicted,
        found.not_found
    );
    for (verdict, title, style) in [
        (ClaimVerdict::Contradicted, "Contradicted", AnsiColor::Red.on_default().bold()),
        (ClaimVerdict::NotFound, "Not found", AnsiColor::Yellow.on_default()),
        (ClaimVerdict::Supported, "Supported", AnsiColor::Green.on_default()),
    ] {
        let of: Vec<&Judged> = found.claims.iter().filter(|claim| claim.verdict == verdict).collect();
        if !of.is_empty() {
            say!(out);
            say!(out, "{style}{title}{style:#}");
        }
        for claim in of {
            self::claim(&mut out, claim, style);
        }
    }
    if found.claims.is_empty() {
        say!(
            out,
            "Nothing in the report is a claim that can be checked: name findings by id, quote lines, give counts and times."
        );
    }
    if found.not_judged > 0 {
        say!(out);
        say!(out, "{} claims more were not judged: cut the report in parts.", found.not_judged);
    }
    if !found.unread.is_empty() {
        let named: Vec<String> = found.unread.iter().take(6).map(|file| neutral(file)).collect();
        say!(out);
        say!(out, "Not read to the end, so that quotations may stand there: {}", named.join(", "));
    }
    out
}

fn claim(out: &mut String, claim: &Judged, style: Style) {
    say!(out, "  {DIM}line {}{DIM:#} {style}{}{style:#}", claim.report_line, shortened(&neutral(&claim.claim), LINE));
    let place = claim.span.as_ref().map_or(String::new(), |span| {
        format!(" {DIM}{}:{} bytes {}..{}{DIM:#}", neutral(&span.file), span.line, span.start_byte, span.end_byte)
    });
    say!(out, "      {}{place}", shortened(&neutral(&claim.reason), LINE));
}
