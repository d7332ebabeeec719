//! Identifiers and points in time.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A run: a UUID version 7 (RFC 9562), so that ids sort by the time they were made.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId([u8; 16]);

/// A text that is not a run id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a run id: expected a UUID such as 019a3c1e-8f2b-7c4d-9e6f-0123456789ab")]
pub struct RunIdError(pub String);

impl RunId {
    /// The id of a run that started at `at`, told apart from its neighbours by ten bytes of `entropy`.
    #[must_use]
    pub fn new(at: Timestamp, entropy: [u8; 10]) -> Self {
        let millis = at.unix_ms().to_be_bytes();
        let mut raw = [0; 16];
        raw[..6].copy_from_slice(&millis[2..]);
        raw[6..].copy_from_slice(&entropy);
        raw[6] = 0x70 | (raw[6] & 0x0f);
        raw[8] = 0x80 | (raw[8] & 0x3f);
        Self(raw)
    }

    /// The id of these 16 raw bytes, big-endian, as a store keeps them.
    #[must_use]
    pub const fn from_bytes(raw: [u8; 16]) -> Self {
        Self(raw)
    }

    /// The 16 raw bytes, big-endian.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, byte) in self.0.iter().enumerate() {
            if matches!(position, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for RunId {
    type Err = RunIdError;

    fn from_str(text: &str) -> Result<Self, RunIdError> {
        let fail = || RunIdError(text.chars().take(64).collect());
        let dashes = [8, 13, 18, 23];
        if text.len() != 36
            || !text.is_ascii()
            || dashes.iter().any(|&i| text.as_bytes()[i] != b'-')
        {
            return Err(fail());
        }
        let digits: Vec<u8> = text
            .bytes()
            .filter(|&b| b != b'-')
            .map(|b| match b {
                b'0'..=b'9' => Ok(b - b'0'),
                b'a'..=b'f' => Ok(b - b'a' + 10),
                _ => Err(fail()),
            })
            .collect::<Result<_, _>>()?;
        if digits.len() != 32 {
            return Err(fail());
        }
        let mut raw = [0; 16];
        for (slot, pair) in raw.iter_mut().zip(digits.chunks_exact(2)) {
            *slot = pair[0] << 4 | pair[1];
        }
        Ok(Self(raw))
    }
}

impl Serialize for RunId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for RunId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A call within a run, numbered from 0 in the order in which the calls started; 0 is the root call.
pub type CallId = u32;

/// A point in time: microseconds since the Unix epoch, UTC.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Timestamp(u64);

impl Timestamp {
    /// From microseconds since the Unix epoch.
    #[must_use]
    pub const fn from_unix_us(us: u64) -> Self {
        Self(us)
    }

    /// Microseconds since the Unix epoch.
    #[must_use]
    pub const fn unix_us(self) -> u64 {
        self.0
    }

    /// Milliseconds since the Unix epoch, rounded down.
    #[must_use]
    pub const fn unix_ms(self) -> u64 {
        self.0 / 1_000
    }

    /// Whole seconds since the Unix epoch, rounded down.
    #[must_use]
    pub const fn unix_s(self) -> u64 {
        self.0 / 1_000_000
    }

    /// RFC 3339 with microseconds and `Z`, for example `2026-11-21T12:00:00.000000Z`.
    #[must_use]
    pub fn rfc3339(self) -> String {
        let seconds = self.unix_s();
        let (days, second) = (seconds / 86_400, seconds % 86_400);
        let (year, month, day) = civil(days);
        format!(
            "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:06}Z",
            second / 3_600,
            second / 60 % 60,
            second % 60,
            self.0 % 1_000_000
        )
    }
}

/// Days since 1970-01-01 to a proleptic Gregorian date (Hinnant, "chrono-Compatible Low-Level Date Algorithms").
fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_id_is_a_version_7_uuid_and_reads_back() {
        let id = RunId::new(Timestamp::from_unix_us(1_700_000_000_000_000), [0xff; 10]);
        assert_eq!(id.to_string(), "018bcfe5-6800-7fff-bfff-ffffffffffff");
        assert_eq!(id.to_string().parse::<RunId>().unwrap(), id);
        assert!("018bcfe5-6800-7fff-bfff-fffffffffff".parse::<RunId>().is_err());
        assert!("018bcfe5-6800-7fff-bfff-é23456789ab".parse::<RunId>().is_err());
    }

    #[test]
    fn times_are_written_as_rfc_3339() {
        let text = |s: u64| Timestamp::from_unix_us(s * 1_000_000 + 7).rfc3339();
        assert_eq!(text(0), "1970-01-01T00:00:00.000007Z");
        assert_eq!(text(951_782_400), "2000-02-29T00:00:00.000007Z");
        assert_eq!(text(1_795_262_400), "2026-11-21T12:00:00.000007Z");
    }
}
