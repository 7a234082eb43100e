//! A point in time as a text: RFC 3339, and read also in the forms near it that the contract names.

use crate::digits::put_padded;
use crate::scan::{Refused, Taken, sound_if};

const DAY_MS: i64 = 86_400_000;
/// 0001-01-01 and 9999-12-31, in days from 1970-01-01.
const FIRST_DAY: i64 = -719_162;
const LAST_DAY: i64 = 2_932_896;
const DAYS: [i64; 12] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/// Returns the milliseconds since 1970; what is below one is cut off.
pub fn milliseconds(text: &str) -> Taken<i64> {
    let rest = &mut text.as_bytes();
    let year = number(rest, 4)?;
    one_of(rest, b"-")?;
    let month = number(rest, 2)?;
    one_of(rest, b"-")?;
    let day = number(rest, 2)?;
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    sound_if((1..=12).contains(&month))?;
    let days = DAYS[month as usize - 1] + i64::from(month == 2 && leap);
    sound_if((1..=days).contains(&day))?;
    one_of(rest, b"Tt ")?;
    let hour = below(24, number(rest, 2)?)?;
    one_of(rest, b":")?;
    let minute = below(60, number(rest, 2)?)?;
    let (mut second, mut millis) = (0, 0);
    if one_of(rest, b":").is_ok() {
        second = below(60, number(rest, 2)?)?;
        if one_of(rest, b".,").is_ok() {
            millis = fraction(rest)?;
        }
    }
    let ahead = zone(rest)?;
    sound_if(rest.is_empty())?;
    let minutes = (days_since_1970(year, month, day) * 24 + hour) * 60 + minute - ahead;
    Ok((minutes * 60 + second) * 1000 + millis)
}

/// Takes a zone, and returns how many minutes it is ahead of UTC.
fn zone(rest: &mut &[u8]) -> Taken<i64> {
    if one_of(rest, b"Zz").is_ok() {
        return Ok(0);
    }
    let sign = if one_of(rest, b"+-")? == b'+' { 1 } else { -1 };
    let hours = below(24, number(rest, 2)?)?;
    let minutes = if rest.is_empty() {
        0
    } else {
        let _ = one_of(rest, b":");
        below(60, number(rest, 2)?)?
    };
    Ok(sign * (hours * 60 + minutes))
}

/// Takes one digit or more, and returns the first three as milliseconds.
fn fraction(rest: &mut &[u8]) -> Taken<i64> {
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    sound_if(digits > 0)?;
    let (taken, behind) = rest.split_at(digits);
    *rest = behind;
    let three = taken.iter().chain(b"00").take(3);
    Ok(three.fold(0, |value, digit| value * 10 + i64::from(digit - b'0')))
}

/// Takes so many digits.
fn number(rest: &mut &[u8], digits: usize) -> Taken<i64> {
    let (taken, behind) = rest.split_at_checked(digits).ok_or(Refused)?;
    sound_if(taken.iter().all(u8::is_ascii_digit))?;
    *rest = behind;
    Ok(taken
        .iter()
        .fold(0, |value, digit| value * 10 + i64::from(digit - b'0')))
}

/// Takes one of these letters.
fn one_of(rest: &mut &[u8], letters: &[u8]) -> Taken<u8> {
    let (&first, behind) = rest.split_first().ok_or(Refused)?;
    sound_if(letters.contains(&first))?;
    *rest = behind;
    Ok(first)
}

fn below(bound: i64, value: i64) -> Taken<i64> {
    sound_if(value < bound)?;
    Ok(value)
}

/// Returns the days from 1970-01-01 in the Gregorian calendar, from year 0 on.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    // Years are counted from March on, so that the day of a leap year is their last.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let leaps = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    let before = year * 365 + leaps + (153 * month + 2) / 5;
    before + day - 1 - 719_468 // those from 0000-03-01 to 1970-01-01
}

/// Puts milliseconds since 1970 as a string, RFC 3339 in UTC; refuses what is in no year of four digits.
pub fn put_time(millis: i64, out: &mut Vec<u8>) -> Taken<()> {
    let (days, within) = (millis.div_euclid(DAY_MS), millis.rem_euclid(DAY_MS));
    sound_if((FIRST_DAY..=LAST_DAY).contains(&days))?;
    let (year, month, day) = civil(days);
    let (seconds, millis) = (within / 1000, within % 1000);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    out.push(b'"');
    put_padded::<4>(year, out);
    for (mark, number) in [
        (b'-', month),
        (b'-', day),
        (b'T', hour),
        (b':', minute),
        (b':', second),
    ] {
        out.push(mark);
        put_padded::<2>(number, out);
    }
    out.push(b'.');
    put_padded::<3>(millis, out);
    out.extend_from_slice(b"Z\"");
    Ok(())
}

/// Returns the year, month and day that is so many days from 1970-01-01.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468; // from 0000-03-01, as above
    let (era, within) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (within - within / 1_460 + within / 36_524 - within / 146_096) / 365;
    let day = within - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let first = (153 * month + 2) / 5;
    let (month, next) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    (year + era * 400 + next, month, day - first + 1)
}
