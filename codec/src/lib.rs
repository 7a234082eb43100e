//! The session processor's fold of a plain update, on bytes: a SessionUpdate of the present schema, or
//! in JSON, and a CustomerSession in, the next CustomerSession out. And CustomerSessions as others
//! read them: by columns, or in JSON.
//!
//! Whatever is not in the canonical form, not sound or not accepted gives None: the caller asks
//! the Python path, whose answer stands.
#![deny(unsafe_code)]

mod cart;
mod columns;
mod digits;
mod document;
mod entries;
mod events;
mod export;
mod fields;
mod formats;
mod json;
mod layout;
mod media;
mod part;
mod plain;
mod scan;
mod shape;
mod snapshot;
mod times;
mod update;
mod values;

use export::Export;
use formats::{Formats, Named, transcoded};
use layout::{PROFILE_ID, SNAPSHOT, UPDATE};
use part::{Bounds, Part};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyIterator, PyString, PyTuple};
use scan::{Refused, Scan, Taken};
use snapshot::{Folded, Snapshot, is_key};
use update::Update;

/// `RULES` of `processor/avro/compiled.py`.
const RULES: u32 = 4;

/// Where a Record of `processor/ports/log.py` has its fields.
const PARTITION: usize = 0;
const OFFSET: usize = 1;
const TIMESTAMP: usize = 2;
const KEY: usize = 3;
const VALUE: usize = 4;
const HEADERS: usize = 5;

/// Why a value is not dealt with here: it is another's to decide, or Python raised.
enum Stop {
    Refused,
    Raised(PyErr),
}

impl From<Refused> for Stop {
    fn from(_: Refused) -> Self {
        Stop::Refused
    }
}

impl From<PyErr> for Stop {
    fn from(error: PyErr) -> Self {
        Stop::Raised(error)
    }
}

/// Reads and folds updates, and reads a snapshot's input offset.
#[pyclass(frozen)]
struct Codec;

#[pymethods]
impl Codec {
    #[new]
    fn new() -> Self {
        Codec
    }

    /// Return, for each record, its update if it is sound and has the record's key; else None.
    ///
    /// It is in Avro where the value begins with the header; else in one of the formats, and where
    /// it begins with the header of JSON, behind that.
    #[pyo3(signature = (records, header, formats=None, json_header=None, /))]
    fn read(
        &self,
        records: &Bound<'_, PyAny>,
        header: &[u8],
        formats: Option<&Bound<'_, PyAny>>,
        json_header: Option<&[u8]>,
    ) -> PyResult<Vec<Option<EncodedUpdate>>> {
        let on = |name| formats.map_or(Ok(false), |formats| formats.contains(name));
        let formats = Formats {
            json: on("json")?,
            cloudevents: on("cloudevents")?,
            header: json_header.unwrap_or_default(),
        };
        let mut found = Vec::with_capacity(records.len()?);
        for record in records.try_iter()? {
            found.push(match update(&record?, header, &formats) {
                Ok(update) => Some(update),
                Err(Stop::Refused) => None,
                Err(Stop::Raised(error)) => return Err(error),
            });
        }
        Ok(found)
    }

    /// Fold records with what was decoded of each, up to the first that is left to Python.
    ///
    /// What `Compiled.fold` in `processor/avro/compiled.py` says.
    #[pyo3(signature = (pairs, sessions, holders, done, bounds, /))]
    fn fold<'py>(
        &self,
        pairs: Bound<'py, PyIterator>,
        sessions: Bound<'py, PyDict>,
        holders: Bound<'py, PyDict>,
        done: &Bound<'py, PyAny>,
        bounds: Bounds<'py>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        Part::fold(pairs, sessions, holders, done, bounds)
    }

    /// Return a snapshot's input offset, None where it is fastavro's to read.
    fn input_offset(&self, snapshot: &[u8], header: &[u8]) -> Option<i64> {
        let found = Snapshot::under(header, snapshot).ok()?;
        Some(found.input_offset)
    }
}

fn update(
    record: &Bound<'_, PyAny>,
    header: &[u8],
    formats: &Formats,
) -> Result<EncodedUpdate, Stop> {
    let record = record.downcast::<PyTuple>().map_err(PyErr::from)?;
    let bytes = |place| {
        record
            .get_borrowed_item(place)?
            .extract::<Option<Bound<'_, PyBytes>>>()
    };
    let (Some(key), Some(value)) = (bytes(KEY)?, bytes(VALUE)?) else {
        return Err(Stop::Refused);
    };
    let named = Named::by(&record.get_item(HEADERS)?)?;
    let whole = value.as_bytes();
    let (value, start) = if whole.starts_with(header) && !named.schema {
        (value, header.len())
    } else {
        let transcoded = transcoded(whole, &named, formats)?;
        (PyBytes::new(record.py(), &transcoded), 0)
    };
    let scan = &mut Scan::new(value.as_bytes(), start);
    let update = Update::take(scan)?;
    let id = scan.part(&update.integration_id);
    if !is_key(key.as_bytes(), update.application_id, id) {
        return Err(Stop::Refused);
    }
    let offset = record.get_borrowed_item(OFFSET)?.extract()?;
    let profile = profile(scan, &update).map(|key| PyString::new(record.py(), &key).unbind());
    let value = value.unbind();
    Ok(EncodedUpdate {
        value,
        offset,
        update,
        profile,
    })
}

/// Returns the key of the profile's claim, None where the update names no profile.
fn profile(scan: &Scan, update: &Update) -> Option<String> {
    let named = scan.part(update.plain[PROFILE_ID].as_ref()?);
    let profile = Scan::new(named, 0).text().ok()?;
    (!profile.is_empty()).then(|| format!("{}:{profile}", update.application_id))
}

/// An update that was found sound, as its bytes.
#[pyclass(frozen)]
struct EncodedUpdate {
    value: Py<PyBytes>,
    /// The input offset at which it stood.
    offset: i64,
    update: Update,
    /// The key of the profile's claim, None where it names no profile.
    profile: Option<Py<PyString>>,
}

#[pymethods]
impl EncodedUpdate {
    #[getter]
    fn profile(&self, py: Python<'_>) -> Option<Py<PyString>> {
        self.profile.as_ref().map(|profile| profile.clone_ref(py))
    }
}

impl EncodedUpdate {
    /// Puts the next snapshot, after the header; what is refused is for the core to decide.
    ///
    /// `before` is the session's snapshot under the same header, None where there is no session;
    /// `holder` is the key of the session that holds the profile.
    fn onto(
        &self,
        py: Python,
        before: Option<&[u8]>,
        holder: Option<&str>,
        header: &[u8],
        out: &mut Vec<u8>,
    ) -> Taken<Folded> {
        let theirs = self.value.as_bytes(py);
        let session = match before {
            None => Snapshot::unborn(&self.update, theirs),
            Some(bytes) => Snapshot::under(header, bytes)?,
        };
        out.extend_from_slice(header);
        session.fold(&self.update, theirs, self.offset, holder, out)
    }
}

#[pymodule]
fn session_processor_codec(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    module.add("UPDATE", PyBytes::new(py, &UPDATE))?;
    module.add("SNAPSHOT", PyBytes::new(py, &SNAPSHOT))?;
    module.add("RULES", RULES)?;
    module.add_class::<Codec>()?;
    module.add_class::<Export>()
}
