//! Avro's binary form, in its canonical shape alone.
//!
//! Every step either takes what stands there, or refuses: another reader then decides. No length or
//! count is believed before the bytes that it speaks of are seen.

pub struct Refused;

pub type Taken<T> = Result<T, Refused>;

/// The bytes that are not taken yet.
pub struct Scan<'a> {
    pub left: &'a [u8],
}

impl<'a> Scan<'a> {
    pub fn bytes(&mut self, length: usize) -> Taken<&'a [u8]> {
        let (taken, left) = self.left.split_at_checked(length).ok_or(Refused)?;
        self.left = left;
        Ok(taken)
    }

    pub fn byte(&mut self) -> Taken<u8> {
        Ok(self.bytes(1)?[0])
    }

    /// Takes a varint in its shortest form.
    pub fn long(&mut self) -> Taken<i64> {
        let mut value = 0_u64;
        for place in 0..10 {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << (7 * place);
            if byte < 0x80 {
                if (byte == 0 && place > 0) || (byte > 1 && place == 9) {
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

    /// Takes the index of a union of null and one other type: whether it is the other.
    pub fn present(&mut self) -> Taken<bool> {
        match self.byte()? {
            0 => Ok(false),
            2 => Ok(true),
            _ => Err(Refused),
        }
    }

    /// Takes the index of an enum.
    pub fn symbol(&mut self, symbols: &[&'static str]) -> Taken<&'static str> {
        let index = usize::try_from(self.long()?).map_err(|_| Refused)?;
        symbols.get(index).copied().ok_or(Refused)
    }

    /// Takes the count of an array or a map that is empty or one positive block; see `end`.
    pub fn count(&mut self) -> Taken<usize> {
        let count = usize::try_from(self.long()?).map_err(|_| Refused)?;
        if count > self.left.len() {
            return Err(Refused); // each item takes a byte or more
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
}

pub fn put_long(out: &mut Vec<u8>, value: i64) {
    let mut left = ((value << 1) ^ (value >> 63)) as u64;
    while left > 0x7f {
        out.push(left as u8 & 0x7f | 0x80);
        left >>= 7;
    }
    out.push(left as u8);
}

pub fn put_sized(out: &mut Vec<u8>, bytes: &[u8]) {
    put_long(out, bytes.len() as i64);
    out.extend_from_slice(bytes);
}
