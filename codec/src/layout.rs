//! What the schemas say: their fingerprints, the states, and the plain fields of a session.

use crate::scan::{self, Scan, Taken};
use crate::values::{Put, put_text};

/// The CRC-64-AVRO fingerprints of the schemas whose layout is compiled here, as
/// `contract/schemas.json` has them behind `c301`. Whoever changes the layout changes them too.
pub const UPDATE: [u8; 8] = 0x7796_00cc_2291_f9d3_u64.to_be_bytes();
pub const SNAPSHOT: [u8; 8] = 0xb69f_3d55_3f75_ef6c_u64.to_be_bytes();

/// In the order of their numbers: each may be followed by those after it.
pub const STATES: [&str; 3] = ["open", "closed", "cancelled"];
pub const OPEN: usize = 0;

/// An empty string, bytes, array or map, false and 0, as Avro writes each.
pub const EMPTY: &[u8] = &[0];

/// A field before the state. An update replaces it by another value, or by none, which is `EMPTY`;
/// it goes on as its bytes.
pub struct Plain {
    pub name: &'static str,
    /// Takes a value of Avro.
    pub skip: fn(&mut Scan) -> Taken<()>,
    /// Takes a value of JSON.
    pub put: Put,
}

const fn text(name: &'static str) -> Plain {
    Plain {
        name,
        skip: scan::text,
        put: put_text,
    }
}

/// The fields before the state, in the order of both schemas.
pub const PLAIN: &[Plain] = &[
    text("profileId"), // PROFILE_ID
    text("coupon"),
    text("referral"),
];

/// Where the profile is among them.
pub const PROFILE_ID: usize = 0;
