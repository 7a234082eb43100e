//! A record as a JSON text, letter by letter as `processor/cli/common/documents.py` writes it.

use crate::json::Json;
use crate::scan::{Refused, Scan, Taken, sound_if};
use crate::shape::Shape;
use crate::times::put_time;
use std::fmt::Write;

/// Puts a record; of what it holds, the fields that are null are left out.
pub fn put_record(
    fields: &[(String, Shape)],
    inner: bool,
    scan: &mut Scan,
    out: &mut String,
) -> Taken<()> {
    let mut mark = '{';
    for (name, shape) in fields {
        let start = out.len();
        out.push(mark);
        if mark == ',' {
            out.push(' ');
        }
        put_text(name, out);
        out.push_str(": ");
        let shown = put(shape, scan, out)?;
        if shown.is_none() || (inner && shown == Some(false)) {
            out.truncate(start);
        } else {
            mark = ',';
        }
    }
    if mark == '{' {
        out.push('{');
    }
    out.push('}');
    Ok(())
}

/// Puts a value, and returns whether it is not null; nothing where it has no text.
fn put(shape: &Shape, scan: &mut Scan, out: &mut String) -> Taken<Option<bool>> {
    match shape {
        Shape::Text => put_text(scan.text()?, out),
        Shape::Json => put_json(scan.text()?, out)?,
        Shape::Int => written(write!(out, "{}", scan.int()?))?,
        Shape::Long => written(write!(out, "{}", scan.long()?))?,
        Shape::Time => {
            out.push('"');
            put_time(scan.long()?, out)?;
            out.push('"');
        }
        Shape::Double => put_double(scan.double()?, out)?,
        Shape::Boolean => out.push_str(if scan.boolean()? { "true" } else { "false" }),
        Shape::Bytes => return scan.sized().map(|_| None),
        Shape::Symbol(names) => put_text(&names[scan.symbol(names.len())?], out),
        Shape::Many(each) => put_many(scan, out, ['[', ']'], |scan, out| {
            put(each, scan, out).map(|_| ())
        })?,
        Shape::Map(value) => put_many(scan, out, ['{', '}'], |scan, out| {
            put_text(scan.text()?, out);
            out.push_str(": ");
            put(value, scan, out).map(|_| ())
        })?,
        Shape::Optional(one) => {
            if scan.present()? {
                return put(one, scan, out);
            }
            out.push_str("null");
            return Ok(Some(false));
        }
        Shape::Record(fields) => put_record(fields, true, scan, out)?,
    }
    Ok(Some(true))
}

fn put_many(
    scan: &mut Scan,
    out: &mut String,
    marks: [char; 2],
    mut put: impl FnMut(&mut Scan, &mut String) -> Taken<()>,
) -> Taken<()> {
    let count = scan.count()?;
    out.push(marks[0]);
    for each in 0..count {
        if each > 0 {
            out.push_str(", ");
        }
        put(scan, out)?;
    }
    out.push(marks[1]);
    scan.end(count)
}

/// Puts a string.
pub fn put_text(text: &str, out: &mut String) {
    out.push('"');
    let mut plain = 0;
    for (at, byte) in text.bytes().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.push_str(&text[plain..at]);
        plain = at + 1;
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            0x8 => out.push_str("\\b"),
            0xc => out.push_str("\\f"),
            _ => {
                out.push_str("\\u00");
                for digit in [byte >> 4, byte & 15] {
                    out.extend(char::from_digit(digit.into(), 16));
                }
            }
        }
    }
    out.push_str(&text[plain..]);
    out.push('"');
}

/// Puts a JSON text in one line: its line ends and tabs are space, since they are outside of strings.
fn put_json(text: &str, out: &mut String) -> Taken<()> {
    let json = &mut Json::new(text);
    json.space();
    json.kept()?;
    json.finish()?;
    if text.contains(['\n', '\r', '\t']) {
        out.push_str(&text.replace(['\n', '\r', '\t'], " "));
    } else {
        out.push_str(text);
    }
    Ok(())
}

/// Puts a double as Python's `repr` does: the shortest digits, and two of an exponent at least.
fn put_double(value: f64, out: &mut String) -> Taken<()> {
    sound_if(value.is_finite())?;
    let start = out.len();
    written(write!(out, "{value:?}"))?;
    let Some(at) = out[start..].find('e') else {
        return Ok(());
    };
    let exponent: i32 = out[start + at + 1..].parse().map_err(|_| Refused)?;
    out.truncate(start + at);
    written(write!(out, "e{exponent:+03}"))
}

fn written(done: std::fmt::Result) -> Taken<()> {
    done.map_err(|_| Refused)
}
