//! The question to a person, in English and French.
//!
//! It quotes nothing: members see it, and what was asked is for the asker and for approvers.

use chenu_engine::vocabulary::CheckpointType;

const QUESTION_MAX: usize = 500;
const PREVIEW_MAX: usize = 500;

fn in_english(kind: CheckpointType) -> &'static str {
    match kind {
        CheckpointType::ExecutionApproval => "send something out or pay",
        CheckpointType::DataAccess => "transfer data",
        CheckpointType::ScopeElevation => "widen its scope",
        CheckpointType::BudgetApproval => "go beyond its budget",
        CheckpointType::CrossSphere => "reach into another sphere",
        CheckpointType::DestructiveAction => "delete something",
        CheckpointType::IdentityBoundary => "touch another identity",
    }
}

fn in_french(kind: CheckpointType) -> &'static str {
    match kind {
        CheckpointType::ExecutionApproval => "envoyer quelque chose ou payer",
        CheckpointType::DataAccess => "transférer des données",
        CheckpointType::ScopeElevation => "élargir sa portée",
        CheckpointType::BudgetApproval => "dépasser son budget",
        CheckpointType::CrossSphere => "atteindre une autre sphère",
        CheckpointType::DestructiveAction => "supprimer quelque chose",
        CheckpointType::IdentityBoundary => "toucher une autre identité",
    }
}

/// What the approver is asked, in English.
pub(crate) fn english(types: &[CheckpointType], who: &str) -> String {
    let wants: Vec<_> = types.iter().map(|kind| in_english(*kind)).collect();
    let wants = wants.join(" and ");
    begin(&format!("{who} asks to {wants}. Approve exactly this request?"), QUESTION_MAX)
}

/// What the approver is asked, in French.
pub(crate) fn french(types: &[CheckpointType], who: &str) -> String {
    let wants: Vec<_> = types.iter().map(|kind| in_french(*kind)).collect();
    let wants = wants.join(" et ");
    begin(&format!("{who} demande à {wants}. Approuver exactement cette demande ?"), QUESTION_MAX)
}

/// The start of a text, as an approver sees it.
pub(crate) fn preview(text: &str) -> String {
    // Looks no further than it shows: the text may be hundreds of times as long.
    let whole = text.chars().nth(PREVIEW_MAX).is_none();
    if whole { text.to_owned() } else { begin(text, PREVIEW_MAX - 1) + "…" }
}

/// At most so many characters of a text.
pub(crate) fn begin(text: &str, characters: usize) -> String {
    text.chars().take(characters).collect()
}
