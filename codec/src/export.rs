//! Snapshots on their way into a file: as columns, as lines of JSON, as records of a container.
//!
//! What is not in the canonical form under one of the headers is left to Python.

use crate::columns::Column;
use crate::document::{put_record, put_text};
use crate::scan::{Refused, Scan, Taken, put_long, put_sized};
use crate::shape::Shape;
use crate::times::put_time;
use crate::{KEY, OFFSET, PARTITION, Stop, TIMESTAMP, VALUE};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyTuple};
use std::fmt::Write;

/// A record of the output.
struct Row<'a> {
    partition: i32,
    offset: i64,
    /// Milliseconds, none where it is negative.
    timestamp: i64,
    key: Option<&'a str>,
    /// The snapshot behind its header.
    body: &'a [u8],
}

/// Writes snapshots of one shape.
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
    fn columns<'py>(
        &self,
        py: Python<'py>,
        records: &Bound<'py, PyAny>,
        headers: Vec<Vec<u8>>,
    ) -> PyResult<(Bound<'py, PyAny>, Vec<usize>)> {
        let mut columns = Column::of(&self.shape);
        let mut others = Vec::new();
        self.each(records, &headers, |place, row| {
            let Ok(row) = row else {
                others.push(place);
                return Ok(());
            };
            let scan = &mut Scan::new(row.body, 0);
            let taken = columns.take(&self.shape, scan);
            taken.map_err(|_| PyValueError::new_err("too much at once"))
        })?;
        Ok((columns.buffers(py)?, others))
    }

    /// Return each snapshot as a line of JSON, with where it stood; None where Python is to write it.
    fn lines<'py>(
        &self,
        py: Python<'py>,
        records: &Bound<'py, PyAny>,
        headers: Vec<Vec<u8>>,
    ) -> PyResult<Vec<Option<Bound<'py, PyBytes>>>> {
        let mut out = String::new();
        self.texts(records, &headers, |row| {
            out.clear();
            self.put_line(row, &mut out)?;
            Ok(PyBytes::new(py, out.as_bytes()))
        })
    }

    /// Return each snapshot as a record of the container; None where Python is to write it.
    fn datums<'py>(
        &self,
        py: Python<'py>,
        records: &Bound<'py, PyAny>,
        headers: Vec<Vec<u8>>,
    ) -> PyResult<Vec<Option<Bound<'py, PyBytes>>>> {
        let mut out = Vec::new();
        self.texts(records, &headers, |row| {
            out.clear();
            put_datum(row, &mut out);
            Ok(PyBytes::new(py, &out))
        })
    }
}

impl Export {
    /// Returns what is made of each record that is sound, None for the others.
    fn texts<'py>(
        &self,
        records: &Bound<'py, PyAny>,
        headers: &[Vec<u8>],
        mut make: impl FnMut(&Row) -> Taken<Bound<'py, PyBytes>>,
    ) -> PyResult<Vec<Option<Bound<'py, PyBytes>>>> {
        let mut found = Vec::new();
        self.each(records, headers, |_, row| {
            found.push(row.and_then(|row| make(&row)).ok());
            Ok(())
        })?;
        Ok(found)
    }

    /// Gives each record that is sound with its place, or that it is not.
    fn each(
        &self,
        records: &Bound<'_, PyAny>,
        headers: &[Vec<u8>],
        mut take: impl FnMut(usize, Taken<Row>) -> PyResult<()>,
    ) -> PyResult<()> {
        for (place, record) in records.try_iter()?.enumerate() {
            let record = record?;
            let record = record.downcast::<PyTuple>()?;
            let (key, value) = (record.get_item(KEY)?, record.get_item(VALUE)?);
            match self.row(record, &key, &value, headers) {
                Err(Stop::Raised(error)) => return Err(error),
                Err(Stop::Refused) => take(place, Err(Refused))?,
                Ok(row) => take(place, Ok(row))?,
            }
        }
        Ok(())
    }

    fn row<'a>(
        &self,
        record: &Bound<'_, PyTuple>,
        key: &'a Bound<'_, PyAny>,
        value: &'a Bound<'_, PyAny>,
        headers: &[Vec<u8>],
    ) -> Result<Row<'a>, Stop> {
        let value = value.downcast::<PyBytes>().map_err(|_| Stop::Refused)?;
        let value = value.as_bytes();
        let header = headers.iter().find(|header| value.starts_with(header));
        let body = &value[header.ok_or(Stop::Refused)?.len()..];
        let scan = &mut Scan::new(body, 0);
        self.shape.skip(scan)?;
        scan.finish()?;
        let key = match key.downcast::<PyBytes>() {
            Ok(key) => Some(std::str::from_utf8(key.as_bytes()).map_err(|_| Stop::Refused)?),
            Err(_) => None,
        };
        Ok(Row {
            partition: record.get_borrowed_item(PARTITION)?.extract()?,
            offset: record.get_borrowed_item(OFFSET)?.extract()?,
            timestamp: record.get_borrowed_item(TIMESTAMP)?.extract()?,
            key,
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
        let Row {
            partition, offset, ..
        } = row;
        write!(
            out,
            ", \"outputPartition\": {partition}, \"outputOffset\": {offset}"
        )
        .map_err(|_| Refused)?;
        out.push_str(", \"outputTimestamp\": ");
        if row.timestamp < 0 {
            out.push_str("null");
        } else {
            out.push('"');
            put_time(row.timestamp, out)?;
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
    put_long(out, row.partition.into());
    put_long(out, row.offset);
    if row.timestamp < 0 {
        out.push(0);
    } else {
        out.push(2);
        put_long(out, row.timestamp);
    }
}
