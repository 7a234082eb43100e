//! Avro's binary form, in its canonical shape alone.
//!
//! Every step either takes what stands there, or refuses: another reader then decides. No length or
//! count is believed before the bytes that it speaks of are seen.

use std::ops::Range;

/// The bytes are left to Python.
pub struct Refused;

pub type Taken<T> = Result<T, Refused>;

pub fn sound_if(sound: bool) -> Taken<()> {
    if sound { Ok(()) } else { Err(Refused) }
}

/// Bytes, and how many of them are taken.
pub struct Scan<'a> {
    whole: &'a [u8],
    pub at: usize,
}

impl<'a> Scan<'a> {
    pub fn new(whole: &'a [u8], at: usize) -> Self {
        Scan { whole, at }
    }

    pub fn bytes(&mut self, length: usize) -> Taken<&'a [u8]> {
        let end = self.at.checked_add(length).ok_or(Refused)?;
        let taken = self.whole.get(self.at..end).ok_or(Refused)?;
        self.at = end;
        Ok(taken)
    }

    /// Returns bytes that were taken before.
    pub fn part(&self, span: &Range<usize>) -> &'a [u8] {
        &self.whole[span.clone()]
    }

    /// Takes something, and returns its position.
    pub fn span<T>(&mut self, take: impl FnOnce(&mut Self) -> Taken<T>) -> Taken<Range<usize>> {
        let start = self.at;
        take(self)?;
        Ok(start..self.at)
    }

    pub fn byte(&mut self) -> Taken<u8> {
        let byte = *self.whole.get(self.at).ok_or(Refused)?;
        self.at += 1;
        Ok(byte)
    }

    /// Takes a varint in its shortest form.
    pub fn long(&mut self) -> Taken<i64> {
        let first = self.byte()?;
        if first < 0x80 {
            return Ok(i64::from(first >> 1) ^ -i64::from(first & 1));
        }
        let mut value = u64::from(first & 0x7f);
        for place in 1..10 {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << (7 * place);
            if byte < 0x80 {
                if byte == 0 || (byte > 1 && place == 9) {
                    return Err(Refused);
                }
                return Ok((value >> 1) as i64 ^ -((value & 1) as i64));
            }
        }
        Err(Refused)
    }

    pub fn int(&mut self) -> Taken<i32> {
        i32::try_from(self.long()?).map_err(|_| Refused)
    }

    pub fn double(&mut self) -> Taken<f64> {
        let taken = self.bytes(8)?.try_into().map_err(|_| Refused)?;
        Ok(f64::from_le_bytes(taken))
    }

    pub fn boolean(&mut self) -> Taken<bool> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Refused),
        }
    }

    pub fn sized(&mut self) -> Taken<&'a [u8]> {
        let length = usize::try_from(self.long()?).map_err(|_| Refused)?;
        self.bytes(length)
    }

    pub fn text(&mut self) -> Taken<&'a str> {
        std::str::from_utf8(self.sized()?).map_err(|_| Refused)
    }

    /// Takes a text as its bytes.
    pub fn utf8(&mut self) -> Taken<&'a [u8]> {
        let text = self.sized()?;
        sound_if(text.is_ascii() || std::str::from_utf8(text).is_ok())?;
        Ok(text)
    }

    /// Takes the index of a union of null and one other type: whether it is the other.
    pub fn present(&mut self) -> Taken<bool> {
        match self.byte()? {
            0 => Ok(false),
            2 => Ok(true),
            _ => Err(Refused),
        }
    }

    /// Takes the index of an enum of so many symbols.
    pub fn symbol(&mut self, symbols: usize) -> Taken<usize> {
        let index = usize::try_from(self.long()?).map_err(|_| Refused)?;
        if index < symbols {
            Ok(index)
        } else {
            Err(Refused)
        }
    }

    /// Takes the count of an array or a map that is empty or one positive block; see `end`.
    pub fn count(&mut self) -> Taken<usize> {
        let count = usize::try_from(self.long()?).map_err(|_| Refused)?;
        if count > self.whole.len() - self.at {
            return Err(Refused); // each item takes a byte or more: found here, not at the last byte
        }
        Ok(count)
    }

    /// Takes the end of an array or a map of so many items: an empty one has none besides its count.
    pub fn end(&mut self, count: usize) -> Taken<()> {
        if count > 0 && self.byte()? != 0 {
            return Err(Refused);
        }
        Ok(())
    }

    /// Takes the end of everything.
    pub fn finish(&self) -> Taken<()> {
        if self.at == self.whole.len() {
            Ok(())
        } else {
            Err(Refused)
        }
    }
}

pub fn text(scan: &mut Scan) -> Taken<()> {
    scan.utf8().map(|_| ())
}

pub fn texts(scan: &mut Scan) -> Taken<()> {
    let count = scan.count()?;
    for _ in 0..count {
        scan.utf8()?;
    }
    scan.end(count)
}

pub fn put_long(out: &mut Vec<u8>, value: i64) {
    let mut left = ((value << 1) ^ (value >> 63)) as u64;
    while left > 0x7f {
        out.push(left as u8 & 0x7f | 0x80);
        left >>= 7;
    }
    out.push(left as u8);
}

pub fn put_double(out: &mut Vec<u8>, value: f64) {
    out.extend_from_slice(&value.to_le_bytes());
}

pub fn put_sized(out: &mut Vec<u8>, parts: &[&[u8]]) {
    put_long(out, parts.iter().map(|part| part.len() as i64).sum());
    for part in parts {
        out.extend_from_slice(part);
    }
}
