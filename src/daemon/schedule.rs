//! When the schedule strikes next: cron expressions, read in a time zone with all its turns of the clock.

use chrono::{FixedOffset, NaiveDate, NaiveDateTime, Offset as _, TimeZone as _, Utc};
use croner::parser::{CronParser, Seconds, Year};
use croner::{Cron, JobType};
use jiff::Timestamp;
use jiff::civil;
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};

/// A schedule that was read from the config.
#[derive(Clone, Debug)]
pub struct Schedule {
    cron: Cron,
}

/// A cron expression that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the schedule '{expression}' is not valid: {cause}; write five fields (minute hour day month weekday), six (a second before them), or @hourly and the like"
)]
pub struct ScheduleError {
    /// As it was written.
    pub expression: String,
    /// What is wrong with it.
    pub cause: String,
}

impl Schedule {
    /// Reads an expression of five or six fields (five begin with the minute, six with the second), or one of
    /// `@yearly`, `@monthly`, `@weekly`, `@daily`, `@hourly`. Day of month and weekday, when both are given, mean
    /// either, as in every cron.
    ///
    /// # Errors
    /// When the expression is none of that, or no day ever matches it.
    pub fn parse(expression: &str) -> Result<Self, ScheduleError> {
        let error = |cause: String| ScheduleError {
            expression: expression.to_owned(),
            cause,
        };
        let cron = CronParser::builder()
            .seconds(Seconds::Optional)
            .year(Year::Disallowed)
            .build()
            .parse(expression)
            .map_err(|cause| error(cause.to_string()))?;
        let schedule = Self { cron };
        match schedule.next(Timestamp::UNIX_EPOCH, &TimeZone::UTC) {
            Some(_) => Ok(schedule),
            None => Err(error("no day matches it".to_owned())),
        }
    }

    /// The first instant after `now` that matches in `zone`. A time of day that the clock skips is met at the end of the
    /// gap; one that it shows twice is met the first time, unless the expression asks for each hour or minute.
    #[must_use]
    pub fn next(&self, now: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let start = chrono::DateTime::from_timestamp(now.as_second(), 0)?;
        let next = self.after(start.with_timezone(&Zone(zone)), now);
        if self.cron.determine_job_type() == JobType::FixedTime {
            return next;
        }
        // The search walks the civil time, so from within an hour that the clock shows twice it would step over the
        // second showing. The same search with the offset of now does not.
        let offset = Zone(zone).offset_from_utc_datetime(&start.naive_utc());
        let again = self.after(start.with_timezone(&offset.1), now).filter(|again| {
            chrono::DateTime::from_timestamp(again.as_second(), 0)
                .and_then(|again| self.cron.is_time_matching(&again.with_timezone(&Zone(zone))).ok())
                .unwrap_or(false)
        });
        next.into_iter().chain(again).min()
    }

    fn after<Tz: chrono::TimeZone + Copy>(&self, start: chrono::DateTime<Tz>, now: Timestamp) -> Option<Timestamp> {
        self.cron
            .iter_after(start)
            .map_while(|next| Timestamp::from_second(next.timestamp()).ok())
            .find(|next| *next > now)
    }
}

/// A zone of the rest of this program, as the cron library asks for one.
#[derive(Clone, Copy)]
struct Zone<'a>(&'a TimeZone);

#[derive(Clone, Copy)]
struct ZoneOffset<'a>(Zone<'a>, FixedOffset);

impl std::fmt::Debug for ZoneOffset<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.1.fmt(f)
    }
}

impl chrono::Offset for ZoneOffset<'_> {
    fn fix(&self) -> FixedOffset {
        self.1
    }
}

impl<'a> Zone<'a> {
    fn offset(self, offset: Offset) -> ZoneOffset<'a> {
        let fixed = FixedOffset::east_opt(offset.seconds()).unwrap_or(Utc.fix());
        ZoneOffset(self, fixed)
    }
}

impl<'a> chrono::TimeZone for Zone<'a> {
    type Offset = ZoneOffset<'a>;

    fn from_offset(offset: &ZoneOffset<'a>) -> Self {
        offset.0
    }

    fn offset_from_local_date(&self, local: &NaiveDate) -> chrono::MappedLocalTime<ZoneOffset<'a>> {
        self.offset_from_local_datetime(&NaiveDateTime::from(*local))
    }

    fn offset_from_local_datetime(&self, local: &NaiveDateTime) -> chrono::MappedLocalTime<ZoneOffset<'a>> {
        let Some(civil) = to_civil(*local) else {
            return chrono::MappedLocalTime::None;
        };
        match self.0.to_ambiguous_timestamp(civil).offset() {
            AmbiguousOffset::Unambiguous { offset } => chrono::MappedLocalTime::Single(self.offset(offset)),
            AmbiguousOffset::Gap { .. } => chrono::MappedLocalTime::None,
            AmbiguousOffset::Fold { before, after } => {
                chrono::MappedLocalTime::Ambiguous(self.offset(before), self.offset(after))
            }
        }
    }

    fn offset_from_utc_date(&self, utc: &NaiveDate) -> ZoneOffset<'a> {
        self.offset_from_utc_datetime(&NaiveDateTime::from(*utc))
    }

    fn offset_from_utc_datetime(&self, utc: &NaiveDateTime) -> ZoneOffset<'a> {
        let timestamp = Timestamp::from_second(utc.and_utc().timestamp()).unwrap_or(Timestamp::MAX);
        self.offset(self.0.to_offset(timestamp))
    }
}

/// As far as the years of both libraries reach.
fn to_civil(naive: NaiveDateTime) -> Option<civil::DateTime> {
    let since_epoch = naive.signed_duration_since(chrono::DateTime::UNIX_EPOCH.naive_utc());
    let timestamp = Timestamp::from_second(since_epoch.num_seconds()).ok()?;
    Some(TimeZone::UTC.to_datetime(timestamp))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::six_fields("0 */15 * * * *", "2026-06-01T10:01:00Z", "2026-06-01T10:15:00Z")]
    #[case::five_fields("*/15 * * * *", "2026-06-01T10:01:00Z", "2026-06-01T10:15:00Z")]
    #[case::name("@hourly", "2026-06-01T10:01:00Z", "2026-06-01T11:00:00Z")]
    #[case::local_time("0 3 * * *", "2026-06-01T10:00:00Z", "2026-06-02T01:00:00Z")]
    #[case::strictly_after("0 * * * *", "2026-06-01T10:00:00Z", "2026-06-01T11:00:00Z")]
    #[case::a_fraction_before("0 * * * *", "2026-06-01T09:59:59.9Z", "2026-06-01T10:00:00Z")]
    #[case::day_or_weekday("0 0 13 * FRI", "2026-06-01T00:00:00Z", "2026-06-04T22:00:00Z")]
    #[case::the_day_the_clock_goes_forward("0 3 * * *", "2026-03-28T12:00:00Z", "2026-03-29T01:00:00Z")]
    #[case::in_the_gap("30 2 * * *", "2026-03-28T12:00:00Z", "2026-03-29T01:00:00Z")]
    #[case::across_the_gap("*/15 * * * *", "2026-03-29T00:50:00Z", "2026-03-29T01:00:00Z")]
    #[case::twice_shown_the_first_time("30 2 * * *", "2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z")]
    #[case::twice_shown_once_only("30 2 * * *", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z")]
    #[case::into_the_repeated_hour("*/15 * * * *", "2026-10-25T00:50:00Z", "2026-10-25T01:00:00Z")]
    #[case::within_the_repeated_hour("*/15 * * * *", "2026-10-25T01:00:00Z", "2026-10-25T01:15:00Z")]
    #[case::out_of_the_repeated_hour("*/15 * * * *", "2026-10-25T01:50:00Z", "2026-10-25T02:00:00Z")]
    fn strikes_next_in_berlin(#[case] expression: &str, #[case] now: &str, #[case] next: &str) {
        let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        let schedule = Schedule::parse(expression).unwrap();
        assert_eq!(schedule.next(now.parse().unwrap(), &zone), Some(next.parse().unwrap()));
    }

    #[rstest]
    #[case("")]
    #[case("* * * *")]
    #[case("* * * * * * *")]
    #[case("61 * * * *")]
    #[case("@often")]
    #[case("0 0 30 2 *")]
    fn nonsense_is_refused_with_what_is_allowed(#[case] expression: &str) {
        let error = Schedule::parse(expression).unwrap_err().to_string();
        assert!(
            error.contains(&format!("'{expression}'")) && error.contains("@hourly"),
            "{error}"
        );
    }
}
