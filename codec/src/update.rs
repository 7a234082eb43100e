//! A SessionUpdate: what rules 1 to 3 ask of it, and where its fields stand in its bytes.

use crate::cart;
use crate::entries::Entries;
use crate::json;
use crate::layout::{PLAIN, STATES};
use crate::scan::{Scan, Taken, sound_if, texts};
use std::ops::Range;

/// 9999-12-31T23:59:59.999Z in milliseconds since 1970.
const MAX_EVENT_TIME: i64 = 253_402_300_799_999;

/// Fields that are as a snapshot has them are kept as places.
pub struct Update {
    pub event_id: Range<usize>,
    pub event_time: i64,
    pub application_id: i32,
    pub integration_id: Range<usize>,
    /// Those of `PLAIN`.
    pub plain: [Option<Range<usize>>; PLAIN.len()],
    pub state: Option<usize>,
    pub cart: Option<Range<usize>>,
    pub identifiers: Option<Range<usize>>,
    /// The one given or the cart's sum, and never −0.0.
    pub total: Option<f64>,
    pub attributes: Option<Entries>,
    pub discounts: Option<Entries>,
}

impl Update {
    /// Takes an update that is sound: what is not is for others to name.
    pub fn take(scan: &mut Scan) -> Taken<Self> {
        let event_id = filled_text(scan)?;
        let event_time = scan.long()?;
        let application_id = scan.int()?;
        let integration_id = filled_text(scan)?;
        sound_if(application_id >= 1 && (0..=MAX_EVENT_TIME).contains(&event_time))?;
        let mut plain = [const { None }; PLAIN.len()];
        for (place, field) in plain.iter_mut().zip(PLAIN) {
            *place = optional(scan, |scan| scan.span(field.skip))?;
        }
        let state = optional(scan, |scan| scan.symbol(STATES.len()))?;
        let cart = optional(scan, |scan| {
            let start = scan.at;
            let sum = cart::sum(scan)?;
            Ok((start..scan.at, sum))
        })?;
        let (cart, sum) = cart.unzip();
        let identifiers = optional(scan, |scan| scan.span(texts))?;
        let given = optional(scan, Scan::double)?;
        let total = given.or(sum).map(|total| total + 0.0);
        sound_if(total.is_none_or(f64::is_finite))?;
        let attributes = optional(scan, |scan| {
            Entries::take(scan, |scan| nullable(scan, json::text))
        })?;
        let discounts = optional(scan, |scan| {
            Entries::take(scan, |scan| {
                nullable(scan, |scan| sound_if(scan.double()?.is_finite()))
            })
        })?;
        scan.finish()?;
        Ok(Update {
            event_id,
            event_time,
            application_id,
            integration_id,
            plain,
            state,
            cart,
            identifiers,
            total,
            attributes,
            discounts,
        })
    }

    /// Whether any field besides the state is present; an empty one counts.
    pub fn changes_fields(&self) -> bool {
        self.plain.iter().any(Option::is_some)
            || self.cart.is_some()
            || self.identifiers.is_some()
            || self.total.is_some()
            || self.attributes.is_some()
            || self.discounts.is_some()
    }
}

fn filled_text(scan: &mut Scan) -> Taken<Range<usize>> {
    scan.span(|scan| sound_if(!scan.utf8()?.is_empty()))
}

fn optional<'a, T>(
    scan: &mut Scan<'a>,
    take: impl FnOnce(&mut Scan<'a>) -> Taken<T>,
) -> Taken<Option<T>> {
    if scan.present()? {
        take(scan).map(Some)
    } else {
        Ok(None)
    }
}

/// Takes a value of a map; none is an empty place.
fn nullable<'a>(
    scan: &mut Scan<'a>,
    take: impl FnOnce(&mut Scan<'a>) -> Taken<()>,
) -> Taken<Range<usize>> {
    let present = scan.present()?;
    scan.span(|scan| if present { take(scan) } else { Ok(()) })
}
