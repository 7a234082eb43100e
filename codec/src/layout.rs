//! What the schemas say: their fingerprints, the states, and the plain fields of a session.

use crate::scan::{Scan, Taken, text};

/// The CRC-64-AVRO fingerprints of the schemas whose layout is compiled here, as
/// `contract/schemas.json` has them behind `c301`. Whoever changes the layout changes them too.
pub const UPDATE: [u8; 8] = 0x7796_00cc_2291_f9d3_u64.to_be_bytes();
pub const SNAPSHOT: [u8; 8] = 0xb69f_3d55_3f75_ef6c_u64.to_be_bytes();

/// open, closed and cancelled are 0, 1 and 2.
pub const STATES: usize = 3;
pub const OPEN: usize = 0;

/// An empty string, bytes, array or map, false and 0, as Avro writes each.
pub const EMPTY: &[u8] = &[0];

/// Takes one value.
type Skip = fn(&mut Scan) -> Taken<()>;

/// The fields before the state, in the order of both schemas: what takes a value of each. An update
/// replaces it by another, or by none, which is `EMPTY`; it goes on as its bytes.
pub const PLAIN: &[Skip] = &[
    text, // profileId
    text, // coupon
    text, // referral
];

/// Where the profile is among them.
pub const PROFILE_ID: usize = 0;
