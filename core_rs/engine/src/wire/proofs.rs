//! What a provider signs of its model's thoughts, to be sent back to it unchanged.

use super::{Event, Fault};

/// The most bytes of all signatures and hidden thoughts of one answer.
pub const PROOFS_BYTES_MAX: usize = 256 << 10;

#[derive(Debug, Default)]
struct Proof {
    part: u32,
    signature: Vec<u8>,
    redacted: Vec<u8>,
}

/// The proofs of one answer, by the part that each belongs to.
#[derive(Debug, Default)]
pub(super) struct Proofs {
    proofs: Vec<Proof>,
    bytes: usize,
}

impl Proofs {
    /// More of a part's signature, or of its hidden thoughts.
    pub(super) fn add(
        &mut self,
        part: u32,
        signature: &[u8],
        redacted: &[u8],
    ) -> Result<(), Fault> {
        self.bytes += signature.len() + redacted.len();
        if self.bytes > PROOFS_BYTES_MAX {
            let most = format!("thoughts are signed with more than {PROOFS_BYTES_MAX} bytes");
            return Err(Fault::malformed(most));
        }
        // Parts are never gone back to, so a piece belongs to the last proof or begins another.
        if self.proofs.last().is_none_or(|last| last.part != part) {
            self.proofs.push(Proof { part, ..Proof::default() });
        }
        if let Some(last) = self.proofs.last_mut() {
            last.signature.extend_from_slice(signature);
            last.redacted.extend_from_slice(redacted);
        }
        Ok(())
    }

    /// Every proof, whole.
    pub(super) fn events(&self) -> impl Iterator<Item = Event> {
        self.proofs.iter().map(|proof| Event::Proof {
            part: proof.part,
            signature: String::from_utf8_lossy(&proof.signature).into_owned(),
            redacted: String::from_utf8_lossy(&proof.redacted).into_owned(),
        })
    }
}
