//! The fold of a part of a batch: one update after another, up to the first that is left to Python.

use crate::snapshot::Folded;
use crate::{EncodedUpdate, KEY, PARTITION};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyIterator, PyList, PySet, PyString, PyTuple};

/// `Bounds` of `processor/avro/compiled.py`.
#[derive(FromPyObject)]
pub struct Bounds<'py> {
    header: Bound<'py, PyBytes>,
    max_snapshot: usize,
    limit: usize,
}

/// `FoldedUpdates` of `processor/avro/compiled.py`.
#[derive(FromPyObject)]
struct Done<'py> {
    accepted: Bound<'py, PyList>,
    snapshots: Bound<'py, PyList>,
    changed: Bound<'py, PyDict>,
    claims: Bound<'py, PyDict>,
    claiming: Bound<'py, PySet>,
    duplicates: usize,
    taken: usize,
    size: usize,
}

/// What updates are folded upon, and what became of them.
pub struct Part<'py> {
    sessions: Bound<'py, PyDict>,
    holders: Bound<'py, PyDict>,
    done: Done<'py>,
    bounds: Bounds<'py>,
    /// The snapshot that is written.
    out: Vec<u8>,
}

impl<'py> Part<'py> {
    /// Folds, and returns the first pair that is left, None at the end or behind the limit.
    pub fn fold(
        mut pairs: Bound<'py, PyIterator>,
        sessions: Bound<'py, PyDict>,
        holders: Bound<'py, PyDict>,
        told: &Bound<'py, PyAny>,
        bounds: Bounds<'py>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let mut part = Part {
            sessions,
            holders,
            done: told.extract()?,
            bounds,
            out: Vec::new(),
        };
        let mut left = None;
        while part.done.size <= part.bounds.limit {
            let Some(pair) = pairs.next().transpose()? else {
                break;
            };
            if !part.take(pair.downcast()?)? {
                left = Some(pair);
                break;
            }
            part.done.taken += 1;
        }
        told.setattr("duplicates", part.done.duplicates)?;
        told.setattr("taken", part.done.taken)?;
        told.setattr("size", part.done.size)?;
        Ok(left)
    }

    /// Folds one update; false if it is left.
    fn take(&mut self, pair: &Bound<'py, PyTuple>) -> PyResult<bool> {
        let py = pair.py();
        let update = pair.get_borrowed_item(1)?;
        let Ok(update) = update.downcast::<EncodedUpdate>() else {
            return Ok(false);
        };
        let update = update.get();
        let record = pair.get_item(0)?.downcast_into::<PyTuple>()?;
        let (partition, key) = (record.get_item(PARTITION)?, record.get_item(KEY)?);
        let known = self
            .sessions
            .as_any()
            .get_item(&partition)?
            .downcast_into::<PyDict>()?;
        let before = known
            .as_any()
            .get_item(&key)?
            .extract::<Option<Bound<PyBytes>>>()?;
        let profile = update.profile.as_ref().map(|profile| profile.bind(py));
        let holder = match &profile {
            Some(profile) => self.holders.get_item(profile)?,
            None => None,
        };
        let holder = holder.map(|holder| holder.downcast_into::<PyString>());
        let holder = holder.transpose()?;
        let held = holder.as_ref().map(|holder| holder.to_cow()).transpose()?;
        let bytes = before.as_ref().map(|before| before.as_bytes());
        self.out.clear();
        let header = self.bounds.header.as_bytes();
        let folded = update.onto(py, bytes, held.as_deref(), header, &mut self.out);
        match folded {
            Ok(Folded::Accepted(claims)) if self.out.len() <= self.bounds.max_snapshot => {
                let snapshot = PyBytes::new(py, &self.out);
                known.set_item(&key, &snapshot)?;
                self.done
                    .changed
                    .as_any()
                    .get_item(&partition)?
                    .set_item(&key, &snapshot)?;
                self.done.size += self.out.len();
                self.done.snapshots.append(snapshot)?;
                if let (true, Some(profile)) = (claims, profile) {
                    let session = key.downcast::<PyBytes>()?.as_bytes();
                    let session = PyString::new(py, std::str::from_utf8(session)?);
                    self.holders.set_item(profile, &session)?;
                    self.done.claims.set_item(profile, &session)?;
                    self.done.claiming.add(&partition)?;
                }
                self.done.accepted.append(record)?;
                Ok(true)
            }
            Ok(Folded::Duplicate) => {
                self.done.duplicates += 1;
                self.done.size += bytes.map_or(0, <[u8]>::len);
                Ok(true)
            }
            _ => Ok(false),
        }
    }
}
