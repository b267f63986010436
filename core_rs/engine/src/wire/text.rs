//! Whole characters of text whose surrogate pairs were cut between two events.

/// Holds back the first half of a pair until its second half comes.
#[derive(Debug, Default)]
pub(super) struct Joiner {
    high: Option<u16>,
}

impl Joiner {
    /// `piece` (UTF-8 in which lone surrogates may stand as WTF-8) behind what was held back.
    ///
    /// A half that stays alone becomes U+FFFD.
    pub(super) fn join(&mut self, piece: &[u8]) -> String {
        // Nearly every piece is whole characters with nothing held back, and needs no detour
        // through UTF-16.
        if self.high.is_none()
            && let Ok(text) = std::str::from_utf8(piece)
        {
            return text.to_owned();
        }
        let mut units: Vec<u16> = self.high.take().into_iter().collect();
        units.extend(units_of(piece));
        if let Some(last) = units.last().copied().filter(|unit| is_high(*unit)) {
            units.pop();
            self.high = Some(last);
        }
        String::from_utf16_lossy(&units)
    }

    /// What is left of a half that nothing followed.
    pub(super) fn end(&mut self) -> &'static str {
        if self.high.take().is_some() { "\u{FFFD}" } else { "" }
    }
}

/// Text that came in pieces (WTF-8) and is here whole; none where half a pair stays alone in it.
pub(super) fn joined(pieces: Vec<u8>) -> Option<String> {
    // Only a pair that was cut between two pieces is not UTF-8 already.
    String::from_utf8(pieces).or_else(|cut| String::from_utf16(&units_of(cut.as_bytes()))).ok()
}

fn is_high(unit: u16) -> bool {
    (0xD800..0xDC00).contains(&unit)
}

/// UTF-16 units of UTF-8 with surrogates encoded like any other code point (WTF-8).
fn units_of(bytes: &[u8]) -> Vec<u16> {
    let mut units = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    loop {
        let (valid, invalid) = match std::str::from_utf8(rest) {
            Ok(text) => (text, &[][..]),
            Err(error) => {
                let (valid, invalid) = rest.split_at(error.valid_up_to());
                (std::str::from_utf8(valid).unwrap_or_default(), invalid)
            }
        };
        units.extend(valid.encode_utf16());
        rest = match invalid {
            [] => return units,
            // Half a pair as WTF-8 writes it: in UTF-8 no character begins so.
            [0xED, second @ 0xA0..=0xBF, third @ 0x80..=0xBF, after @ ..] => {
                let unit = 0xD000 | u16::from(second & 0x3F) << 6 | u16::from(third & 0x3F);
                units.push(unit);
                after
            }
            [_, after @ ..] => {
                units.push(0xFFFD);
                after
            }
        };
    }
}
