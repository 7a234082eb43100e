//! A cart: an array of CartItem. It is looked through once, and goes on as its bytes.

use crate::entries::Entries;
use crate::json;
use crate::scan::{Refused, Scan, Taken, text};

const MEASURES: usize = 5;

/// Takes a cart, whatever its items' values are.
pub fn skip(scan: &mut Scan) -> Taken<()> {
    let count = scan.count()?;
    for _ in 0..count {
        Item::take(scan, text)?;
    }
    scan.end(count)
}

/// Takes a cart whose items are such as an update may carry, and returns the sum of its lines.
pub fn sum(scan: &mut Scan) -> Taken<f64> {
    let (count, mut sum) = (scan.count()?, 0.0);
    for _ in 0..count {
        let item = Item::take(scan, json::text)?;
        if !item.sound {
            return Err(Refused);
        }
        sum += item.price * f64::from(item.quantity);
    }
    scan.end(count)?;
    Ok(rounded(sum))
}

/// One line.
struct Item {
    quantity: i32,
    price: f64,
    /// Whether its values are such as an update may carry, its attributes aside.
    sound: bool,
}

impl Item {
    /// Takes one; `attribute` takes the text of each attribute.
    fn take(scan: &mut Scan, attribute: fn(&mut Scan) -> Taken<()>) -> Taken<Self> {
        scan.utf8()?;
        let sku = scan.utf8()?;
        let (quantity, price) = (scan.int()?, scan.double()?);
        let mut sound = !sku.is_empty() && quantity >= 1 && price.is_finite();
        if scan.present()? {
            scan.utf8()?;
        }
        for _ in 0..MEASURES {
            if scan.present()? {
                sound &= scan.double()?.is_finite();
            }
        }
        if scan.present()? {
            Entries::take(scan, |scan| scan.span(attribute))?;
        }
        Ok(Item {
            quantity,
            price,
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
