//! Files are held, stored, and used once what they came with is recorded.

use crate::answer::Answer;
use crate::command::{HoldFiles, KeepChunk};
use crate::rows::{Bytes, HeldFile};
use crate::view::{Need, Row, View};

/// What is stored under these digests.
pub(crate) fn needs_hold(asked: &HoldFiles) -> Vec<Need> {
    let file = |digest: &Bytes| Need::File(asked.identity_id.clone(), digest.clone());
    asked.digests.iter().map(file).collect()
}

/// Those that are missing.
pub(crate) fn hold(view: &mut View<'_>, asked: &HoldFiles) -> Answer {
    // Held before it is said what is missing: from this commit on no sweep deletes what the caller
    // then does not send again.
    for digest in &asked.digests {
        view.put(Row::HeldFile(HeldFile {
            hold_id: asked.hold_id.clone(),
            sha256: digest.clone(),
            identity_id: asked.identity_id.clone(),
            owner_id: asked.owner_id.clone(),
        }));
    }
    let missing = |digest: &&Bytes| !view.has_file(&asked.identity_id, digest);
    Answer::Missing(asked.digests.iter().filter(missing).cloned().collect())
}

/// The hold.
pub(crate) fn needs_keep(asked: &KeepChunk) -> Vec<Need> {
    vec![Need::HeldFile(asked.hold_id.clone(), asked.chunk.sha256.clone())]
}

/// Whether it is written.
pub(crate) fn keep(view: &mut View<'_>, asked: &KeepChunk) -> Answer {
    // Its process was taken for dead, and what it had stored is swept: with the chunks that are
    // left a file would be called whole that lacks its beginning.
    if !view.is_held(&asked.hold_id, &asked.chunk.sha256) {
        return Answer::Done(false);
    }
    view.put(Row::FileChunk(asked.chunk.clone()));
    // In the commit of the last chunk, so that whoever finds the file finds all of its bytes.
    if let Some(whole) = &asked.whole {
        view.put(Row::StoredFile(whole.clone()));
    }
    Answer::Done(true)
}
