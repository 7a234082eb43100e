//! Strings of JSON: what of a text stands in them as it is.

/// A 1, and a 0x80, in each byte of a word.
const EACH: u64 = u64::MAX / 0xff;
const HIGH: u64 = EACH * 0x80;

/// Returns how many bytes stand before the first control character, quote or backslash.
pub fn plain(text: &[u8]) -> usize {
    let mut at = 0;
    while let Some(word) = text[at..].first_chunk() {
        match marked(u64::from_le_bytes(*word)) {
            0 => at += 8,
            found => return at + first(found),
        }
    }
    if at == text.len() {
        return at;
    }
    // Those of the last eight that were seen before are not marked.
    match text.last_chunk() {
        Some(word) => match marked(u64::from_le_bytes(*word)) {
            0 => text.len(),
            found => text.len() - 8 + first(found),
        },
        None => {
            let is_marked = |byte: &u8| *byte < 0x20 || *byte == b'"' || *byte == b'\\';
            text.iter().position(is_marked).unwrap_or(text.len())
        }
    }
}

/// Returns a word whose lowest byte that is not 0 stands where the first such character does.
///
/// What a byte borrows may mark the next one, if it is marked itself: only the lowest one counts.
fn marked(word: u64) -> u64 {
    let below = |word: u64, bound: u64| word.wrapping_sub(EACH * bound) & !word;
    let equal = |byte: u8| below(word ^ (EACH * u64::from(byte)), 1);
    (below(word, 0x20) | equal(b'"') | equal(b'\\')) & HIGH
}

fn first(found: u64) -> usize {
    found.trailing_zeros() as usize / 8
}

/// Puts a string.
pub fn put_text(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    let mut rest = text;
    loop {
        let (plain, marked) = rest.split_at(plain(rest));
        out.extend_from_slice(plain);
        let Some((&byte, behind)) = marked.split_first() else {
            break;
        };
        rest = behind;
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0x8 => out.extend_from_slice(b"\\b"),
            0xc => out.extend_from_slice(b"\\f"),
            _ => {
                out.extend_from_slice(b"\\u00");
                out.extend(
                    [byte >> 4, byte & 15].map(|digit| b"0123456789abcdef"[usize::from(digit)]),
                );
            }
        }
    }
    out.push(b'"');
}
