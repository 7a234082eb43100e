//! Numbers as digits.

use crate::scan::{Refused, Taken, sound_if};
use std::io::Write;
use std::ops::Range;

/// Below this every number of hundredths has 15 digits at most: no double stands for two of those.
const CERTAIN: f64 = 1e15;
/// From 2^49 to 2^51 tenths are enough to tell a double, and a fourth is as near to one as to another:
/// of those Python takes the even one, as Rust does where it is told how many digits there are.
const TIES: Range<f64> = 562_949_953_421_312.0..2_251_799_813_685_248.0;

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
    let text = if TIES.contains(&value.abs()) {
        format!("{value:.1}")
    } else {
        format!("{value:?}")
    };
    let Some((digits, exponent)) = text.split_once('e') else {
        out.extend_from_slice(text.as_bytes());
        return Ok(());
    };
    let exponent: i32 = exponent.parse().map_err(|_| Refused)?;
    write!(out, "{digits}e{exponent:+03}").map_err(|_| Refused)
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
