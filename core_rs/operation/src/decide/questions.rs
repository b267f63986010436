//! The question to a person, in English and French.
//!
//! It quotes nothing: members see it, and what was asked is for the asker and for approvers.

use chenu_engine::vocabulary::{CheckpointState, CheckpointType, OperationKind};

use crate::Moment;
use crate::command::Caller;
use crate::rows::{Bytes, Checkpoint};
use crate::rules::Rules;

/// The ledger keeps so many characters of what was asked.
const NOTED_MAX: usize = 100;
const QUESTION_MAX: usize = 500;
const PREVIEW_MAX: usize = 500;

/// What a person is asked about.
pub(crate) struct Question<'a> {
    pub(crate) caller: &'a Caller,
    pub(crate) kind: OperationKind,
    pub(crate) request_id: &'a str,
    pub(crate) checkpoint_id: &'a str,
    pub(crate) types: &'a [CheckpointType],
    pub(crate) action: &'a str,
    pub(crate) target: &'a str,
    pub(crate) action_digest: &'a Bytes,
    /// What was asked, of which approvers see the beginning.
    pub(crate) text: &'a str,
    /// The provider that would be called, and its model; empty where none would.
    pub(crate) called: (&'a str, &'a str),
    pub(crate) max_cost_nanousd: i64,
}

impl Question<'_> {
    /// The checkpoint, pending from now on.
    pub(crate) fn asked(&self, rules: &Rules, now: &Moment) -> Checkpoint {
        let lifetime_us = rules.shortest(self.types);
        let who = self.caller.principal.to_string();
        let (provider, model) = self.called;
        Checkpoint {
            identity_id: self.caller.identity_id.clone(),
            checkpoint_id: self.checkpoint_id.to_owned(),
            request_id: self.request_id.to_owned(),
            operation_kind: self.kind,
            types: self.types.to_vec(),
            state: CheckpointState::Pending,
            action: self.action.to_owned(),
            target: self.target.to_owned(),
            action_digest: self.action_digest.clone(),
            question_en: self.english(&who),
            question_fr: self.french(&who),
            preview: preview(self.text),
            provider: provider.to_owned(),
            model: model.to_owned(),
            max_cost_nanousd: self.max_cost_nanousd,
            requested_by_type: self.caller.principal.kind,
            requested_by: self.caller.principal.id.clone(),
            acting_for: self.caller.acting_for.clone(),
            // Kept with the question: the approval may be used for as long, whatever is configured
            // by then.
            lifetime_us,
            created_us: now.now_us,
            expires_us: now.now_us + lifetime_us,
            use_before_us: 0,
            resolved_us: 0,
            resolved_by: String::new(),
            decision_id: String::new(),
            reason: String::new(),
            consumed_us: 0,
        }
    }

    /// What the approver is asked, in English. Cut at a length, for the asker's id is its issuer's
    /// word and may have any.
    fn english(&self, who: &str) -> String {
        let wants = self.types.iter().map(|kind| in_english(*kind)).collect::<Vec<_>>();
        let wants = wants.join(" and ");
        let asked = match self.tool() {
            Some(tool) => format!(
                "{who} was answered with a call of the tool {tool}, to {wants}. Approve exactly \
                 these arguments?"
            ),
            None => format!("{who} asks to {wants}. Approve exactly this request?"),
        };
        begin(&asked, QUESTION_MAX)
    }

    /// What the approver is asked, in French.
    fn french(&self, who: &str) -> String {
        let wants = self.types.iter().map(|kind| in_french(*kind)).collect::<Vec<_>>();
        let wants = wants.join(" et ");
        let asked = match self.tool() {
            Some(tool) => format!(
                "{who} a reçu en réponse un appel de l'outil {tool}, pour {wants}. Approuver \
                 exactement ces arguments ?"
            ),
            None => format!("{who} demande à {wants}. Approuver exactement cette demande ?"),
        };
        begin(&asked, QUESTION_MAX)
    }

    fn tool(&self) -> Option<&str> {
        let is_call = self.kind == OperationKind::ToolCall;
        is_call.then(|| self.target.trim_start_matches("tool/"))
    }
}

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

/// The start of a text, as an approver sees it.
fn preview(text: &str) -> String {
    // Looks no further than it shows: the text may be hundreds of times as long.
    let whole = text.chars().nth(PREVIEW_MAX).is_none();
    if whole { text.to_owned() } else { begin(text, PREVIEW_MAX - 1) + "…" }
}

/// The start of a text, as the ledger keeps it.
pub(crate) fn noted(text: &str) -> String {
    begin(text, NOTED_MAX)
}

/// At most so many characters of a text.
fn begin(text: &str, characters: usize) -> String {
    text.chars().take(characters).collect()
}
