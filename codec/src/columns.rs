//! Records by columns, in the buffers of Arrow's format.

use crate::entries::Keys;
use crate::scan::{Refused, Scan, Taken};
use crate::shape::{Field, Shape};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

/// The values of one field; what it has none of stays empty.
#[derive(Default)]
pub struct Column {
    rows: usize,
    nulls: usize,
    /// A bit for each row, whether it is not null; none up to the first that is null.
    valid: Vec<u8>,
    /// Where each row begins in `data` or in the children, and where the last one ends: 4 bytes each.
    offsets: Vec<u8>,
    data: Vec<u8>,
    children: Vec<Column>,
}

/// A column as Python gets it: rows, nulls, validity where there are nulls, offsets, data, children.
type Buffers<'py> = (
    usize,
    usize,
    Option<Bound<'py, PyBytes>>,
    Bound<'py, PyBytes>,
    Bound<'py, PyBytes>,
    Vec<Bound<'py, PyAny>>,
);

impl Column {
    pub fn of(shape: &Shape) -> Self {
        let children = match shape {
            Shape::Optional(one) => return Column::of(one),
            Shape::Many(each) => vec![Column::of(each)],
            Shape::Map(value) => vec![Column::of(&Shape::Text), Column::of(value)],
            Shape::Record(fields) => shown(fields).map(Column::of).collect(),
            _ => Vec::new(),
        };
        let mut column = Column {
            children,
            ..Column::default()
        };
        if has_offsets(shape) {
            column.offsets.extend(0_i32.to_ne_bytes());
        }
        column
    }

    /// Takes a value; refuses what is not sound, and what no offset can tell.
    pub fn take(&mut self, shape: &Shape, scan: &mut Scan) -> Taken<()> {
        match shape {
            Shape::Optional(one) => {
                if scan.present()? {
                    return self.take(one, scan);
                }
                self.null(one);
                return Ok(());
            }
            Shape::Text | Shape::Json => {
                self.data.extend_from_slice(scan.utf8()?);
                self.end(self.data.len())?;
            }
            Shape::Int => self.data.extend_from_slice(&scan.int()?.to_ne_bytes()),
            Shape::Long | Shape::Time => self.data.extend_from_slice(&scan.long()?.to_ne_bytes()),
            Shape::Double => self.data.extend_from_slice(&scan.double()?.to_ne_bytes()),
            Shape::Boolean => put_bit(&mut self.data, self.rows, scan.boolean()?),
            Shape::Bytes => return scan.sized().map(|_| ()),
            Shape::Symbol(names) => self.data.push(scan.symbol(names.len())? as u8),
            Shape::Many(each) => {
                let count = scan.count()?;
                for _ in 0..count {
                    self.children[0].take(each, scan)?;
                }
                scan.end(count)?;
                self.end(self.children[0].rows)?;
            }
            Shape::Map(value) => {
                let mut keys = Keys::default();
                let count = scan.count()?;
                for _ in 0..count {
                    let key = scan.span(|scan| self.children[0].take(&Shape::Text, scan))?;
                    keys.add(scan.part(&key));
                    self.children[1].take(value, scan)?;
                }
                scan.end(count)?;
                keys.differ()?;
                self.end(self.children[0].rows)?;
            }
            Shape::Record(fields) => {
                let mut columns = self.children.iter_mut();
                for Field { shape: each, .. } in fields {
                    match each {
                        Shape::Bytes => each.skip(scan)?,
                        _ => columns.next().ok_or(Refused)?.take(each, scan)?,
                    }
                }
            }
        }
        self.row(true);
        Ok(())
    }

    /// Adds a row of a column of texts.
    pub fn add_text(&mut self, text: &str) -> Taken<()> {
        self.data.extend_from_slice(text.as_bytes());
        self.end(self.data.len())?;
        self.row(true);
        Ok(())
    }

    /// Adds a row of a column of numbers, as its bytes.
    pub fn add(&mut self, number: &[u8]) {
        self.data.extend_from_slice(number);
        self.row(true);
    }

    /// Puts columns behind those of a record's fields.
    pub fn with(mut self, more: impl IntoIterator<Item = Column>) -> Self {
        self.children.extend(more);
        self
    }

    /// Adds a row that is null, with what must stand in its place.
    pub fn null(&mut self, shape: &Shape) {
        match shape {
            Shape::Optional(one) => return self.null(one),
            Shape::Int => self.data.extend([0; 4]),
            Shape::Long | Shape::Time | Shape::Double => self.data.extend([0; 8]),
            Shape::Boolean => put_bit(&mut self.data, self.rows, false),
            Shape::Symbol(_) => self.data.push(0),
            Shape::Record(fields) => {
                for (column, each) in self.children.iter_mut().zip(shown(fields)) {
                    column.null(each);
                }
            }
            _ => self.offsets.extend_from_within(self.offsets.len() - 4..),
        }
        if self.nulls == 0 {
            self.valid.resize(self.rows / 8, u8::MAX);
            if self.rows % 8 > 0 {
                self.valid.push((1 << (self.rows % 8)) - 1);
            }
        }
        self.nulls += 1;
        self.row(false);
    }

    fn row(&mut self, valid: bool) {
        if self.nulls > 0 {
            put_bit(&mut self.valid, self.rows, valid);
        }
        self.rows += 1;
    }

    fn end(&mut self, at: usize) -> Taken<()> {
        let at = i32::try_from(at).map_err(|_| Refused)?;
        self.offsets.extend_from_slice(&at.to_ne_bytes());
        Ok(())
    }

    pub fn buffers<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let children = self.children.iter().map(|each| each.buffers(py));
        let bytes = |held: &[u8]| PyBytes::new(py, held);
        let buffers: Buffers<'py> = (
            self.rows,
            self.nulls,
            (self.nulls > 0).then(|| bytes(&self.valid)),
            bytes(&self.offsets),
            bytes(&self.data),
            children.collect::<PyResult<_>>()?,
        );
        buffers.into_pyobject(py).map(Bound::into_any)
    }
}

/// Yields the fields that have a column.
fn shown(fields: &[Field]) -> impl Iterator<Item = &Shape> {
    let all = fields.iter().map(|each| &each.shape);
    all.filter(|each| !matches!(each, Shape::Bytes))
}

fn has_offsets(shape: &Shape) -> bool {
    matches!(
        shape,
        Shape::Text | Shape::Json | Shape::Many(_) | Shape::Map(_)
    )
}

/// Puts the bit of a row behind those of the rows before it.
fn put_bit(bits: &mut Vec<u8>, row: usize, bit: bool) {
    if row % 8 == 0 {
        bits.push(0);
    }
    bits[row / 8] |= u8::from(bit) << (row % 8);
}
