//! What a record of Avro is made of, as it is described: no field is named here.

use crate::entries::Keys;
use crate::plain::put_text;
use crate::scan::{Scan, Taken, text};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// A type; `Json` is a text that says one value, `Bytes` are passed over.
pub enum Shape {
    Text,
    Json,
    Int,
    Long,
    Time,
    Double,
    Boolean,
    Bytes,
    Symbol(Vec<String>),
    Many(Box<Shape>),
    Map(Box<Shape>),
    Optional(Box<Shape>),
    Record(Vec<Field>),
}

/// A field of a record.
pub struct Field {
    /// Its name as JSON has it, and what stands before the value.
    pub label: Vec<u8>,
    pub shape: Shape,
}

impl Shape {
    /// Reads a description of `processor/avro/shape.py`: a kind, and what it is made of.
    pub fn of(described: &Bound<'_, PyAny>) -> PyResult<Self> {
        let (kind, more): (String, Bound<'_, PyAny>) = described.extract()?;
        let inner = || Shape::of(&more).map(Box::new);
        Ok(match kind.as_str() {
            "text" => Shape::Text,
            "json" => Shape::Json,
            "int" => Shape::Int,
            "long" => Shape::Long,
            "time" => Shape::Time,
            "double" => Shape::Double,
            "boolean" => Shape::Boolean,
            "bytes" => Shape::Bytes,
            "symbol" => Shape::Symbol(more.extract()?),
            "many" => Shape::Many(inner()?),
            "map" => Shape::Map(inner()?),
            "optional" => Shape::Optional(inner()?),
            "record" => Shape::Record(fields(&more)?),
            _ => return Err(PyValueError::new_err(kind)),
        })
    }

    /// Takes a value; no two keys of a map are the same.
    pub fn skip(&self, scan: &mut Scan) -> Taken<()> {
        match self {
            Shape::Text | Shape::Json => text(scan),
            Shape::Int => scan.int().map(|_| ()),
            Shape::Long | Shape::Time => scan.long().map(|_| ()),
            Shape::Double => scan.double().map(|_| ()),
            Shape::Boolean => scan.boolean().map(|_| ()),
            Shape::Bytes => scan.sized().map(|_| ()),
            Shape::Symbol(names) => scan.symbol(names.len()).map(|_| ()),
            Shape::Many(each) => {
                let count = scan.count()?;
                for _ in 0..count {
                    each.skip(scan)?;
                }
                scan.end(count)
            }
            Shape::Map(value) => {
                let mut keys = Keys::default();
                let count = scan.count()?;
                for _ in 0..count {
                    keys.add(scan.utf8()?);
                    value.skip(scan)?;
                }
                scan.end(count)?;
                keys.differ()
            }
            Shape::Optional(one) => match scan.present()? {
                true => one.skip(scan),
                false => Ok(()),
            },
            Shape::Record(fields) => fields.iter().try_for_each(|each| each.shape.skip(scan)),
        }
    }
}

fn fields(described: &Bound<'_, PyAny>) -> PyResult<Vec<Field>> {
    let mut fields = Vec::new();
    for field in described.try_iter()? {
        let (name, of): (String, Bound<'_, PyAny>) = field?.extract()?;
        let mut label = Vec::new();
        put_text(name.as_bytes(), &mut label);
        label.extend_from_slice(b": ");
        fields.push(Field {
            label,
            shape: Shape::of(&of)?,
        });
    }
    Ok(fields)
}
