//! Records of JSON: their fields by name, in any order, put as Avro has them.

use crate::json::Json;
use crate::layout::{PLAIN, STATES};
use crate::scan::{Refused, Taken, put_long, sound_if};
use crate::values::{
    Put, counted, put_attributes, put_discounts, put_item_attributes, put_number, put_text,
    put_texts, put_time, put_whole,
};
use std::ops::Range;

#[derive(Clone, Copy)]
pub struct Field {
    name: &'static str,
    put: Put,
    /// Whether it may be absent: then Avro has a union with null.
    optional: bool,
}

const fn required(name: &'static str, put: Put) -> Field {
    let optional = false;
    Field {
        name,
        put,
        optional,
    }
}

const fn optional(name: &'static str, put: Put) -> Field {
    let optional = true;
    Field {
        name,
        put,
        optional,
    }
}

const HEAD: [Field; 4] = [
    required("eventId", put_text),
    required("eventTime", put_time),
    required("applicationId", put_whole),
    required("integrationId", put_text),
];

const TAIL: [Field; 6] = [
    optional("state", put_state),
    optional("cartItems", put_cart),
    optional("identifiers", put_texts),
    optional("total", put_number),
    optional("attributes", put_attributes),
    optional("discounts", put_discounts),
];

/// The fields of a SessionUpdate.
pub const UPDATE: [Field; HEAD.len() + PLAIN.len() + TAIL.len()] = {
    let mut fields = [HEAD[0]; HEAD.len() + PLAIN.len() + TAIL.len()];
    let mut at = 0;
    while at < fields.len() {
        fields[at] = if at < HEAD.len() {
            HEAD[at]
        } else if at < HEAD.len() + PLAIN.len() {
            let plain = &PLAIN[at - HEAD.len()];
            optional(plain.name, plain.put)
        } else {
            TAIL[at - HEAD.len() - PLAIN.len()]
        };
        at += 1;
    }
    fields
};

/// Where the event's id and time are among them.
pub const EVENT_ID: usize = 0;
pub const EVENT_TIME: usize = 1;

/// The fields of a CartItem.
const ITEM: [Field; 11] = [
    required("name", put_text),
    required("sku", put_text),
    required("quantity", put_whole),
    required("price", put_number),
    optional("category", put_text),
    optional("weight", put_number),
    optional("height", put_number),
    optional("width", put_number),
    optional("length", put_number),
    optional("position", put_number),
    optional("attributes", put_item_attributes),
];

/// More bytes than the values of most records have.
const ROOM: usize = 256;

/// The members of an object that are a record's fields, as Avro has each value.
pub struct Members<const FIELDS: usize> {
    values: Vec<u8>,
    /// Where each field's value is: an empty place where it is null.
    places: [Option<Range<usize>>; FIELDS],
}

impl<const FIELDS: usize> Members<FIELDS> {
    /// Takes an object that has such fields and no others, none of them twice.
    pub fn take(json: &mut Json, fields: &[Field; FIELDS]) -> Taken<Self> {
        let mut values = Vec::with_capacity(ROOM);
        let mut places = [const { None }; FIELDS];
        // Mostly they stand in the order of the schema: the first one looked at is the next one.
        let mut next = 0;
        json.object(|json, name| {
            let found = (next..FIELDS)
                .chain(0..next)
                .find(|&at| fields[at].name == name);
            let at = found.ok_or(Refused)?;
            sound_if(places[at].is_none())?;
            let start = values.len();
            if !json.null() {
                (fields[at].put)(json, &mut values)?;
            }
            places[at] = Some(start..values.len());
            next = at + 1;
            Ok(())
        })?;
        Ok(Members { values, places })
    }

    /// Puts a value where the field is absent; one that is there must be the same.
    pub fn stand_in(&mut self, at: usize, value: &[u8]) -> Taken<()> {
        match self.value(at) {
            Some(own) => sound_if(own == value),
            None => {
                let start = self.values.len();
                self.values.extend_from_slice(value);
                self.places[at] = Some(start..self.values.len());
                Ok(())
            }
        }
    }

    /// Puts the record.
    pub fn put(&self, fields: &[Field; FIELDS], out: &mut Vec<u8>) -> Taken<()> {
        for (at, field) in fields.iter().enumerate() {
            match self.value(at) {
                Some(value) => {
                    if field.optional {
                        out.push(2);
                    }
                    out.extend_from_slice(value);
                }
                None => {
                    sound_if(field.optional)?;
                    out.push(0);
                }
            }
        }
        Ok(())
    }

    /// Returns the value of a field that is not absent.
    fn value(&self, at: usize) -> Option<&[u8]> {
        let place = self.places[at].clone()?;
        (!place.is_empty()).then(|| &self.values[place])
    }
}

fn put_state(json: &mut Json, out: &mut Vec<u8>) -> Taken<()> {
    let name = json.string()?;
    let state = STATES.iter().position(|state| *state == name);
    put_long(out, state.ok_or(Refused)? as i64);
    Ok(())
}

fn put_cart(json: &mut Json, out: &mut Vec<u8>) -> Taken<()> {
    counted(out, |out| {
        json.array(|json| Members::take(json, &ITEM)?.put(&ITEM, out))
    })
}
