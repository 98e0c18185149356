//! Which of two times is the newer one, with all that can stand in a column of times.

use super::{Reason, Zones};
use crate::model::{Instant, Side, Value};

/// What two stored times say about each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Newest {
    /// This side's is later.
    Later(Side),
    /// This side has a time, the other has none (NULL or empty).
    Only(Side),
    /// This side's can be read (or is the only one there), the other one not.
    Readable(Side),
    /// Both are there and neither can be read.
    Unreadable,
    /// The same instant, or the same stored value, or none on either side.
    Equal,
}

impl Newest {
    /// Compares two stored times, naive ones in the zone of their side. The same stored value is the same time
    /// whatever the zones: it was copied, not written twice.
    pub fn of(local: &Value, server: &Value, zones: &Zones) -> Self {
        if local == server {
            return Self::Equal;
        }
        match (is_absent(local), is_absent(server)) {
            (true, true) => return Self::Equal,
            (false, true) => return Self::Only(Side::Local),
            (true, false) => return Self::Only(Side::Server),
            (false, false) => {}
        }
        match (
            Instant::parse(local, &zones.local),
            Instant::parse(server, &zones.server),
        ) {
            (Some(local), Some(server)) if local > server => Self::Later(Side::Local),
            (Some(local), Some(server)) if local < server => Self::Later(Side::Server),
            (Some(_), Some(_)) => Self::Equal,
            (Some(_), None) => Self::Readable(Side::Local),
            (None, Some(_)) => Self::Readable(Side::Server),
            (None, None) => Self::Unreadable,
        }
    }

    /// The side whose version stands; `otherwise` when the times do not tell.
    pub fn winner(self, otherwise: Side) -> Side {
        match self {
            Self::Later(side) | Self::Only(side) | Self::Readable(side) => side,
            Self::Unreadable | Self::Equal => otherwise,
        }
    }

    /// Why that side's group stands.
    pub fn reason_for_group(self) -> Reason {
        match self {
            Self::Later(_) => Reason::NewerGroup,
            Self::Only(_) => Reason::DecidedBeatsUndecided,
            Self::Readable(_) | Self::Unreadable => Reason::UnreadableTime,
            Self::Equal => Reason::EqualTimesServer,
        }
    }

    /// Why that side's other columns stand.
    pub fn reason_for_row(self) -> Reason {
        match self {
            Self::Later(_) | Self::Only(_) => Reason::NewerRow,
            Self::Readable(_) | Self::Unreadable => Reason::UnreadableTime,
            Self::Equal => Reason::EqualTimesLocal,
        }
    }
}

fn is_absent(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Text(bytes) => bytes.trim_ascii().is_empty(),
        _ => false,
    }
}
