//! Media types, of records and of what an event holds.

use crate::scan::{Refused, Taken, sound_if};

/// Returns the type that a header's value names: without parameters, in lower case.
pub fn content_type(value: &[u8]) -> Taken<String> {
    let text = std::str::from_utf8(value).map_err(|_| Refused)?;
    sound_if(text.is_ascii())?;
    let own = text.split(';').next().unwrap_or_default();
    Ok(own.trim_matches([' ', '\t']).to_ascii_lowercase())
}

/// Whether a content type says that something is JSON.
pub fn is_json_type(name: &str) -> bool {
    name == "application/json"
        || name == "text/json"
        || (name.starts_with("application/") && name.ends_with("+json"))
}
