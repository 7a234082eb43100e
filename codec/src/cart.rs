//! A cart: an array of CartItem. It is looked through once, and goes on as its bytes.

use crate::entries::Entries;
use crate::scan::{Refused, Scan, Taken};

const MEASURES: usize = 5;

/// Takes a cart, whatever its items' values are.
pub fn skip(scan: &mut Scan) -> Taken<()> {
    let count = scan.count()?;
    for _ in 0..count {
        Item::take(scan)?;
    }
    scan.end(count)
}

/// Takes a cart whose items are such as an update may carry, and returns the sum of its lines.
pub fn sum<E: From<Refused>>(
    scan: &mut Scan,
    is_json: impl Fn(&str) -> Result<(), E>,
) -> Result<f64, E> {
    let (count, mut sum) = (scan.count()?, 0.0);
    for _ in 0..count {
        let item = Item::take(scan)?;
        if !item.sound {
            return Err(Refused.into());
        }
        sum += item.price * f64::from(item.quantity);
        for text in item.attributes {
            is_json(text)?;
        }
    }
    scan.end(count)?;
    Ok(rounded(sum))
}

/// One line.
struct Item<'a> {
    quantity: i32,
    price: f64,
    /// Texts that are to be JSON.
    attributes: Vec<&'a str>,
    /// Whether its other values are such as an update may carry.
    sound: bool,
}

impl<'a> Item<'a> {
    fn take(scan: &mut Scan<'a>) -> Taken<Self> {
        scan.text()?;
        let sku = scan.text()?;
        let (quantity, price) = (scan.int()?, scan.double()?);
        let mut sound = !sku.is_empty() && quantity >= 1 && price.is_finite();
        if scan.present()? {
            scan.text()?;
        }
        for _ in 0..MEASURES {
            if scan.present()? {
                sound &= scan.double()?.is_finite();
            }
        }
        let mut attributes = Vec::new();
        if scan.present()? {
            Entries::take(scan, |scan| {
                let start = scan.at;
                attributes.push(scan.text()?);
                Taken::Ok(start..scan.at)
            })?;
        }
        Ok(Item {
            quantity,
            price,
            attributes,
            sound,
        })
    }
}

/// Rounds a sum half to even at 10⁻⁶, as `core/money.py` does: from 2⁵³ millionths on it stays.
fn rounded(sum: f64) -> f64 {
    let micros = sum * 1e6;
    if micros.abs() < 9_007_199_254_740_992.0 {
        micros.round_ties_even() / 1e6
    } else {
        sum
    }
}
