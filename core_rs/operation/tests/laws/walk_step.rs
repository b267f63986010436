//! What may happen next in a random walk.

use crate::tool_calls::Judged;

/// Which of those that there are, counted around.
pub(crate) type Pick = usize;

/// What happens next.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Ask {
        who: Pick,
        id: Pick,
        gated: bool,
        chain: Pick,
        default_cap: bool,
        file: bool,
    },
    Validate {
        who: Pick,
        gated: bool,
    },
    Resolve {
        which: Pick,
        by: Pick,
        yes: bool,
        saw: bool,
        /// How many more are decided with it; none: alone.
        others: usize,
    },
    /// A service's own spending, under the ids that queries have too.
    Reserve {
        who: Pick,
        id: Pick,
        gated: bool,
        amount: Pick,
        allowed: bool,
    },
    /// The same once more: it may have been approved.
    ReserveAgain {
        which: Pick,
        same: bool,
    },
    Post {
        which: Pick,
        amount: Pick,
    },
    Void {
        which: Pick,
        by: Pick,
    },
    Lapse(Pick),
    Expire(Pick),
    Cancel(Pick),
    Consume {
        which: Pick,
        chain: Pick,
        same: bool,
        allowed: bool,
        waits: bool,
    },
    Retry {
        which: Pick,
        bill: Pick,
    },
    Settle {
        which: Pick,
        bill: Pick,
        fails: bool,
        cancelled: bool,
        /// The calls that the answer proposes, with what the policies say of each.
        calls: [Option<Judged>; 3],
        /// Whether other policies hold by then.
        stale: bool,
    },
    /// Somebody wants to have a call executed.
    Take {
        which: Pick,
        by: Pick,
        judged: Judged,
        ttl: Pick,
        stale: bool,
    },
    Redeem(Pick),
    Recover {
        which: Pick,
        owner: Pick,
    },
    Restart,
    Dispatch {
        which: Pick,
        after: i64,
    },
    Readmit(Pick),
    HoldBack {
        provider: Pick,
        told_ago_us: i64,
        wait_us: i64,
    },
    LetGo(Pick),
    SlotLimit {
        provider: Pick,
        requests: i64,
    },
    CreateBudget {
        of: Pick,
        daily: bool,
        limit: Pick,
    },
    UpdateBudget {
        which: Pick,
        limit: Pick,
        stale: bool,
    },
    Unfreeze(Pick),
    DeleteBudget(Pick),
    KeepFile {
        held: bool,
    },
    Violation,
    Pass(i64),
    /// The database's clock was set back: the batch's stands still.
    Freeze(i64),
}
