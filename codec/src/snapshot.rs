//! A CustomerSession: taken apart, and put together again with an update folded in.

use crate::cart;
use crate::digits::is_decimal;
use crate::entries::Entries;
use crate::layout::{EMPTY, OPEN, PLAIN, PROFILE_ID, STATES};
use crate::scan::{Refused, Scan, Taken, put_double, put_long, put_sized, text, texts};
use crate::update::Update;
use blake2b_simd::Params;
use std::ops::Range;

const REMEMBERED: usize = 16;
const HASH: usize = 8;

/// What an update makes of a session.
pub enum Folded {
    /// The session remembers the update.
    Duplicate,
    /// Whether the session claims the profile that the update names.
    Accepted(bool),
}

/// What the fold decided.
struct Next {
    state: usize,
    first_session: bool,
    event: [u8; HASH],
}

/// A session before an update; `attributes` and `discounts` hold positions in `bytes`.
pub struct Snapshot<'a> {
    bytes: &'a [u8],
    integration_id: &'a [u8],
    created: i64,
    application_id: i32,
    plain: [&'a [u8]; PLAIN.len()],
    state: usize,
    cart: &'a [u8],
    identifiers: &'a [u8],
    total: f64,
    attributes: Entries,
    first_session: bool,
    discounts: Entries,
    version: i64,
    pub input_offset: i64,
    memory: &'a [u8],
}

impl<'a> Snapshot<'a> {
    /// Takes a snapshot to its end, if the header stands before it.
    pub fn under(header: &[u8], bytes: &'a [u8]) -> Taken<Self> {
        if !bytes.starts_with(header) {
            return Err(Refused);
        }
        let scan = &mut Scan::new(bytes, header.len());
        let part = |span: Range<usize>| &bytes[span];
        let integration_id = part(scan.span(text)?);
        let created = scan.long()?;
        let application_id = scan.int()?;
        let mut plain = [EMPTY; PLAIN.len()];
        for (place, field) in plain.iter_mut().zip(PLAIN) {
            *place = part(scan.span(field.skip)?);
        }
        let state = scan.symbol(STATES.len())?;
        let cart = part(scan.span(cart::skip)?);
        let identifiers = part(scan.span(texts)?);
        let total = scan.double()?;
        let attributes = Entries::take(scan, |scan| scan.span(text))?;
        let first_session = scan.boolean()?;
        let discounts = Entries::take(scan, |scan| scan.span(Scan::double))?;
        if scan.present()? {
            scan.symbol(STATES.len())?;
        }
        let version = scan.long()?;
        scan.long()?; // updated
        scan.utf8()?; // lastEventId
        let input_offset = scan.long()?;
        let memory = scan.sized()?;
        scan.finish()?;
        if version < 1 {
            return Err(Refused);
        }
        Ok(Snapshot {
            bytes,
            integration_id,
            created,
            application_id,
            plain,
            state,
            cart,
            identifiers,
            total,
            attributes,
            first_session,
            discounts,
            version,
            input_offset,
            memory,
        })
    }

    /// Returns the state before the first update, of version 0: empty and anonymous.
    pub fn unborn(update: &Update, theirs: &'a [u8]) -> Self {
        Snapshot {
            bytes: EMPTY,
            integration_id: &theirs[update.integration_id.clone()],
            created: update.event_time,
            application_id: update.application_id,
            plain: [EMPTY; PLAIN.len()],
            state: OPEN,
            cart: EMPTY,
            identifiers: EMPTY,
            total: 0.0,
            attributes: Entries::none(),
            first_session: true,
            discounts: Entries::none(),
            version: 0,
            input_offset: -1,
            memory: &[],
        }
    }

    /// Folds an update in, as `core/fold.py` does, and puts the session after it; what that rejects is refused, for it to say why.
    ///
    /// `theirs` are the update's bytes, `holder` the key of the session that holds its profile.
    pub fn fold(
        &self,
        update: &Update,
        theirs: &[u8],
        offset: i64,
        holder: Option<&str>,
        out: &mut Vec<u8>,
    ) -> Taken<Folded> {
        let event = event_hash(&theirs[update.event_id.clone()])?;
        if self.memory.chunks_exact(HASH).any(|known| known == event) {
            return Ok(Folded::Duplicate);
        }
        let state = update.state.unwrap_or(self.state);
        // Each state may be followed by those after it, and none of them by one before.
        let unknown = self.version == 0 && state != OPEN;
        if state < self.state || unknown || (self.state != OPEN && update.changes_fields()) {
            return Err(Refused);
        }
        let (first_session, claims) = self.first_session(update, theirs, holder);
        let next = Next {
            state,
            first_session,
            event,
        };
        self.put(&next, update, theirs, offset, out)?;
        Ok(Folded::Accepted(claims))
    }

    /// Puts the session after the update.
    fn put(
        &self,
        next: &Next,
        update: &Update,
        theirs: &[u8],
        offset: i64,
        out: &mut Vec<u8>,
    ) -> Taken<()> {
        let part = |given: &Option<Range<usize>>, own| match given {
            Some(span) => &theirs[span.clone()],
            None => own,
        };
        out.reserve(self.bytes.len() + theirs.len());
        out.extend_from_slice(self.integration_id);
        put_long(out, self.created);
        put_long(out, self.application_id.into());
        for (given, own) in update.plain.iter().zip(self.plain) {
            out.extend_from_slice(part(given, own));
        }
        put_long(out, next.state as i64);
        out.extend_from_slice(part(&update.cart, self.cart));
        out.extend_from_slice(part(&update.identifiers, self.identifiers));
        put_double(out, update.total.unwrap_or(self.total));
        let (attributes, discounts) = (update.attributes.as_ref(), update.discounts.as_ref());
        self.attributes.put(self.bytes, attributes, theirs, out);
        out.push(next.first_session.into());
        self.discounts.put(self.bytes, discounts, theirs, out);
        if self.version == 0 {
            out.push(0);
        } else {
            out.push(2);
            put_long(out, self.state as i64);
        }
        put_long(out, self.version.checked_add(1).ok_or(Refused)?);
        put_long(out, update.event_time);
        out.extend_from_slice(&theirs[update.event_id.clone()]);
        put_long(out, offset);
        let forgotten = self.memory.len().saturating_sub(HASH * (REMEMBERED - 1));
        put_sized(out, &[&self.memory[forgotten..], &next.event]);
        Ok(())
    }

    /// Whether this is its profile's first session, and whether it claims the profile as such.
    fn first_session(&self, update: &Update, theirs: &[u8], holder: Option<&str>) -> (bool, bool) {
        let Some(profile) = &update.plain[PROFILE_ID] else {
            return (self.first_session, false);
        };
        let profile = &theirs[profile.clone()];
        if profile == self.plain[PROFILE_ID] && self.version > 0 {
            return (self.first_session, false);
        }
        if profile == EMPTY {
            return (true, false);
        }
        let own = holder.is_none_or(|holder| {
            is_key(holder.as_bytes(), self.application_id, self.integration_id)
        });
        (own, own)
    }
}

/// Whether a key is `{applicationId}:{integrationId}`, of an id with its length before it.
pub fn is_key(key: &[u8], application_id: i32, integration_id: &[u8]) -> bool {
    let id = Scan::new(integration_id, 0).sized().unwrap_or_default();
    let before = key
        .strip_suffix(id)
        .and_then(|rest| rest.strip_suffix(b":"));
    before.is_some_and(|application| is_decimal(application, application_id.into()))
}

/// Returns the hash by which an event id (its length before it) is remembered.
fn event_hash(event_id: &[u8]) -> Taken<[u8; HASH]> {
    let id = Scan::new(event_id, 0).sized()?;
    let hash = Params::new().hash_length(HASH).hash(id);
    hash.as_bytes().try_into().map_err(|_| Refused)
}
