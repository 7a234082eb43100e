//! The format of a record, as its headers and its first byte tell it.

use crate::events::{Event, put_structured};
use crate::fields::{Members, UPDATE};
use crate::json::Json;
use crate::media::{content_type, is_json_type};
use crate::scan::{Refused, Taken, sound_if};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString, PyTuple};
use std::borrow::Cow;

/// `SCHEMA_ID_HEADER` of `processor/avro/framing.py`, and `HEADERS_UNREADABLE` of
/// `processor/ports/log.py`.
const SCHEMA_ID: &str = "__value_schema_id";
const UNREADABLE: &str = "session-processor.headers-unreadable";

/// What is read besides Avro.
pub struct Formats<'a> {
    pub json: bool,
    pub cloudevents: bool,
    /// The registry's framing that stands before JSON, if any.
    pub header: &'a [u8],
}

/// The headers that say of what format a record is; of those with one name, the first.
#[derive(Default)]
pub struct Named<'py> {
    /// Whether one names the value's schema.
    pub schema: bool,
    unreadable: bool,
    content_type: Option<Bound<'py, PyAny>>,
    version: Option<Bound<'py, PyAny>>,
    id: Option<Bound<'py, PyAny>>,
    time: Option<Bound<'py, PyAny>>,
}

impl<'py> Named<'py> {
    pub fn by(headers: &Bound<'py, PyAny>) -> PyResult<Self> {
        let mut named = Named::default();
        for header in headers.try_iter()? {
            let header = header?.downcast_into::<PyTuple>()?;
            let name = header.get_borrowed_item(0)?;
            let place = match name.downcast::<PyString>()?.to_str().unwrap_or_default() {
                SCHEMA_ID => {
                    named.schema = true;
                    continue;
                }
                UNREADABLE => {
                    named.unreadable = true;
                    continue;
                }
                "content-type" => &mut named.content_type,
                "ce_specversion" => &mut named.version,
                "ce_id" => &mut named.id,
                "ce_time" => &mut named.time,
                _ => continue,
            };
            if place.is_none() {
                *place = Some(header.get_item(1)?);
            }
        }
        Ok(named)
    }
}

/// Returns the update that a record holds in JSON, as Avro has it.
pub fn transcoded(value: &[u8], named: &Named, formats: &Formats) -> Taken<Vec<u8>> {
    sound_if((formats.json || formats.cloudevents) && !named.schema && !named.unreadable)?;
    let held = bytes(&named.content_type)?.map(content_type).transpose()?;
    let said = held.as_deref().unwrap_or_default();
    let value = match value.strip_prefix(formats.header) {
        Some(behind) if !formats.header.is_empty() => behind,
        _ => {
            sound_if(is_json(value, said))?;
            value
        }
    };
    let text = std::str::from_utf8(value).map_err(|_| Refused)?;
    let json = &mut Json::new(text);
    let mut out = Vec::with_capacity(text.len());
    json.space();
    match said {
        "application/cloudevents-batch+json" => return Err(Refused),
        "application/cloudevents+json" => {
            sound_if(formats.cloudevents)?;
            put_structured(json, &mut out)?;
        }
        _ if formats.cloudevents && named.version.is_some() => {
            let event = Event {
                version: held_text(&named.version)?,
                id: held_text(&named.id)?,
                time: held_text(&named.time)?,
            };
            event.put(Members::take(json, &UPDATE)?, &mut out)?;
        }
        _ => {
            sound_if(formats.json)?;
            Members::take(json, &UPDATE)?.put(&UPDATE, &mut out)?;
        }
    }
    json.finish()?;
    Ok(out)
}

/// Whether a value is JSON, of a record that names no schema.
fn is_json(value: &[u8], said: &str) -> bool {
    let untold = || !said.starts_with("application/cloudevents") && value.starts_with(b"{");
    !said.contains("avro") && (is_json_type(said) || untold())
}

/// Returns a header's value, None where the header is absent; one without a value is refused.
fn bytes<'a>(header: &'a Option<Bound<'_, PyAny>>) -> Taken<Option<&'a [u8]>> {
    let held = header.as_ref().map(|held| held.downcast::<PyBytes>());
    let held = held.transpose().map_err(|_| Refused)?;
    Ok(held.map(|held| held.as_bytes()))
}

fn held_text<'a>(header: &'a Option<Bound<'_, PyAny>>) -> Taken<Option<Cow<'a, str>>> {
    let text = bytes(header)?.map(std::str::from_utf8).transpose();
    text.map(|text| text.map(Cow::Borrowed))
        .map_err(|_| Refused)
}
