//! The session processor's present schemas, SessionUpdate and CustomerSession, read and written
//! without an interpreter of schemas.
//!
//! Whatever is not in the canonical form, or not of the exact Python types, gives None: the caller
//! asks fastavro, whose answer stands.
#![deny(unsafe_code)]

mod cart;
mod scan;

use cart::{Item, MEASURES, plainly_json, rounded};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple};
use scan::{Refused, Scan, put_long, put_sized};

/// The CRC-64-AVRO fingerprints of the schemas whose layout is compiled here. Whoever changes the
/// layout changes them too.
const UPDATE: [u8; 8] = [0x77, 0x96, 0x00, 0xcc, 0x22, 0x91, 0xf9, 0xd3];
const SNAPSHOT: [u8; 8] = [0xb6, 0x9f, 0x3d, 0x55, 0x3f, 0x75, 0xef, 0x6c];
/// 9999-12-31T23:59:59.999Z in milliseconds since 1970.
const MAX_EVENT_TIME: i64 = 253_402_300_799_999;
const STATES: [&str; 3] = ["open", "closed", "cancelled"];

type Object = Py<PyAny>;

/// Why a value is not read or written here: it is another's to decide, or Python raised.
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

type Done<T> = Result<T, Stop>;

fn answer<T>(done: Done<T>) -> PyResult<Option<T>> {
    match done {
        Ok(value) => Ok(Some(value)),
        Err(Stop::Refused) => Ok(None),
        Err(Stop::Raised(error)) => Err(error),
    }
}

/// Reads and writes; what makes the values is Python's.
#[pyclass(frozen)]
struct Codec {
    /// `update(14 values)` makes an update of which rule 3 has nothing to say.
    update: Object,
    /// `session(19 values)` makes a session.
    session: Object,
    /// Whether a text is one JSON text.
    is_json: Object,
}

/// Makes values.
struct Maker<'a, 'py> {
    py: Python<'py>,
    codec: &'a Codec,
}

impl<'py> Maker<'_, 'py> {
    fn text(&self, scan: &mut Scan) -> Done<Object> {
        Ok(PyString::new(self.py, scan.text()?).into_any().unbind())
    }

    fn integer(&self, number: i64) -> Done<Object> {
        let number = number.into_pyobject(self.py).map_err(PyErr::from)?;
        Ok(number.into_any().unbind())
    }

    fn long(&self, scan: &mut Scan) -> Done<Object> {
        self.integer(scan.long()?)
    }

    fn int(&self, scan: &mut Scan) -> Done<Object> {
        self.integer(scan.int()?.into())
    }

    /// Makes what holds the values under their names.
    fn named(&self, kind: &Object, values: &[Object]) -> PyResult<Bound<'py, PyAny>> {
        kind.bind(self.py).call1((PyTuple::new(self.py, values)?,))
    }

    fn double(&self, scan: &mut Scan) -> Done<Object> {
        Ok(PyFloat::new(self.py, scan.double()?).into_any().unbind())
    }

    fn state(&self, scan: &mut Scan) -> Done<Object> {
        Ok(PyString::intern(self.py, scan.symbol(&STATES)?)
            .into_any()
            .unbind())
    }

    fn optional(
        &self,
        scan: &mut Scan,
        take: impl FnOnce(&mut Scan) -> Done<Object>,
    ) -> Done<Object> {
        if scan.present()? {
            take(scan)
        } else {
            Ok(self.py.None())
        }
    }

    fn identifiers(&self, scan: &mut Scan) -> Done<Object> {
        let (count, found) = (scan.count()?, PyList::empty(self.py));
        for _ in 0..count {
            found.append(scan.text()?)?;
        }
        scan.end(count)?;
        Ok(found.into_any().unbind())
    }

    fn map(
        &self,
        scan: &mut Scan,
        mut value: impl FnMut(&mut Scan) -> Done<Object>,
    ) -> Done<Object> {
        let (count, found) = (scan.count()?, PyDict::new(self.py));
        for _ in 0..count {
            let key = scan.text()?;
            found.set_item(key, value(scan)?)?;
        }
        scan.end(count)?;
        if found.len() < count {
            return Err(Stop::Refused); // a key stands twice
        }
        Ok(found.into_any().unbind())
    }

    /// Takes a text that is JSON.
    fn json(&self, scan: &mut Scan) -> Done<Object> {
        let text = scan.text()?;
        self.judge(text)?;
        Ok(PyString::new(self.py, text).into_any().unbind())
    }

    fn judge(&self, text: &str) -> Done<()> {
        let sound = plainly_json(text)
            || self
                .codec
                .is_json
                .bind(self.py)
                .call1((text,))?
                .extract()?;
        sound_if(sound)
    }

    fn finite(&self, scan: &mut Scan) -> Done<Object> {
        let number = scan.double()?;
        sound_if(number.is_finite())?;
        Ok(PyFloat::new(self.py, number).into_any().unbind())
    }

    /// Takes a cart whose items are sound, and returns the sum of its lines.
    fn cart(&self, scan: &mut Scan) -> Done<(Object, f64)> {
        let whole = scan.left;
        let (count, mut sum) = (scan.count()?, 0.0);
        for _ in 0..count {
            let item = Item::take(scan)?;
            sum += item.price * f64::from(item.quantity);
            sound_if(item.sound())?;
            for (_, text) in item.attributes.iter().flatten() {
                self.judge(text)?;
            }
        }
        scan.end(count)?;
        let packed = whole[..whole.len() - scan.left.len()].into();
        let cart = Py::new(self.py, Cart { packed, count })?.into_any();
        Ok((cart, sum))
    }
}

/// Leaves what is not sound to rule 3, which names what is wrong.
fn sound_if(sound: bool) -> Done<()> {
    if sound { Ok(()) } else { Err(Stop::Refused) }
}

#[pymethods]
impl Codec {
    #[new]
    fn new(update: Object, session: Object, is_json: Object) -> Self {
        Codec {
            update,
            session,
            is_json,
        }
    }

    /// Return the update that stood at an input offset; None where it is fastavro's to read.
    fn read_update<'py>(
        &self,
        value: &Bound<'py, PyBytes>,
        start: usize,
        offset: i64,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let make = Maker {
            py: value.py(),
            codec: self,
        };
        answer(update(value.as_bytes(), start, offset, &make))?
            .map(|fields| make.named(&self.update, &fields))
            .transpose()
    }

    /// Return a session; None where it is fastavro's to read.
    fn read_snapshot<'py>(
        &self,
        value: &Bound<'py, PyBytes>,
        start: usize,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let make = Maker {
            py: value.py(),
            codec: self,
        };
        answer(snapshot(value.as_bytes(), start, &make))?
            .map(|fields| make.named(&self.session, &fields))
            .transpose()
    }

    /// Return a session's snapshot after the header; None where it is fastavro's to write.
    ///
    /// `session` has the 19 fields in their order. Its cart is written if it is empty or packed.
    fn write_snapshot<'py>(
        &self,
        session: &Bound<'py, PyTuple>,
        header: &[u8],
    ) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let written = answer(write(session, header))?;
        Ok(written.map(|bytes| PyBytes::new(session.py(), &bytes)))
    }
}

fn update(value: &[u8], start: usize, offset: i64, make: &Maker) -> Done<[Object; 14]> {
    let scan = &mut Scan {
        left: value.get(start..).ok_or(Refused)?,
    };
    let py = make.py;
    let event_id = scan.text()?;
    let time = scan.long()?;
    let application = scan.int()?;
    let integration_id = scan.text()?;
    sound_if(!event_id.is_empty() && !integration_id.is_empty())?;
    sound_if(application >= 1 && (0..=MAX_EVENT_TIME).contains(&time))?;
    let profile = make.optional(scan, |scan| make.text(scan))?;
    let coupon = make.optional(scan, |scan| make.text(scan))?;
    let referral = make.optional(scan, |scan| make.text(scan))?;
    let state = make.optional(scan, |scan| make.state(scan))?;
    let (cart, sum) = if scan.present()? {
        let (cart, sum) = make.cart(scan)?;
        (cart, Some(rounded(sum)))
    } else {
        (py.None(), None)
    };
    let identifiers = make.optional(scan, |scan| make.identifiers(scan))?;
    let given = if scan.present()? { Some(scan.double()?) } else { None };
    let total = match given.or(sum) {
        None => py.None(),
        Some(total) => {
            sound_if(total.is_finite())?;
            PyFloat::new(py, total + 0.0).into_any().unbind()
        }
    };
    let fields = [
        PyString::new(py, event_id).into_any().unbind(),
        make.integer(time)?,
        make.integer(application.into())?,
        PyString::new(py, integration_id).into_any().unbind(),
        profile,
        coupon,
        referral,
        state,
        cart,
        identifiers,
        total,
        make.optional(scan, |scan| {
            make.map(scan, |scan| make.optional(scan, |scan| make.json(scan)))
        })?,
        make.optional(scan, |scan| {
            make.map(scan, |scan| make.optional(scan, |scan| make.finite(scan)))
        })?,
        make.integer(offset)?,
    ];
    whole(scan, fields)
}

fn snapshot(value: &[u8], start: usize, make: &Maker) -> Done<[Object; 19]> {
    let scan = &mut Scan {
        left: value.get(start..).ok_or(Refused)?,
    };
    let fields = [
        make.text(scan)?,
        make.long(scan)?,
        make.int(scan)?,
        make.text(scan)?,
        make.text(scan)?,
        make.text(scan)?,
        make.state(scan)?,
        make.cart(scan)?.0,
        make.identifiers(scan)?,
        make.double(scan)?,
        make.map(scan, |scan| make.text(scan))?,
        PyBool::new(make.py, scan.boolean()?)
            .to_owned()
            .into_any()
            .unbind(),
        make.map(scan, |scan| make.double(scan))?,
        make.optional(scan, |scan| make.state(scan))?,
        make.long(scan)?,
        make.long(scan)?,
        make.text(scan)?,
        make.long(scan)?,
        PyBytes::new(make.py, scan.sized()?).into_any().unbind(),
    ];
    whole(scan, fields)
}

fn whole<T>(scan: &Scan, fields: T) -> Done<T> {
    if scan.left.is_empty() {
        Ok(fields)
    } else {
        Err(Stop::Refused)
    }
}

/// A sequence of items that were found sound while they were read, and stay bytes until looked at.
#[pyclass(frozen, sequence)]
struct Cart {
    /// One block of an array, or none: the same bytes for the same items.
    packed: Box<[u8]>,
    count: usize,
}

#[pymethods]
impl Cart {
    /// Return the items as a list of dicts, made anew by each call.
    fn unpacked<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        Ok(answer(unpacked(py, &self.packed))?.unwrap_or_else(|| PyList::empty(py)))
    }

    fn __len__(&self) -> usize {
        self.count
    }

    fn __getitem__<'py>(&self, place: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        self.unpacked(place.py())?.as_any().get_item(place)
    }

    fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Ok(self.unpacked(py)?.as_any().try_iter()?.into_any())
    }

    /// Compare with any other sequence, item by item.
    fn __eq__(&self, other: &Bound<PyAny>) -> PyResult<bool> {
        let other = match other.downcast_exact::<Cart>() {
            Ok(cart) => cart.get().unpacked(other.py())?.into_any(),
            Err(_) => other.clone(),
        };
        self.unpacked(other.py())?.eq(other)
    }

    fn __repr__(&self, py: Python) -> PyResult<String> {
        Ok(self.unpacked(py)?.repr()?.to_string())
    }
}

fn unpacked<'py>(py: Python<'py>, packed: &[u8]) -> Done<Bound<'py, PyList>> {
    let scan = &mut Scan { left: packed };
    let (count, items) = (scan.count()?, PyList::empty(py));
    for _ in 0..count {
        let (item, fields) = (Item::take(scan)?, PyDict::new(py));
        fields.set_item("name", item.name)?;
        fields.set_item("sku", item.sku)?;
        fields.set_item("quantity", item.quantity)?;
        fields.set_item("price", item.price)?;
        fields.set_item("category", item.category)?;
        for (name, measure) in MEASURES.iter().zip(item.measures) {
            fields.set_item(name, measure)?;
        }
        match item.attributes {
            None => fields.set_item("attributes", py.None())?,
            Some(found) => {
                let attributes = PyDict::new(py);
                for (key, text) in found {
                    attributes.set_item(key, text)?;
                }
                fields.set_item("attributes", attributes)?;
            }
        }
        items.append(fields)?;
    }
    scan.end(count)?;
    Ok(items)
}

fn write(session: &Bound<PyTuple>, header: &[u8]) -> Done<Vec<u8>> {
    if session.len() != 19 {
        return Err(Stop::Refused);
    }
    let field = |place: usize| session.get_item(place);
    let mut bytes = Vec::with_capacity(512);
    let out = &mut bytes;
    out.extend_from_slice(header);
    put_text(out, &field(0)?)?;
    put_integer(out, &field(1)?)?;
    let application: i32 = field(2)?
        .downcast_exact::<PyInt>()
        .map_err(refused)?
        .extract()
        .map_err(|_| Refused)?;
    put_long(out, application.into());
    for place in 3..6 {
        put_text(out, &field(place)?)?;
    }
    put_state(out, &field(6)?)?;
    let items = field(7)?;
    if let Ok(cart) = items.downcast_exact::<Cart>() {
        out.extend_from_slice(&cart.get().packed);
    } else if items.len()? == 0 {
        out.push(0);
    } else {
        return Err(Stop::Refused);
    }
    put_identifiers(out, &field(8)?)?;
    put_double(out, &field(9)?)?;
    put_map(out, &field(10)?, put_text)?;
    out.push(
        field(11)?
            .downcast_exact::<PyBool>()
            .map_err(refused)?
            .is_true()
            .into(),
    );
    put_map(out, &field(12)?, put_double)?;
    let previous = field(13)?;
    if previous.is_none() {
        out.push(0);
    } else {
        out.push(2);
        put_state(out, &previous)?;
    }
    put_integer(out, &field(14)?)?;
    put_integer(out, &field(15)?)?;
    put_text(out, &field(16)?)?;
    put_integer(out, &field(17)?)?;
    put_sized(
        out,
        field(18)?
            .downcast_exact::<PyBytes>()
            .map_err(refused)?
            .as_bytes(),
    );
    Ok(bytes)
}

fn refused<T>(_: T) -> Refused {
    Refused
}

fn put_text(out: &mut Vec<u8>, text: &Bound<PyAny>) -> Done<()> {
    let text = text.downcast_exact::<PyString>().map_err(refused)?;
    put_sized(out, text.to_str().map_err(refused)?.as_bytes());
    Ok(())
}

fn put_integer(out: &mut Vec<u8>, number: &Bound<PyAny>) -> Done<()> {
    let number = number.downcast_exact::<PyInt>().map_err(refused)?;
    put_long(out, number.extract().map_err(refused::<PyErr>)?);
    Ok(())
}

fn put_double(out: &mut Vec<u8>, number: &Bound<PyAny>) -> Done<()> {
    let number = number.downcast_exact::<PyFloat>().map_err(refused)?;
    out.extend_from_slice(&number.value().to_le_bytes());
    Ok(())
}

fn put_state(out: &mut Vec<u8>, state: &Bound<PyAny>) -> Done<()> {
    let state = state.downcast_exact::<PyString>().map_err(refused)?;
    let state = state.to_str().map_err(refused)?;
    let index = STATES
        .iter()
        .position(|known| *known == state)
        .ok_or(Refused)?;
    put_long(out, index as i64);
    Ok(())
}

fn put_identifiers(out: &mut Vec<u8>, texts: &Bound<PyAny>) -> Done<()> {
    let count = texts.len()?;
    if count > 0 {
        put_long(out, count as i64);
        for text in texts.downcast_exact::<PyList>().map_err(refused)? {
            put_text(out, &text)?;
        }
    }
    out.push(0);
    Ok(())
}

fn put_map(
    out: &mut Vec<u8>,
    map: &Bound<PyAny>,
    put: fn(&mut Vec<u8>, &Bound<PyAny>) -> Done<()>,
) -> Done<()> {
    let map = map.downcast_exact::<PyDict>().map_err(refused)?;
    if !map.is_empty() {
        put_long(out, map.len() as i64);
        for (key, value) in map {
            put_text(out, &key)?;
            put(out, &value)?;
        }
    }
    out.push(0);
    Ok(())
}

#[pymodule]
fn session_processor_codec(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    module.add("UPDATE", PyBytes::new(py, &UPDATE))?;
    module.add("SNAPSHOT", PyBytes::new(py, &SNAPSHOT))?;
    module.add_class::<Codec>()
}
