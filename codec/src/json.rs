//! RFC 8259's grammar, over a text that is UTF-8: every step takes what stands there, or refuses.

use crate::plain::plain;
use crate::scan::{Refused, Scan, Taken, sound_if};
use std::borrow::Cow;

/// How deep an attribute's text may nest: a scalar has depth 0, `[]` depth 1.
const DEEPEST: usize = 64;

/// A text, and how much of it is taken.
pub struct Json<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Json<'a> {
    pub fn new(text: &'a str) -> Self {
        Json { text, at: 0 }
    }

    /// Takes an object, each member by `take`, which is given its name and stands at its value.
    pub fn object(
        &mut self,
        mut take: impl FnMut(&mut Self, Cow<'a, str>) -> Taken<()>,
    ) -> Taken<usize> {
        self.each(b'{', b'}', |json| {
            let name = json.string()?;
            json.space();
            json.byte(b':')?;
            json.space();
            take(json, name)
        })
    }

    /// Takes an array, each value by `take`, which stands at it.
    pub fn array(&mut self, take: impl FnMut(&mut Self) -> Taken<()>) -> Taken<usize> {
        self.each(b'[', b']', take)
    }

    /// Takes what stands between two brackets, and returns how many there are.
    fn each(
        &mut self,
        open: u8,
        close: u8,
        mut take: impl FnMut(&mut Self) -> Taken<()>,
    ) -> Taken<usize> {
        self.byte(open)?;
        self.space();
        let mut count = 0;
        if self.next() == Some(close) {
            self.at += 1;
            return Ok(count);
        }
        loop {
            take(self)?;
            count += 1;
            self.space();
            if self.next() == Some(close) {
                self.at += 1;
                return Ok(count);
            }
            self.byte(b',')?;
            self.space();
        }
    }

    /// Takes `null`, if it stands here.
    pub fn null(&mut self) -> bool {
        let found = self.text.as_bytes()[self.at..].starts_with(b"null");
        self.at += if found { 4 } else { 0 };
        found
    }

    /// Takes a string without half of a surrogate pair, and returns what it says.
    pub fn string(&mut self) -> Taken<Cow<'a, str>> {
        let (inside, escapes) = self.quoted()?;
        if escapes {
            unescaped(inside).map(Cow::Owned)
        } else {
            Ok(Cow::Borrowed(inside))
        }
    }

    /// Takes a string, if one stands here.
    pub fn string_if_any(&mut self) -> Taken<Option<Cow<'a, str>>> {
        if self.next() == Some(b'"') {
            self.string().map(Some)
        } else {
            Ok(None)
        }
    }

    /// Takes a number, and returns its text and whether it has neither fraction nor exponent.
    pub fn number(&mut self) -> Taken<(&'a str, bool)> {
        let start = self.at;
        self.skip(b'-');
        if !self.skip(b'0') {
            self.digits()?;
        }
        let whole = self.at;
        if self.skip(b'.') {
            self.digits()?;
        }
        if self.skip(b'e') || self.skip(b'E') {
            let _ = self.skip(b'+') || self.skip(b'-');
            self.digits()?;
        }
        Ok((&self.text[start..self.at], whole == self.at))
    }

    /// Takes any value that an attribute may have, and returns its text.
    pub fn kept(&mut self) -> Taken<&'a str> {
        let start = self.at;
        self.value(DEEPEST)?;
        Ok(&self.text[start..self.at])
    }

    /// Takes a value that is neither an object nor an array.
    pub fn scalar(&mut self) -> Taken<()> {
        match self.string_if_any()? {
            Some(_) => Ok(()),
            None => self.value(0),
        }
    }

    /// Takes any value that nests so deep at most: no call within goes deeper than that.
    fn value(&mut self, deepest: usize) -> Taken<()> {
        match self.next() {
            Some(b'"') => self.quoted().map(|_| ()),
            Some(b'{') => {
                let deepest = deepest.checked_sub(1).ok_or(Refused)?;
                self.each(b'{', b'}', |json| {
                    json.quoted()?;
                    json.space();
                    json.byte(b':')?;
                    json.space();
                    json.value(deepest)
                })
                .map(|_| ())
            }
            Some(b'[') => {
                let deepest = deepest.checked_sub(1).ok_or(Refused)?;
                self.array(|json| json.value(deepest)).map(|_| ())
            }
            Some(b't') => self.literal("true"),
            Some(b'f') => self.literal("false"),
            Some(b'n') => self.literal("null"),
            _ => self.number().map(|_| ()),
        }
    }

    /// Takes the end of everything, after white space.
    pub fn finish(&mut self) -> Taken<()> {
        self.space();
        sound_if(self.at == self.text.len())
    }

    /// Takes a string, and returns what is between its quotes and whether that has escapes.
    fn quoted(&mut self) -> Taken<(&'a str, bool)> {
        self.byte(b'"')?;
        let (start, mut escapes) = (self.at, false);
        loop {
            let rest = &self.text.as_bytes()[self.at..];
            self.at += plain(rest);
            if self.next() == Some(b'"') {
                break;
            }
            self.byte(b'\\')?;
            self.escape()?;
            escapes = true;
        }
        let inside = &self.text[start..self.at];
        self.at += 1;
        Ok((inside, escapes))
    }

    /// Takes what stands behind a backslash.
    fn escape(&mut self) -> Taken<()> {
        let letter = self.next().ok_or(Refused)?;
        self.at += 1;
        if letter == b'u' {
            let digits = self.text.as_bytes().get(self.at..self.at + 4);
            sound_if(digits.ok_or(Refused)?.iter().all(u8::is_ascii_hexdigit))?;
            self.at += 4;
        }
        sound_if(b"\"\\/bfnrtu".contains(&letter))
    }

    pub fn space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.next() {
            self.at += 1;
        }
    }

    fn digits(&mut self) -> Taken<()> {
        let start = self.at;
        while self.next().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        sound_if(self.at > start)
    }

    fn literal(&mut self, word: &str) -> Taken<()> {
        sound_if(self.text.as_bytes()[self.at..].starts_with(word.as_bytes()))?;
        self.at += word.len();
        Ok(())
    }

    fn byte(&mut self, byte: u8) -> Taken<()> {
        sound_if(self.skip(byte))
    }

    fn skip(&mut self, byte: u8) -> bool {
        let found = self.next() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn next(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }
}

/// Takes a text of Avro that is one value such as an attribute may have.
pub fn text(scan: &mut Scan) -> Taken<()> {
    let json = &mut Json::new(scan.text()?);
    json.space();
    json.kept()?;
    json.finish()
}

/// Returns what a string says, whose escapes are sound by the grammar.
fn unescaped(inside: &str) -> Taken<String> {
    let mut out = String::with_capacity(inside.len());
    let mut rest = inside;
    while let Some((plain, escape)) = rest.split_once('\\') {
        out.push_str(plain);
        let (letter, behind) = escape.split_at_checked(1).ok_or(Refused)?;
        rest = behind;
        out.push(match letter {
            "b" => '\u{8}',
            "f" => '\u{c}',
            "n" => '\n',
            "r" => '\r',
            "t" => '\t',
            "u" => {
                let first = unit(&mut rest)?;
                let second = match first {
                    0xd800..0xdc00 => {
                        rest = rest.strip_prefix("\\u").ok_or(Refused)?;
                        Some(unit(&mut rest)?)
                    }
                    _ => None,
                };
                let mut decoded = char::decode_utf16([first].into_iter().chain(second));
                decoded.next().ok_or(Refused)?.map_err(|_| Refused)?
            }
            _ => letter.chars().next().ok_or(Refused)?,
        });
    }
    out.push_str(rest);
    Ok(out)
}

/// Takes four hexadecimal digits from the beginning of a text.
fn unit(text: &mut &str) -> Taken<u16> {
    let (digits, rest) = text.split_at_checked(4).ok_or(Refused)?;
    *text = rest;
    u16::from_str_radix(digits, 16).map_err(|_| Refused)
}
