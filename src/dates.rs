//! Dates as text, digit by digit: a description of a format that is read while the program runs brings ten times the code. Every
//! room may use this; it reads no clock.

use std::fmt::{self, Write};

use time::OffsetDateTime;

/// Bytes of [`Rfc3339`].
const RFC_3339_BYTES: usize = 24;

/// RFC 3339 with milliseconds, `2026-11-26T09:15:02.120Z`, of a time in UTC.
pub(crate) struct Rfc3339(pub(crate) OffsetDateTime);

impl fmt::Display for Rfc3339 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = self.0;
        date(f, time, '-')?;
        f.write_char('T')?;
        clock(f, time)?;
        write!(f, ".{:03}Z", time.millisecond())
    }
}

impl Rfc3339 {
    /// As a string of its own.
    pub(crate) fn text(&self) -> String {
        let mut text = String::with_capacity(RFC_3339_BYTES);
        // Writing into a string does not fail.
        let _ = write!(text, "{self}");
        text
    }
}

/// `2025/08/05 21:23:25`, wherever that is.
pub(crate) struct Plain(pub(crate) OffsetDateTime);

impl fmt::Display for Plain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        date(f, self.0, '/')?;
        f.write_char(' ')?;
        clock(f, self.0)
    }
}

fn date(f: &mut fmt::Formatter<'_>, time: OffsetDateTime, between: char) -> fmt::Result {
    let (year, month, day) = time.to_calendar_date();
    let month = u8::from(month);
    write!(f, "{year:04}{between}{month:02}{between}{day:02}")
}

fn clock(f: &mut fmt::Formatter<'_>, time: OffsetDateTime) -> fmt::Result {
    let (hour, minute, second) = time.to_hms();
    write!(f, "{hour:02}:{minute:02}:{second:02}")
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn each_part_has_its_digits() {
        for (time, rfc_3339, plain) in [
            (
                datetime!(2026-11-26 09:15:02.12 UTC),
                "2026-11-26T09:15:02.120Z",
                "2026/11/26 09:15:02",
            ),
            (
                datetime!(0099-01-02 00:00:00.0009 UTC),
                "0099-01-02T00:00:00.000Z",
                "0099/01/02 00:00:00",
            ),
            (
                datetime!(2024-02-29 23:59:59.999999 UTC),
                "2024-02-29T23:59:59.999Z",
                "2024/02/29 23:59:59",
            ),
        ] {
            assert_eq!(Rfc3339(time).text(), rfc_3339);
            assert_eq!(Plain(time).to_string(), plain);
        }
    }
}
