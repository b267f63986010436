//! The contract's closed lists of words.
//!
//! Generated from `proto/` by `make proto`: change it there.

use crate::word::words;

words! {
    /// What kind of caller a token was issued to. `chenu.api.annotations.v1.PrincipalType`.
    PrincipalType {
        /// A person. Only a person resolves a checkpoint.
        User = 1, "user";
        /// A backend service.
        Service = 2, "service";
        /// An agent, also while it acts for a user.
        Agent = 3, "agent";
    }
}

words! {
    /// A right that a token gives its holder inside one identity. `chenu.api.annotations.v1.Role`.
    Role {
        /// Ask queries and see the identity's own resources.
        Member = 1, "member";
        /// Resolve the identity's checkpoints.
        Approver = 2, "approver";
        /// See and change the identity's budgets.
        BudgetAdmin = 3, "budget_admin";
        /// Read the identity's ledger entries and violations.
        Auditor = 4, "auditor";
        /// Held on `system` only; see and change operational state.
        Operator = 5, "operator";
        /// Held on `system` only; read, verify and export the whole ledger.
        SystemAuditor = 6, "system_auditor";
    }
}

words! {
    /// How a boundary was crossed. `chenu.api.governance.v1.ViolationType`.
    ViolationType {
        /// An id that the caller's identity does not have.
        CrossIdentityAccess = 1, "cross_identity_access";
        /// A token with several identities and no header that names one.
        MissingIdentity = 2, "missing_identity";
        /// A header that is no identity id.
        InvalidIdentity = 3, "invalid_identity";
        /// A header that names an identity which the token does not hold.
        SpoofedIdentity = 4, "spoofed_identity";
    }
}

words! {
    /// What a text asks for. `chenu.api.governance.v1.Intent`.
    Intent {
        /// Ask or find. Taken when nothing else is found.
        Query = 1, "query";
        /// Make something.
        Create = 2, "create";
        /// Change something.
        Update = 3, "update";
        /// Remove something; needs a person's approval.
        Delete = 4, "delete";
        /// Tell someone outside; needs a person's approval.
        Send = 5, "send";
        /// Examine or compare.
        Analyze = 6, "analyze";
        /// Move data elsewhere; needs a person's approval.
        Transfer = 7, "transfer";
        /// Spend money; needs a person's approval.
        Payment = 8, "payment";
    }
}

words! {
    /// One of the nine areas inside an identity. The list is frozen.
    /// `chenu.api.governance.v1.Sphere`.
    Sphere {
        /// `personal`.
        Personal = 1, "personal";
        /// `business`.
        Business = 2, "business";
        /// `government`.
        Government = 3, "government";
        /// `creative`.
        Creative = 4, "creative";
        /// `community`.
        Community = 5, "community";
        /// `social`.
        Social = 6, "social";
        /// `entertainment`.
        Entertainment = 7, "entertainment";
        /// `team`.
        Team = 8, "team";
        /// `scholar`.
        Scholar = 9, "scholar";
    }
}

words! {
    /// What kind of operation is governed. `chenu.api.governance.v1.OperationKind`.
    OperationKind {
        /// A question to a model.
        Query = 1, "query";
        /// Money that a service spends itself.
        Reservation = 2, "reservation";
        /// A call that a model proposed.
        ToolCall = 3, "tool.call";
    }
}

words! {
    /// What a query's text is. `chenu.api.pipeline.v1.QueryMode`.
    QueryMode {
        /// The text asks for something to be done. What it is found to ask for, and what the caller
        /// declares, decides whether a person must approve.
        Command = 1, "command";
        /// The text is material for a model, to be summarised, rewritten, translated, classified or
        /// turned into code; nothing is carried out but what tools do. Declared intents decide;
        /// detected ones are told and recorded and stop nothing.
        Generation = 2, "generation";
    }
}

words! {
    /// Why a person must look. `chenu.api.governance.v1.CheckpointType`.
    CheckpointType {
        /// Something is sent or paid.
        ExecutionApproval = 1, "execution_approval";
        /// Data is transferred.
        DataAccess = 2, "data_access";
        /// More scope than usual is asked.
        ScopeElevation = 3, "scope_elevation";
        /// More money than planned is asked.
        BudgetApproval = 4, "budget_approval";
        /// One sphere reaches into another.
        CrossSphere = 5, "cross_sphere";
        /// Something is deleted.
        DestructiveAction = 6, "destructive_action";
        /// An operator's policy asks for a person where an identity's edge is near.
        IdentityBoundary = 7, "identity_boundary";
    }
}

words! {
    /// Where a checkpoint stands. All but pending are final.
    /// `chenu.api.governance.v1.CheckpointState`.
    CheckpointState {
        /// Waits for a person.
        Pending = 1, "pending";
        /// A person said yes.
        Approved = 2, "approved";
        /// A person said no.
        Rejected = 3, "rejected";
        /// Nobody decided in time, which means no.
        Expired = 4, "expired";
        /// Withdrawn together with its query.
        Cancelled = 5, "cancelled";
    }
}

words! {
    /// Yes or no. `chenu.api.governance.v1.CheckpointDecision`.
    CheckpointDecision {
        /// The action may run, once.
        Approve = 1, "approve";
        /// The action must not run.
        Reject = 2, "reject";
    }
}

words! {
    /// Which queries, and which reservations of services, a budget covers.
    /// `chenu.api.governance.v1.BudgetScope`.
    BudgetScope {
        /// Every query of every identity.
        Global = 1, "global";
        /// Every query of one identity.
        Identity = 2, "identity";
        /// Not accepted yet.
        Sphere = 3, "sphere";
        /// Not accepted yet.
        Thread = 4, "thread";
        /// Not accepted yet.
        Agent = 5, "agent";
        /// Not accepted yet.
        Provider = 6, "provider";
    }
}

words! {
    /// When a budget's amounts start again at zero, in UTC. `chenu.api.governance.v1.BudgetPeriod`.
    BudgetPeriod {
        /// At midnight.
        Daily = 1, "daily";
        /// At midnight before Monday; not accepted yet.
        Weekly = 2, "weekly";
        /// At midnight before the first day of the month.
        Monthly = 3, "monthly";
        /// Never.
        Total = 4, "total";
    }
}

words! {
    /// What was decided. `chenu.api.governance.v1.LedgerDecision`.
    LedgerDecision {
        /// A query was admitted.
        Allow = 1, "allow";
        /// It was refused.
        Deny = 2, "deny";
        /// It waits for a person.
        Block = 3, "block";
        /// A person said yes.
        Approve = 4, "approve";
        /// A person said no.
        Reject = 5, "reject";
        /// Nobody decided, or used an approval, in time.
        Expire = 6, "expire";
        /// An attempt may go to its provider.
        Execute = 7, "execute";
        /// A query ended and its money was posted or voided.
        Settle = 8, "settle";
        /// A call reached over its boundary.
        Violation = 9, "violation";
        /// Someone changed what decisions depend on.
        Admin = 10, "admin";
    }
}

words! {
    /// The kind of act that an entry is about. `chenu.api.governance.v1.LedgerAction`.
    LedgerAction {
        /// Something is made.
        Create = 1, "create";
        /// Something is read.
        Read = 2, "read";
        /// Something is changed.
        Update = 3, "update";
        /// Something is removed.
        Delete = 4, "delete";
        /// A query runs.
        Execute = 5, "execute";
        /// A checkpoint is approved.
        Approve = 6, "approve";
        /// A checkpoint is rejected.
        Reject = 7, "reject";
        /// A boundary is crossed.
        IdentityViolation = 8, "identity_violation";
    }
}

words! {
    /// Where a query stands. `chenu.api.pipeline.v1.QueryState`.
    QueryState {
        /// Not yet admitted.
        Pending = 1, "pending";
        /// Admitted and at work.
        Running = 2, "running";
        /// A person must approve; nothing ran.
        Blocked = 3, "blocked";
        /// A person said yes; `Continue` runs it.
        Approved = 4, "approved";
        /// A person said no. Final.
        Rejected = 5, "rejected";
        /// Nobody decided, or used the approval, in time. Final.
        Expired = 6, "expired";
        /// The answer is stored. Final.
        Completed = 7, "completed";
        /// Denied, or failed on the way. Final.
        Failed = 8, "failed";
        /// Withdrawn or abandoned. Final.
        Cancelled = 9, "cancelled";
    }
    final Rejected Expired Completed Failed Cancelled;
}

words! {
    /// One of the pipeline's seven steps, which run strictly in order.
    /// `chenu.api.pipeline.v1.Lane`.
    Lane {
        /// Finds what the text asks for.
        AIntent = 1, "lane_a_intent";
        /// Takes an immutable snapshot of the context.
        BContext = 2, "lane_b_context";
        /// Makes the request for the provider and its route.
        CEncoding = 3, "lane_c_encoding";
        /// Boundary, policy, limits, budgets.
        DGovernance = 4, "lane_d_governance";
        /// Stops if a person must approve.
        ECheckpoint = 5, "lane_e_checkpoint";
        /// Calls the provider and streams its answer.
        FExecution = 6, "lane_f_execution";
        /// Settles the money and writes the last ledger entry.
        GAudit = 7, "lane_g_audit";
    }
}

words! {
    /// Where a lane stands. `chenu.api.pipeline.v1.LaneStatus`.
    LaneStatus {
        /// Not yet its turn.
        Pending = 1, "pending";
        /// At work.
        Running = 2, "running";
        /// Done.
        Completed = 3, "completed";
        /// It stopped the query.
        Failed = 4, "failed";
        /// The query ended before it.
        Skipped = 5, "skipped";
        /// It waits for a person.
        Blocked = 6, "blocked";
    }
}

words! {
    /// Which event it is. `chenu.api.pipeline.v1.EventType`.
    EventType {
        /// The query was admitted or blocked.
        PipelineStart = 1, "pipeline.start";
        /// A lane began.
        LaneStart = 2, "lane.start";
        /// A lane ended well.
        LaneComplete = 3, "lane.complete";
        /// A lane stopped the query.
        LaneError = 4, "lane.error";
        /// An attempt may go to its provider.
        LlmCallStart = 5, "llm_call.start";
        /// A piece of the answer.
        LlmCallDelta = 6, "llm_call.delta";
        /// An attempt ended well.
        LlmCallComplete = 7, "llm_call.complete";
        /// An attempt failed.
        LlmCallError = 8, "llm_call.error";
        /// A person must approve.
        CheckpointCreated = 9, "checkpoint.created";
        /// A person said yes.
        CheckpointApproved = 10, "checkpoint.approved";
        /// A person said no.
        CheckpointRejected = 11, "checkpoint.rejected";
        /// Nobody decided in time.
        CheckpointExpired = 12, "checkpoint.expired";
        /// It ends `Run`, not the log.
        PipelineBlocked = 13, "pipeline.blocked";
        /// A budget passed a threshold.
        BudgetWarning = 14, "budget.warning";
        /// A budget cannot cover the query, or is frozen.
        BudgetExceeded = 15, "budget.exceeded";
        /// The query waits for a slot.
        RateLimitQueued = 16, "rate_limit.queued";
        /// No slot came in time.
        RateLimitExceeded = 17, "rate_limit.exceeded";
        /// The answer is stored. Final.
        PipelineComplete = 18, "pipeline.complete";
        /// It ended any other way. Final.
        PipelineError = 19, "pipeline.error";
        /// A part of the answer is whole.
        PartComplete = 20, "part.complete";
        /// A proposed call may be taken.
        ToolCallPassed = 21, "tool_call.passed";
        /// A person must approve a proposed call.
        ToolCallHeld = 22, "tool_call.held";
        /// A policy refused a proposed call.
        ToolCallRefused = 23, "tool_call.refused";
    }
    final PipelineComplete PipelineError;
}

words! {
    /// What a part is. `chenu.api.pipeline.v1.PartKind`.
    PartKind {
        /// `text`.
        Text = 1, "text";
        /// Its bytes are the call's arguments.
        ToolCall = 2, "tool_call";
        /// Never a part of an answer.
        ToolResult = 3, "tool_result";
        /// Its bytes are the thought's text.
        Reasoning = 4, "reasoning";
        /// Never a part of an answer.
        Image = 5, "image";
        /// Never a part of an answer.
        Document = 6, "document";
    }
}

words! {
    /// What calling a tool does. `chenu.api.pipeline.v1.ToolEffect`.
    ToolEffect {
        /// It only reads.
        Read = 1, "read";
        /// It changes something.
        Write = 2, "write";
        /// It removes something.
        Delete = 3, "delete";
        /// It tells someone outside.
        Send = 4, "send";
        /// It moves data elsewhere.
        Transfer = 5, "transfer";
        /// It spends money.
        Payment = 6, "payment";
    }
}

words! {
    /// Where a proposed call stands. `chenu.api.pipeline.v1.ToolCallState`.
    ToolCallState {
        /// No person had to look. Final.
        Passed = 1, "passed";
        /// It waits for a person, or for its approval to be used.
        Held = 2, "held";
        /// Its approval was used by who took it. Final.
        Released = 3, "released";
        /// A policy or a person said no. Final.
        Refused = 4, "refused";
        /// Nobody decided in time, or nobody took it. Final.
        Expired = 5, "expired";
        /// It was withdrawn before. Final.
        Cancelled = 6, "cancelled";
    }
    final Passed Released Refused Expired Cancelled;
}

words! {
    /// Why a call was released. `chenu.api.pipeline.v1.ReleaseBasis`.
    ReleaseBasis {
        /// A person approved exactly these arguments.
        Person = 1, "person";
        /// No policy asked for a person.
        Policy = 2, "policy";
    }
}
