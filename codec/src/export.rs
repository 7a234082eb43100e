//! Snapshots on their way into a file: as columns, as lines of JSON, as records of a container.
//!
//! What is not in the canonical form under one of the headers is left to Python.

use crate::columns::Column;
use crate::digits::put_decimal;
use crate::document::put_record;
use crate::plain::put_text;
use crate::scan::{Refused, Scan, Taken, put_long, put_sized};
use crate::shape::Shape;
use crate::times::put_time;
use crate::{KEY, OFFSET, PARTITION, TIMESTAMP, VALUE};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyBytes, PyTuple};

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

/// A record whose value has one of the headers, and whose key is sound.
#[derive(Clone, Copy)]
struct Row<'a> {
    place: Place,
    key: Option<&'a str>,
    /// The snapshot behind its header.
    body: &'a [u8],
}

/// The columns of a snapshot's fields, and those of where each stood.
struct Columns {
    fields: Column,
    place: [Column; 4],
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
        let (columns, others) = py
            .detach(|| self.filled(&held, &headers))
            .map_err(|_| PyValueError::new_err("too much at once"))?;
        let Columns { fields, place } = columns;
        Ok((fields.with(place).buffers(py)?, others))
    }

    /// Return each snapshot as a line of JSON, with where it stood; None where Python is to write it.
    fn lines<'py>(
        &self,
        py: Python<'py>,
        records: &Bound<'py, PyAny>,
        headers: Vec<Vec<u8>>,
    ) -> PyResult<Vec<Option<Bound<'py, PyBytes>>>> {
        self.texts(py, records, &headers, |row, out| self.put_line(row, out))
    }

    /// Return each snapshot as a record of the container; None where Python is to write it.
    fn datums<'py>(
        &self,
        py: Python<'py>,
        records: &Bound<'py, PyAny>,
        headers: Vec<Vec<u8>>,
    ) -> PyResult<Vec<Option<Bound<'py, PyBytes>>>> {
        self.texts(py, records, &headers, |row, out| {
            self.look_at(row)?;
            put_datum(row, out);
            Ok(())
        })
    }
}

impl Export {
    /// Returns the columns of the rows that are sound, and the places of the others.
    fn filled(&self, held: &[Held], headers: &[Vec<u8>]) -> Taken<(Columns, Vec<usize>)> {
        if let Ok(columns) = self.filled_by(held, |each| row(each, headers)) {
            return Ok((columns, Vec::new()));
        }
        // What is refused half-way is in some columns: once more, all that is put looked at before.
        let mut others = Vec::new();
        let sound = held.iter().enumerate().filter_map(|(at, each)| {
            let found = row(each, headers).and_then(|row| self.look_at(&row).map(|()| row));
            if found.is_err() {
                others.push(at);
            }
            found.ok()
        });
        let rows: Vec<_> = sound.collect();
        Ok((self.filled_by(&rows, |row| Ok(*row))?, others))
    }

    fn filled_by<'a, T>(
        &self,
        every: &'a [T],
        row: impl Fn(&'a T) -> Taken<Row<'a>>,
    ) -> Taken<Columns> {
        let mut columns = Columns {
            fields: Column::of(&self.shape),
            place: [Shape::Text, Shape::Int, Shape::Long, Shape::Time]
                .map(|each| Column::of(&each)),
        };
        for each in every {
            columns.take(&self.shape, &row(each)?)?;
        }
        Ok(columns)
    }

    /// Refuses a row that is not sound.
    fn look_at(&self, row: &Row) -> Taken<()> {
        let scan = &mut Scan::new(row.body, 0);
        self.shape.skip(scan)?;
        scan.finish()
    }

    /// Returns what `put` puts for each record, None where it refuses.
    fn texts<'py>(
        &self,
        py: Python<'py>,
        records: &Bound<'py, PyAny>,
        headers: &[Vec<u8>],
        mut put: impl FnMut(&Row, &mut Vec<u8>) -> Taken<()> + Send,
    ) -> PyResult<Vec<Option<Bound<'py, PyBytes>>>> {
        let held = held(records)?;
        let values = held.iter().filter_map(|each| each.value.as_ref());
        let size: usize = values.map(|value| value.len()).sum();
        let mut out = Vec::with_capacity(2 * size);
        let spans: Vec<_> = py.detach(|| {
            let made = held.iter().map(|each| {
                let start = out.len();
                let done = row(each, headers).and_then(|row| put(&row, &mut out));
                if done.is_err() {
                    out.truncate(start);
                }
                done.ok().map(|()| start..out.len())
            });
            made.collect()
        });
        let text = |span| PyBytes::new(py, &out[span]);
        Ok(spans.into_iter().map(|span| span.map(text)).collect())
    }

    fn put_line(&self, row: &Row, out: &mut Vec<u8>) -> Taken<()> {
        let Shape::Record(fields) = &self.shape else {
            return Err(Refused);
        };
        let scan = &mut Scan::new(row.body, 0);
        put_record(fields, false, scan, out)?;
        scan.finish()?;
        out.pop(); // its bracket
        out.extend_from_slice(b", \"outputKey\": ");
        match row.key {
            Some(key) => put_text(key.as_bytes(), out),
            None => out.extend_from_slice(b"null"),
        }
        let Place {
            partition,
            offset,
            timestamp,
        } = row.place;
        out.extend_from_slice(b", \"outputPartition\": ");
        put_decimal(partition.into(), out);
        out.extend_from_slice(b", \"outputOffset\": ");
        put_decimal(offset, out);
        out.extend_from_slice(b", \"outputTimestamp\": ");
        if timestamp < 0 {
            out.extend_from_slice(b"null");
        } else {
            put_time(timestamp, out)?;
        }
        out.extend_from_slice(b", \"endedBy\": null}\n");
        Ok(())
    }
}

impl Columns {
    /// Takes a row; what is refused may be in some of the columns by then.
    fn take(&mut self, shape: &Shape, row: &Row) -> Taken<()> {
        let scan = &mut Scan::new(row.body, 0);
        self.fields.take(shape, scan)?;
        scan.finish()?;
        let [key, partition, offset, timestamp] = &mut self.place;
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
        Ok(())
    }
}

fn row<'a>(held: &'a Held, headers: &[Vec<u8>]) -> Taken<Row<'a>> {
    let value: &[u8] = held.value.as_ref().ok_or(Refused)?;
    let header = headers.iter().find(|header| value.starts_with(header));
    let text = |key: &'a PyBackedBytes| std::str::from_utf8(key).map_err(|_| Refused);
    Ok(Row {
        place: held.place,
        key: held.key.as_ref().map(text).transpose()?,
        body: &value[header.ok_or(Refused)?.len()..],
    })
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
