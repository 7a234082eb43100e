//! Values of JSON, put as Avro has them.

use crate::json::Json;
use crate::scan::{Refused, Taken, put_double, put_long, put_sized, sound_if};
use crate::times::milliseconds;

/// Letters of a number, at most. Rust's parser takes no more digits of an exponent once it is 65,536
/// or more: that is right only as long as the digits before it cannot make up for such an exponent.
const LONGEST_NUMBER: usize = 10_000;

/// Takes one value that is not null, and puts it as Avro's.
pub type Put = for<'a> fn(&mut Json<'a>, &mut Vec<u8>) -> Taken<()>;

pub fn put_text(json: &mut Json, out: &mut Vec<u8>) -> Taken<()> {
    put_sized(out, &[json.string()?.as_bytes()]);
    Ok(())
}

pub fn put_whole(json: &mut Json, out: &mut Vec<u8>) -> Taken<()> {
    let (digits, whole) = json.number()?;
    sound_if(whole)?;
    put_long(out, digits.parse().map_err(|_| Refused)?);
    Ok(())
}

pub fn put_number(json: &mut Json, out: &mut Vec<u8>) -> Taken<()> {
    let (digits, _) = json.number()?;
    sound_if(digits.len() <= LONGEST_NUMBER)?;
    put_double(out, digits.parse().map_err(|_| Refused)?);
    Ok(())
}

pub fn put_time(json: &mut Json, out: &mut Vec<u8>) -> Taken<()> {
    match json.string_if_any()? {
        Some(text) => put_long(out, milliseconds(&text)?),
        None => put_whole(json, out)?,
    }
    Ok(())
}

pub fn put_texts(json: &mut Json, out: &mut Vec<u8>) -> Taken<()> {
    counted(out, |out| json.array(|json| put_text(json, out)))
}

pub fn put_attributes(json: &mut Json, out: &mut Vec<u8>) -> Taken<()> {
    put_map(json, out, |json, out| put_nullable(json, out, put_kept))
}

pub fn put_item_attributes(json: &mut Json, out: &mut Vec<u8>) -> Taken<()> {
    put_map(json, out, put_kept)
}

pub fn put_discounts(json: &mut Json, out: &mut Vec<u8>) -> Taken<()> {
    put_map(json, out, |json, out| put_nullable(json, out, put_number))
}

/// Takes any value, and puts its text.
fn put_kept(json: &mut Json, out: &mut Vec<u8>) -> Taken<()> {
    put_sized(out, &[json.kept()?.as_bytes()]);
    Ok(())
}

/// Takes an object of such values: who reads the map finds out whether a name stands twice.
fn put_map(json: &mut Json, out: &mut Vec<u8>, value: Put) -> Taken<()> {
    counted(out, |out| {
        json.object(|json, name| {
            put_sized(out, &[name.as_bytes()]);
            value(json, out)
        })
    })
}

fn put_nullable(json: &mut Json, out: &mut Vec<u8>, value: Put) -> Taken<()> {
    if json.null() {
        out.push(0);
        return Ok(());
    }
    out.push(2);
    value(json, out)
}

/// Puts an array or a map: `put` puts its items and returns how many they are.
pub fn counted(out: &mut Vec<u8>, put: impl FnOnce(&mut Vec<u8>) -> Taken<usize>) -> Taken<()> {
    let start = out.len();
    out.push(0); // the count, and all that an empty one has
    let count = put(out)?;
    if count > 0 {
        let mut before = Vec::new();
        put_long(&mut before, count as i64);
        match before[..] {
            [short] => out[start] = short,
            _ => drop(out.splice(start..=start, before)),
        }
        out.push(0);
    }
    Ok(())
}
