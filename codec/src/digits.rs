//! Numbers as digits.

use crate::scan::{Refused, Taken, sound_if};
use std::io::Write;

/// Below this every number of hundredths has 15 digits at most: no double stands for two of those.
const CERTAIN: f64 = 1e15;
/// Fewer digits than these tell apart all doubles that they stand for.
const UNCERTAIN: usize = 16;

pub fn put_decimal(value: i64, out: &mut Vec<u8>) {
    if value < 0 {
        out.push(b'-');
    }
    let (mut digits, mut at) = ([0; 20], 20);
    let mut left = value.unsigned_abs();
    loop {
        at -= 1;
        digits[at] = b'0' + (left % 10) as u8;
        left /= 10;
        if left == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// Whether a text is a number as `put_decimal` puts it.
pub fn is_decimal(text: &[u8], value: i64) -> bool {
    let digits = if value < 0 {
        text.strip_prefix(b"-")
    } else {
        Some(text)
    };
    let Some(digits @ [first, behind @ ..]) = digits else {
        return false;
    };
    let mut left = value.unsigned_abs();
    let same = digits.iter().rev().all(|digit| {
        let last = (left % 10) as u8;
        left /= 10;
        *digit == b'0' + last
    });
    same && left == 0 && (*first != b'0' || behind.is_empty())
}

/// Puts the last so many digits, with zeros before a shorter number.
pub fn put_padded<const DIGITS: usize>(value: i64, out: &mut Vec<u8>) {
    let mut digits = [b'0'; DIGITS];
    let mut left = value.unsigned_abs();
    for digit in digits.iter_mut().rev() {
        *digit += (left % 10) as u8;
        left /= 10;
    }
    out.extend_from_slice(&digits);
}

/// Puts a double as Python's `repr` does: the shortest digits, and two of an exponent at least.
pub fn put_double(value: f64, out: &mut Vec<u8>) -> Taken<()> {
    if put_hundredths(value, out) {
        return Ok(());
    }
    sound_if(value.is_finite())?;
    let text = even(value).unwrap_or_else(|| format!("{value:?}"));
    let Some((digits, exponent)) = text.split_once('e') else {
        out.extend_from_slice(text.as_bytes());
        return Ok(());
    };
    let exponent: i32 = exponent.parse().map_err(|_| Refused)?;
    write!(out, "{digits}e{exponent:+03}").map_err(|_| Refused)
}

/// Returns a double's digits where Rust's are others: of two shortest texts that are as near to it
/// Python takes the even one, and so does Rust where it is told how many digits there are.
fn even(value: f64) -> Option<String> {
    let short = format!("{value:e}");
    let mantissa = short.split('e').next()?;
    let digits = mantissa.bytes().filter(u8::is_ascii_digit).count();
    if digits < UNCERTAIN {
        return None;
    }
    let even = format!("{value:.*e}", digits - 1);
    // At a power of two the even one may be another double's.
    if even == short || even.parse() != Ok(value) {
        return None;
    }
    let exponent: i32 = even.split('e').nth(1)?.parse().ok()?;
    if (1e-4..1e16).contains(&value.abs()) {
        let places = usize::try_from(digits as i32 - 1 - exponent).ok()?;
        Some(format!("{value:.*}", places.max(1)))
    } else {
        Some(even)
    }
}

/// Puts a double that stands for hundredths, as prices do, and returns whether it does.
///
/// A quotient is the double next to it: if that is the value, these digits are read as it. No fewer
/// are, since two numbers of 15 digits at most are never read as one double.
fn put_hundredths(value: f64, out: &mut Vec<u8>) -> bool {
    let whole = (value * 100.0).round();
    if value.is_sign_negative() || whole >= CERTAIN || whole / 100.0 != value {
        return false;
    }
    let whole = whole as i64;
    put_decimal(whole / 100, out);
    out.push(b'.');
    if whole % 10 == 0 {
        put_padded::<1>(whole / 10, out);
    } else {
        put_padded::<2>(whole, out);
    }
    true
}
