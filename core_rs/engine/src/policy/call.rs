//! A call that a model proposes, and what the policies say about it.

use super::set::Verdict;

/// A call of a tool, before anything is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProposedCall<'a> {
    /// The tool, as the model called it.
    pub name: &'a str,
    /// `read`, `write`, `delete`, `send`, `transfer` or `payment`; another one denies.
    pub effect: &'a str,
    /// One JSON object.
    pub arguments: &'a [u8],
}

/// What the policies say about one call: refused, or held for a person, or passed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CallVerdict {
    /// Whether it may be released: at once, or after its checkpoints.
    pub allowed: bool,
    /// The ids of the policies that deny, in order; `default_deny` when no permit applied.
    pub denied_by: Vec<String>,
    /// (type, policy id) of what a person must approve first, in order; empty when denied.
    pub checkpoints: Vec<(String, String)>,
    /// Why an evaluation failed. Any failure denies.
    pub errors: Vec<String>,
    /// Which argument could not be told to the policies, and why. Such a call never passes: where
    /// nothing denies it, `checkpoints` has an `execution_approval`.
    pub unrepresentable: Option<String>,
}

impl CallVerdict {
    pub(super) fn new(verdict: Verdict, unrepresentable: Option<String>) -> Self {
        let Verdict { allowed, denied_by, checkpoints, errors } = verdict;
        Self { allowed, denied_by, checkpoints, errors, unrepresentable }
    }
}
