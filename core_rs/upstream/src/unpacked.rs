//! A body as it was before its sender packed it.
//!
//! It is asked for as it is; some gateways pack it all the same.

use std::io::Write as _;
use std::mem;

use bytes::Bytes;
use flate2::write::MultiGzDecoder;
use http::HeaderMap;
use http::header::CONTENT_ENCODING;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;

use crate::exchange::Failure;
use crate::running::word_of;

/// So much is unpacked at once: a byte becomes a thousand at most, and what is too large in all is
/// noticed before it is there.
const PACKED_BYTES_MAX: usize = 256;

enum Coding {
    None,
    Gzip(Box<MultiGzDecoder<Vec<u8>>>),
    Unknown,
}

pub(crate) struct Unpacked {
    body: Incoming,
    coding: Coding,
    packed: Bytes,
    has_begun: bool,
}

impl Unpacked {
    pub(crate) fn new(body: Incoming, headers: &HeaderMap) -> Self {
        let coding = match word_of(headers, &CONTENT_ENCODING).as_str() {
            "" | "identity" => Coding::None,
            "gzip" | "x-gzip" => Coding::Gzip(Box::new(MultiGzDecoder::new(Vec::new()))),
            _ => Coding::Unknown,
        };
        Self { body, coding, packed: Bytes::new(), has_begun: false }
    }

    /// The next piece; `None`: it has ended cleanly. What is dropped while it waits loses nothing.
    pub(crate) async fn piece(&mut self) -> Result<Option<Bytes>, Failure> {
        loop {
            // What is left of the last piece first: a reader that leaves between the two finds it
            // here again.
            if let Some(plain) = self.unpack()? {
                return Ok(Some(plain));
            }
            let piece = piece_of(&mut self.body).await?;
            match (&mut self.coding, piece) {
                (Coding::None, piece) => return Ok(piece),
                (Coding::Unknown, piece) => {
                    return Err(Failure::Encoded { is_plausible: piece.is_some() });
                }
                (Coding::Gzip(_), Some(piece)) => self.packed = piece,
                // Cut within, it is cut, whatever its frame says.
                (Coding::Gzip(decoder), None) => {
                    return match decoder.try_finish() {
                        Ok(()) => Ok(None),
                        Err(_) => Err(self.spoilt()),
                    };
                }
            }
        }
    }

    /// Something of what came packed; `None`: all of it is told.
    fn unpack(&mut self) -> Result<Option<Bytes>, Failure> {
        while let Coding::Gzip(decoder) = &mut self.coding
            && !self.packed.is_empty()
        {
            let some = self.packed.split_to(self.packed.len().min(PACKED_BYTES_MAX));
            // Flushed each time, or the decoder would keep an event to itself until the next
            // one comes.
            let unpacked = decoder.write_all(&some).and_then(|()| decoder.flush());
            let plain = mem::take(decoder.get_mut());
            if unpacked.is_err() {
                return Err(self.spoilt());
            }
            if !plain.is_empty() {
                self.has_begun = true;
                return Ok(Some(plain.into()));
            }
        }
        Ok(None)
    }

    /// What begins as another thing than it calls itself was written by no model.
    fn spoilt(&self) -> Failure {
        if self.has_begun { Failure::Truncated } else { Failure::Encoded { is_plausible: false } }
    }
}

async fn piece_of(body: &mut Incoming) -> Result<Option<Bytes>, Failure> {
    while let Some(frame) = body.frame().await {
        // Whatever broke it: behind the head every end but the body's own is a cut.
        let frame = frame.map_err(|_| Failure::Truncated)?;
        if let Ok(piece) = frame.into_data() {
            return Ok(Some(piece)); // anything else are trailers
        }
    }
    Ok(None)
}
