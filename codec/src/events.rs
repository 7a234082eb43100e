//! CloudEvents: what of an event counts, and what it makes of the update that it holds.

use crate::fields::{EVENT_ID, EVENT_TIME, Members, UPDATE};
use crate::json::Json;
use crate::media::{content_type, is_json_type};
use crate::scan::{Refused, Taken, put_long, put_sized, sound_if};
use crate::times::milliseconds;
use std::borrow::Cow;

const VERSION: &str = "1.0";

/// What an event says of its update; absent is what it does not say.
#[derive(Default)]
pub struct Event<'a> {
    pub version: Option<Cow<'a, str>>,
    pub id: Option<Cow<'a, str>>,
    pub time: Option<Cow<'a, str>>,
}

impl Event<'_> {
    /// Puts the update that the event holds.
    pub fn put(self, mut update: Members<{ UPDATE.len() }>, out: &mut Vec<u8>) -> Taken<()> {
        sound_if(self.version.is_some_and(|version| version == VERSION))?;
        let mut own = Vec::new();
        if let Some(id) = self.id {
            put_sized(&mut own, &[id.as_bytes()]);
            update.stand_in(EVENT_ID, &own)?;
        }
        if let Some(time) = self.time {
            own.clear();
            put_long(&mut own, milliseconds(&time)?);
            update.stand_in(EVENT_TIME, &own)?;
        }
        update.put(&UPDATE, out)
    }
}

/// Takes an event in structured mode, and puts its update.
pub fn put_structured(json: &mut Json, out: &mut Vec<u8>) -> Taken<()> {
    let (mut event, mut update, mut names) = (Event::default(), None, Vec::new());
    json.object(|json, name| {
        match &*name {
            "specversion" => event.version = text_or_null(json)?,
            "id" => event.id = text_or_null(json)?,
            "time" => event.time = text_or_null(json)?,
            "data" => update = Some(Members::take(json, &UPDATE)?),
            "data_base64" => sound_if(json.null())?,
            "datacontenttype" => {
                if let Some(held) = text_or_null(json)? {
                    sound_if(is_json_type(&content_type(held.as_bytes())?))?;
                }
            }
            // An attribute or an extension: none of them is an object, whose names would count.
            _ => json.scalar()?,
        }
        names.push(name);
        Ok(())
    })?;
    names.sort_unstable();
    sound_if(names.windows(2).all(|pair| pair[0] != pair[1]))?;
    event.put(update.ok_or(Refused)?, out)
}

fn text_or_null<'a>(json: &mut Json<'a>) -> Taken<Option<Cow<'a, str>>> {
    if json.null() {
        return Ok(None);
    }
    json.string().map(Some)
}
