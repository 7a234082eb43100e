//! Snapshots on their way into a file: as columns, as lines of JSON, as records of a container.
//!
//! What is not in the canonical form under one of the headers is left to Python.

use crate::columns::Column;
use crate::document::{put_record, put_text};
use crate::scan::{Refused, Scan, Taken, put_long, put_sized};
use crate::shape::Shape;
use crate::times::put_time;
use crate::{KEY, OFFSET, PARTITION, TIMESTAMP, VALUE};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyBytes, PyTuple};
use std::fmt::Write;

/// Where a record of the output stood.
#[derive(Clone, Copy)]
struct Place {
    partition: i32,
    offset: i64,
    /// Milliseconds, none where it is negative.
    timestamp: i64,
}

/// A record of the output; its bytes can be read without Python's lock.
struct Held {
    place: Place,
    key: Option<PyBackedBytes>,
    value: Option<PyBackedBytes>,
}

/// A record that is sound.
struct Row<'a> {
    place: Place,
    key: Option<&'a str>,
    /// The snapshot behind its header.
    body: &'a [u8],
}

/// Writes snapshots of one shape; Python's lock is free for other threads meanwhile.
#[pyclass(frozen)]
pub struct Export {
    shape: Shape,
}

#[pymethods]
impl Export {
    #[new]
    fn new(described: &Bound<'_, PyAny>) -> PyResult<Self> {
        let shape = Shape::of(described)?;
        Ok(Export { shape })
    }

    /// Return the columns of those snapshots that can be read here, and the places of the others.
    ///
    /// Behind the snapshot's fields come the record's key, partition, offset and timestamp.
    fn columns<'py>(
        &self,
        py: Python<'py>,
        records: &Bound<'py, PyAny>,
        headers: Vec<Vec<u8>>,
    ) -> PyResult<(Bound<'py, PyAny>, Vec<usize>)> {
        let held = held(records)?;
        let mut columns = Column::of(&self.shape);
        let mut stood = [Shape::Text, Shape::Int, Shape::Long, Shape::Time].map(|s| Column::of(&s));
        let mut others = Vec::new();
        py.detach(|| -> Taken<()> {
            for (at, each) in held.iter().enumerate() {
                let Ok(row) = self.row(each, &headers) else {
                    others.push(at);
                    continue;
                };
                columns.take(&self.shape, &mut Scan::new(row.body, 0))?;
                let [key, partition, offset, timestamp] = &mut stood;
                match row.key {
                    Some(text) => key.add_text(text)?,
                    None => key.null(&Shape::Text),
                }
                partition.add(&row.place.partition.to_ne_bytes());
                offset.add(&row.place.offset.to_ne_bytes());
                match row.place.timestamp {
                    ..0 => timestamp.null(&Shape::Time),
                    time => timestamp.add(&time.to_ne_bytes()),
                }
            }
            Ok(())
        })
        .map_err(|_| PyValueError::new_err("too much at once"))?;
        Ok((columns.with(stood).buffers(py)?, others))
    }

    /// Return each snapshot as a line of JSON, with where it stood; None where Python is to write it.
    fn lines<'py>(
        &self,
        py: Python<'py>,
        records: &Bound<'py, PyAny>,
        headers: Vec<Vec<u8>>,
    ) -> PyResult<Vec<Option<Bound<'py, PyBytes>>>> {
        let mut line = String::new();
        self.texts(py, records, &headers, |row, out| {
            line.clear();
            self.put_line(row, &mut line)?;
            out.extend_from_slice(line.as_bytes());
            Ok(())
        })
    }

    /// Return each snapshot as a record of the container; None where Python is to write it.
    fn datums<'py>(
        &self,
        py: Python<'py>,
        records: &Bound<'py, PyAny>,
        headers: Vec<Vec<u8>>,
    ) -> PyResult<Vec<Option<Bound<'py, PyBytes>>>> {
        self.texts(py, records, &headers, |row, out| {
            put_datum(row, out);
            Ok(())
        })
    }
}

impl Export {
    /// Returns what is put for each record that is sound, None for the others.
    fn texts<'py>(
        &self,
        py: Python<'py>,
        records: &Bound<'py, PyAny>,
        headers: &[Vec<u8>],
        mut put: impl FnMut(&Row, &mut Vec<u8>) -> Taken<()> + Send,
    ) -> PyResult<Vec<Option<Bound<'py, PyBytes>>>> {
        let held = held(records)?;
        let mut out = Vec::new();
        let spans: Vec<_> = py.detach(|| {
            let made = held.iter().map(|each| {
                let start = out.len();
                put(&self.row(each, headers).ok()?, &mut out).ok()?;
                Some(start..out.len())
            });
            made.collect()
        });
        let text = |span| PyBytes::new(py, &out[span]);
        Ok(spans.into_iter().map(|span| span.map(text)).collect())
    }

    fn row<'a>(&self, held: &'a Held, headers: &[Vec<u8>]) -> Taken<Row<'a>> {
        let value: &[u8] = held.value.as_ref().ok_or(Refused)?;
        let header = headers.iter().find(|header| value.starts_with(header));
        let body = &value[header.ok_or(Refused)?.len()..];
        let scan = &mut Scan::new(body, 0);
        self.shape.skip(scan)?;
        scan.finish()?;
        let text = |key: &'a PyBackedBytes| std::str::from_utf8(key).map_err(|_| Refused);
        Ok(Row {
            place: held.place,
            key: held.key.as_ref().map(text).transpose()?,
            body,
        })
    }

    fn put_line(&self, row: &Row, out: &mut String) -> Taken<()> {
        let Shape::Record(fields) = &self.shape else {
            return Err(Refused);
        };
        put_record(fields, false, &mut Scan::new(row.body, 0), out)?;
        out.pop(); // its bracket
        out.push_str(", \"outputKey\": ");
        match row.key {
            Some(key) => put_text(key, out),
            None => out.push_str("null"),
        }
        let Place {
            partition,
            offset,
            timestamp,
        } = row.place;
        write!(
            out,
            ", \"outputPartition\": {partition}, \"outputOffset\": {offset}"
        )
        .map_err(|_| Refused)?;
        out.push_str(", \"outputTimestamp\": ");
        if timestamp < 0 {
            out.push_str("null");
        } else {
            out.push('"');
            put_time(timestamp, out)?;
            out.push('"');
        }
        out.push_str(", \"endedBy\": null}\n");
        Ok(())
    }
}

/// Puts the snapshot, and what `processor/avro/container.py` has after its fields.
fn put_datum(row: &Row, out: &mut Vec<u8>) {
    out.extend_from_slice(row.body);
    match row.key {
        None => out.push(0),
        Some(key) => {
            out.push(2);
            put_sized(out, &[key.as_bytes()]);
        }
    }
    put_long(out, row.place.partition.into());
    put_long(out, row.place.offset);
    if row.place.timestamp < 0 {
        out.push(0);
    } else {
        out.push(2);
        put_long(out, row.place.timestamp);
    }
}

fn held(records: &Bound<'_, PyAny>) -> PyResult<Vec<Held>> {
    let each = |record: PyResult<Bound<'_, PyAny>>| {
        let record = record?;
        let record = record.downcast::<PyTuple>()?;
        let place = Place {
            partition: record.get_borrowed_item(PARTITION)?.extract()?,
            offset: record.get_borrowed_item(OFFSET)?.extract()?,
            timestamp: record.get_borrowed_item(TIMESTAMP)?.extract()?,
        };
        Ok(Held {
            place,
            key: record.get_borrowed_item(KEY)?.extract()?,
            value: record.get_borrowed_item(VALUE)?.extract()?,
        })
    };
    records.try_iter()?.map(each).collect()
}
