//! What a command answers.

use chenu_engine::vocabulary::CheckpointType;
use serde::{Deserialize, Serialize};

use crate::command::Candidate;
use crate::refusal::Outcome;
use crate::rows::{
    Attempt, Budget, Bytes, Checkpoint, LaneReport, Operation, Period, Slot, ToolCall, Violation,
};

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// Yes: the first of the chain may be called, now.
    Admitted {
        /// The operation as it runs.
        operation: Box<Operation>,
        /// The attempt that was opened.
        attempt: Box<Attempt>,
        /// Who may be called, with what each can cost at the cap.
        chain: Vec<Candidate>,
        /// The most tokens that may come back.
        output_cap: i64,
        /// Until when the slot is taken.
        slot_free_at_us: i64,
    },
    /// A person must approve first.
    Blocked {
        /// The operation as it waits.
        operation: Box<Operation>,
        /// Where.
        checkpoint: Box<Checkpoint>,
    },
    /// It ended: its outcome says why.
    Closed(Box<Operation>),
    /// A slot is all that is missing; nothing was written.
    Wait {
        /// When the next ones are free, soonest first; none if none was to be taken.
        free_times_us: Vec<i64>,
    },
    /// The id was used before, by this principal for this very request.
    Known(Box<Operation>),
    /// Another id's operation waits with this very action; this id is its name now, too.
    Attached(Box<Operation>),
    /// As many of the identity's checkpoints are pending as may be; nothing was written.
    Full {
        /// How many may.
        limit: i64,
    },
    /// A file is not stored any more; nothing was written.
    FilesGone,
    /// The id was used for something else; nothing was written.
    Conflict,
    /// It is not approved, or no longer; nothing was written.
    NotResumable(Box<Operation>),
    /// The budgets do not cover the first candidate that is left; nothing was written.
    TooDear,
    /// The money is held no more: another has ended it; nothing was written.
    NotHeld,
    /// As it stands now.
    Settled(Box<Operation>),
    /// As it stands now; withdrawn if it waited.
    Cancelled(Box<Operation>),
    /// The checkpoint as this decision leaves it.
    Resolved(Box<Checkpoint>),
    /// The same person made the same decision under the same id before.
    Repeated(Box<Checkpoint>),
    /// Its time is over.
    Lapsed(Box<Checkpoint>),
    /// It was resolved otherwise before.
    Lost(Box<Checkpoint>),
    /// The approver saw another action than the one that waits.
    OtherAction(Box<Checkpoint>),
    /// Somebody else has to decide.
    OwnAction(Box<Checkpoint>),
    /// All checkpoints as these decisions leave them.
    AllResolved {
        /// In the decisions' order.
        checkpoints: Vec<Checkpoint>,
        /// Which of them were decided by this very command, and not by one before that was alike.
        is_new: Vec<bool>,
    },
    /// One could not be decided so, and none was: what its decision alone would have been answered.
    /// Nothing was written.
    NoneResolved(Box<Answer>),
    /// A service's reservation as it stands after.
    Reservation {
        /// The operation.
        operation: Box<Operation>,
        /// Where it waits or waited, as far as that was looked at.
        checkpoint: Option<Box<Checkpoint>>,
        /// When its money is free again; 0 once it is.
        expires_us: i64,
        /// Whether this very command has claimed its id.
        is_new: bool,
    },
    /// Whether it was for this command to do, and is done.
    Done(bool),
    /// What would be.
    Validation {
        /// Why a person would have to look.
        types: Vec<CheckpointType>,
        /// Why it would be refused.
        denial: Outcome,
        /// How the lanes went.
        lanes: Vec<LaneReport>,
    },
    /// It was judged by other policies than hold now; nothing was written.
    Outdated,
    /// A call that was taken, by this very command or by one before it.
    Taken {
        /// Its operation.
        operation: Box<Operation>,
        /// With the time and the key of its release.
        call: Box<ToolCall>,
    },
    /// The release of a call is over.
    Late(Box<Operation>),
    /// A call that passed may not be taken now.
    Refused(Outcome),
    /// A release that was redeemed by this very command.
    Redeemed {
        /// Its operation.
        operation: Box<Operation>,
        /// The call.
        call: Box<ToolCall>,
    },
    /// A release that was redeemed before.
    Used(Box<Operation>),
    /// The slot that was taken.
    Slot(Slot),
    /// A budget, and what stands against it in the period that goes on.
    Standing(Box<(Budget, Period)>),
    /// There is an open budget of this scope and period.
    Exists {
        /// Which.
        budget_id: String,
    },
    /// The caller's identity has no such budget, or no longer.
    Absent,
    /// The budget has changed since the caller read it.
    Stale {
        /// Its version now.
        version: i64,
    },
    /// Money is reserved on it.
    InUse,
    /// The budget as it was.
    Deleted(Box<Budget>),
    /// As it is recorded.
    Violation(Violation),
    /// The files that are not stored yet.
    Missing(Vec<Bytes>),
}
