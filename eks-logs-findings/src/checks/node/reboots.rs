//! The history of boots.

use jiff::civil::date;

use super::files::needed;
use crate::Severity;
use crate::checks::thresholds;
use crate::checks::{Fault, Outcome, State};
use crate::state::reboots::{Boot, End};

/// Boots that ended without a shutdown.
pub(super) fn unclean(state: &State) -> Result<Vec<Fault>, Outcome> {
    let read = needed(&state.node.reboots, "system/last_reboot.txt", "how earlier boots ended", |reboots| {
        reboots.boots.is_empty()
    })?;
    let ended = read
        .value()
        .boots
        .iter()
        .enumerate()
        .filter(|(at, boot)| boot.end == End::Crash || (*at > 0 && boot.end == End::Open));
    let ended: Vec<&Boot> = ended.map(|(_, boot)| boot).collect();
    let Some(newest) = ended.first() else { return Ok(Vec::new()) };
    // The oldest boot on record may be the one in which the image was built, and images are taken without a shutdown.
    let of_the_image = ended.len() == 1 && read.value().boots.last() == Some(newest);
    let mild = "only the oldest boot on record ended so: it may be the one in which the image was built";
    Ok(vec![Fault {
        count: ended.len() as u64,
        severity: of_the_image.then(|| (Severity::Low, mild.to_owned())),
        detail: format!(
            "{} of {} boots ended without a shutdown; the newest of them began on {:02}-{:02} at {:02}:{:02} (node's zone)",
            ended.len(),
            read.value().boots.len(),
            newest.month,
            newest.day,
            newest.hour,
            newest.minute
        ),
        cites: ended.iter().map(|boot| read.cite(boot.span)).collect(),
        ..Fault::default()
    }])
}

/// Minutes since the year 1970, in the node's zone.
fn minutes(boot: &Boot) -> Option<i64> {
    let (month, day) = (i8::try_from(boot.month).ok()?, i8::try_from(boot.day).ok()?);
    let day = jiff::civil::Date::new(boot.year?, month, day).ok()?;
    let days = day.since(date(1970, 1, 1)).ok()?.get_days();
    Some(i64::from(days) * 1440 + i64::from(boot.hour) * 60 + i64::from(boot.minute))
}

/// Several boots within a day.
pub(super) fn many(state: &State) -> Result<Vec<Fault>, Outcome> {
    let read = needed(&state.node.reboots, "system/last_reboot.txt", "how often the node booted", |reboots| {
        reboots.boots.is_empty()
    })?;
    let boots: Vec<(i64, &Boot)> = read.value().boots.iter().filter_map(|boot| Some((minutes(boot)?, boot))).collect();
    if boots.is_empty() {
        return Err(Outcome::Unknown(format!("{} tells no year: how close boots are is not known", read.path)));
    }
    let within = |from: usize| boots[from..].iter().take_while(|(at, _)| boots[from].0 - at < 1440).count();
    let Some((most, from)) = (0..boots.len()).map(|from| (within(from), std::cmp::Reverse(from))).max() else {
        return Ok(Vec::new());
    };
    if (most as f64) < thresholds::boots_in_a_day() {
        return Ok(Vec::new());
    }
    Ok(vec![Fault {
        count: most as u64,
        detail: format!("{most} boots within 24 hours"),
        cites: boots[from.0..from.0 + most].iter().map(|(_, boot)| read.cite(boot.span)).collect(),
        ..Fault::default()
    }])
}
