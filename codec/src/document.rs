//! A record as a JSON text, letter by letter as `processor/cli/common/documents.py` writes it.

use crate::digits::{put_decimal, put_double};
use crate::entries::Keys;
use crate::json::Json;
use crate::plain::put_text;
use crate::scan::{Scan, Taken};
use crate::shape::{Field, Shape};
use crate::times::put_time;

/// Takes a record and puts it; of what it holds, the fields that are null are left out.
pub fn put_record(fields: &[Field], inner: bool, scan: &mut Scan, out: &mut Vec<u8>) -> Taken<()> {
    let mut mark: &[u8] = b"{";
    for field in fields {
        let start = out.len();
        out.extend_from_slice(mark);
        out.extend_from_slice(&field.label);
        let shown = put(&field.shape, scan, out)?;
        if shown.is_none() || (inner && shown == Some(false)) {
            out.truncate(start);
        } else {
            mark = b", ";
        }
    }
    if mark == b"{" {
        out.push(b'{');
    }
    out.push(b'}');
    Ok(())
}

/// Takes a value and puts it; returns whether it is not null, nothing where it has no text.
fn put(shape: &Shape, scan: &mut Scan, out: &mut Vec<u8>) -> Taken<Option<bool>> {
    match shape {
        Shape::Text => put_taken(scan, out).map(|_| ())?,
        Shape::Json => put_json(scan.text()?, out)?,
        Shape::Int => put_decimal(scan.int()?.into(), out),
        Shape::Long => put_decimal(scan.long()?, out),
        Shape::Time => put_time(scan.long()?, out)?,
        Shape::Double => put_double(scan.double()?, out)?,
        Shape::Boolean => out.extend_from_slice(if scan.boolean()? { b"true" } else { b"false" }),
        Shape::Bytes => return scan.sized().map(|_| None),
        Shape::Symbol(names) => put_text(names[scan.symbol(names.len())?].as_bytes(), out),
        Shape::Many(each) => put_many(scan, out, *b"[]", |scan, out| {
            put(each, scan, out).map(|_| ())
        })?,
        Shape::Map(value) => {
            let mut keys = Keys::default();
            put_many(scan, out, *b"{}", |scan, out| {
                keys.add(put_taken(scan, out)?);
                out.extend_from_slice(b": ");
                put(value, scan, out).map(|_| ())
            })?;
            keys.differ()?;
        }
        Shape::Optional(one) => {
            if scan.present()? {
                return put(one, scan, out);
            }
            out.extend_from_slice(b"null");
            return Ok(Some(false));
        }
        Shape::Record(fields) => put_record(fields, true, scan, out)?,
    }
    Ok(Some(true))
}

fn put_many<'a>(
    scan: &mut Scan<'a>,
    out: &mut Vec<u8>,
    marks: [u8; 2],
    mut put: impl FnMut(&mut Scan<'a>, &mut Vec<u8>) -> Taken<()>,
) -> Taken<()> {
    let count = scan.count()?;
    out.push(marks[0]);
    for each in 0..count {
        if each > 0 {
            out.extend_from_slice(b", ");
        }
        put(scan, out)?;
    }
    out.push(marks[1]);
    scan.end(count)
}

/// Takes a text, puts it as a string, and returns it.
fn put_taken<'a>(scan: &mut Scan<'a>, out: &mut Vec<u8>) -> Taken<&'a [u8]> {
    let text = scan.utf8()?;
    put_text(text, out);
    Ok(text)
}

/// Puts a JSON text in one line: its line ends and tabs are space, since they are outside of strings.
fn put_json(text: &str, out: &mut Vec<u8>) -> Taken<()> {
    let json = &mut Json::new(text);
    json.space();
    json.kept()?;
    json.finish()?;
    let start = out.len();
    out.extend_from_slice(text.as_bytes());
    for byte in &mut out[start..] {
        *byte = (*byte).max(b' ');
    }
    Ok(())
}
