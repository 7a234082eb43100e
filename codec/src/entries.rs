//! An Avro map: the positions of its keys and values.

use crate::scan::{Scan, Taken, put_long, sound_if, text};
use std::collections::BTreeMap;
use std::ops::Range;

/// So many keys are looked at in pairs; more are sorted.
const FEW: usize = 8;

pub struct Entry {
    /// The key, its length before it.
    key: Range<usize>,
    /// The value: without the index of its union where it has one.
    value: Range<usize>,
}

/// The keys of a map.
#[derive(Default)]
pub struct Keys<'a>(Vec<&'a [u8]>);

impl<'a> Keys<'a> {
    pub fn add(&mut self, key: &'a [u8]) {
        self.0.push(key);
    }

    /// Refuses keys of which two are the same.
    pub fn differ(mut self) -> Taken<()> {
        if self.0.len() <= FEW {
            let mut seen = self.0.iter().enumerate();
            return sound_if(seen.all(|(at, key)| !self.0[..at].contains(key)));
        }
        self.0.sort_unstable();
        sound_if(self.0.windows(2).all(|pair| pair[0] != pair[1]))
    }
}

/// The entries in their order, no two of one key.
pub struct Entries {
    whole: Range<usize>,
    each: Vec<Entry>,
}

impl Entries {
    /// Returns the positions of an empty map in `EMPTY` of `layout.rs`.
    pub fn none() -> Self {
        let (whole, each) = (0..1, Vec::new());
        Entries { whole, each }
    }

    /// Takes a map; `value` takes one value and returns its position.
    pub fn take<'a>(
        scan: &mut Scan<'a>,
        mut value: impl FnMut(&mut Scan<'a>) -> Taken<Range<usize>>,
    ) -> Taken<Self> {
        let start = scan.at;
        let count = scan.count()?;
        let mut each = Vec::new();
        for _ in 0..count {
            let key = scan.span(text)?;
            each.push(Entry {
                key,
                value: value(scan)?,
            });
        }
        scan.end(count)?;
        if count > 1 {
            let keys = each.iter().map(|one: &Entry| scan.part(&one.key));
            Keys(keys.collect()).differ()?;
        }
        let whole = start..scan.at;
        Ok(Entries { whole, each })
    }

    /// Puts the map as a change leaves it (`merge` in `core/fold.py`): an empty value removes a key.
    pub fn put(&self, own: &[u8], change: Option<&Entries>, theirs: &[u8], out: &mut Vec<u8>) {
        let Some(change) = change else {
            out.extend_from_slice(&own[self.whole.clone()]);
            return;
        };
        let mut named: BTreeMap<&[u8], &[u8]> = change.of(theirs).collect();
        let mut merged = Vec::with_capacity(self.each.len() + named.len());
        for (key, value) in self.of(own) {
            merged.push((key, named.remove(key).unwrap_or(value)));
        }
        merged.extend(change.of(theirs).filter(|(key, _)| named.contains_key(key)));
        merged.retain(|(_, value)| !value.is_empty());
        if !merged.is_empty() {
            put_long(out, merged.len() as i64);
            for (key, value) in merged {
                out.extend_from_slice(key);
                out.extend_from_slice(value);
            }
        }
        out.push(0);
    }

    fn of<'a>(&self, bytes: &'a [u8]) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        let part = |span: &Range<usize>| &bytes[span.clone()];
        self.each
            .iter()
            .map(move |one| (part(&one.key), part(&one.value)))
    }
}
