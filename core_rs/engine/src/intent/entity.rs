//! The values that a text names: addresses, dates, numbers, quotations.

use std::sync::LazyLock;

use regex::Regex;

/// At most this many values are named.
pub(super) const ENTITIES_MAX: usize = 32;

/// Every repetition is bounded, so a search takes time in proportion to the text.
const PATTERN: &str = r"(?x)
    (?<email> [A-Za-z0-9._%+-]{1,64} @ [A-Za-z0-9-]{1,63} (?: \. [A-Za-z0-9-]{1,63} ){1,4} )
  | \b (?<date> [0-9]{4}-[0-9]{2}-[0-9]{2} | [0-9]{1,2}/[0-9]{1,2}/(?: [0-9]{4} | [0-9]{2} ) ) \b
  | \b (?<number> [0-9]{1,18} (?: [.,] [0-9]{1,18} ){0,6} ) \b";

static VALUES: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(PATTERN).ok());

/// Addresses, dates and numbers as (kind, value), in the order of the text.
pub(super) fn values(text: &str) -> Vec<(String, String)> {
    let mut named = Vec::new();
    for captures in VALUES.iter().flat_map(|values| values.captures_iter(text)).take(ENTITIES_MAX) {
        for kind in ["email", "date", "number"] {
            let value = captures.name(kind).map(|value| value.as_str().to_owned());
            named.extend(value.map(|value| (kind.to_owned(), value)));
        }
    }
    named
}
