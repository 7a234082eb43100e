//! A cart: an array of CartItem. It is looked through once, and kept as its bytes.

use crate::scan::{Refused, Scan, Taken};

pub const MEASURES: [&str; 5] = ["weight", "height", "width", "length", "position"];

/// One line, as it stands in the bytes.
pub struct Item<'a> {
    pub name: &'a str,
    pub sku: &'a str,
    pub quantity: i32,
    pub price: f64,
    pub category: Option<&'a str>,
    pub measures: [Option<f64>; 5],
    pub attributes: Option<Vec<(&'a str, &'a str)>>,
}

impl<'a> Item<'a> {
    pub fn take(scan: &mut Scan<'a>) -> Taken<Self> {
        let (name, sku) = (scan.text()?, scan.text()?);
        let (quantity, price) = (scan.int()?, scan.double()?);
        let category = if scan.present()? {
            Some(scan.text()?)
        } else {
            None
        };
        let mut measures = [None; 5];
        for measure in &mut measures {
            if scan.present()? {
                *measure = Some(scan.double()?);
            }
        }
        let attributes = if scan.present()? {
            Some(texts(scan)?)
        } else {
            None
        };
        Ok(Item {
            name,
            sku,
            quantity,
            price,
            category,
            measures,
            attributes,
        })
    }

    /// Whether its values are such as an update may carry; its JSON texts are not looked at.
    pub fn sound(&self) -> bool {
        !self.sku.is_empty()
            && self.quantity >= 1
            && self.price.is_finite()
            && self
                .measures
                .iter()
                .flatten()
                .all(|measure| measure.is_finite())
    }
}

/// Takes a map of texts whose keys differ.
fn texts<'a>(scan: &mut Scan<'a>) -> Taken<Vec<(&'a str, &'a str)>> {
    let count = scan.count()?;
    let mut found = Vec::new();
    for _ in 0..count {
        found.push((scan.text()?, scan.text()?));
    }
    scan.end(count)?;
    let mut keys: Vec<&str> = found.iter().map(|(key, _)| *key).collect();
    keys.sort_unstable();
    if keys.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(Refused);
    }
    Ok(found)
}

/// Whether a text is a JSON string without escapes, or a literal: what needs no grammar.
pub fn plainly_json(text: &str) -> bool {
    match text.as_bytes() {
        [b'"', inside @ .., b'"'] => inside.iter().all(|&b| b >= 0x20 && b != b'"' && b != b'\\'),
        _ => matches!(text, "true" | "false" | "null"),
    }
}

/// Rounds a sum half to even at 10⁻⁶, as `core/money.py` does: from 2⁵³ millionths on it stays.
pub fn rounded(sum: f64) -> f64 {
    let micros = sum * 1e6;
    if micros.abs() < 9_007_199_254_740_992.0 {
        micros.round_ties_even() / 1e6
    } else {
        sum
    }
}
