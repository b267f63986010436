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
    /// Which queries a budget covers. `chenu.api.governance.v1.BudgetScope`.
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
    /// Why a call was refused, or failed. `chenu.api.errors.v1.ErrorReason`.
    ErrorReason {
        /// The call carries no bearer token.
        TokenMissing = 1, "TOKEN_MISSING";
        /// The token does not verify.
        TokenInvalid = 2, "TOKEN_INVALID";
        /// The token's time is over.
        TokenExpired = 3, "TOKEN_EXPIRED";
        /// The caller lacks the role, or is not the type of principal, that the rpc needs.
        RoleRequired = 4, "ROLE_REQUIRED";
        /// The call reached for something outside its identity.
        IdentityBoundaryViolation = 5, "IDENTITY_BOUNDARY_VIOLATION";
        /// A policy forbids the query, or none permits it.
        PolicyDenied = 6, "POLICY_DENIED";
        /// A person must approve before the query runs.
        CheckpointPending = 7, "CHECKPOINT_PENDING";
        /// A person said no.
        CheckpointRejected = 8, "CHECKPOINT_REJECTED";
        /// Nobody decided in time, or the approval was not used in time.
        CheckpointExpired = 9, "CHECKPOINT_EXPIRED";
        /// The checkpoint was withdrawn together with its query.
        CheckpointCancelled = 10, "CHECKPOINT_CANCELLED";
        /// Someone else resolved the checkpoint first.
        CheckpointAlreadyResolved = 11, "CHECKPOINT_ALREADY_RESOLVED";
        /// The query is in a state in which this cannot be done.
        QueryState = 12, "QUERY_STATE";
        /// A budget cannot cover the query's dearest bound.
        BudgetExhausted = 13, "BUDGET_EXHAUSTED";
        /// No budget applies, and this server runs nothing without one.
        BudgetRequired = 14, "BUDGET_REQUIRED";
        /// No price is known for any model that fits, so the cost has no bound.
        PriceUnknown = 15, "PRICE_UNKNOWN";
        /// There is a budget of this scope and period already.
        BudgetExists = 16, "BUDGET_EXISTS";
        /// Money is reserved on the budget, so it cannot be deleted.
        BudgetInUse = 17, "BUDGET_IN_USE";
        /// The resource has changed since it was read.
        EtagMismatch = 18, "ETAG_MISMATCH";
        /// This call broke its identity's limit (`limit` names it).
        RateLimited = 19, "RATE_LIMITED";
        /// The identity broke its limit before and is still blocked.
        IdentityBlocked = 20, "IDENTITY_BLOCKED";
        /// As many calls as may wait for this provider wait already.
        QueueFull = 21, "QUEUE_FULL";
        /// The provider has no room before the caller's deadline.
        DeadlineUnreachable = 22, "DEADLINE_UNREACHABLE";
        /// The server has as much of `resource` in hand as it takes.
        ServerOverloaded = 23, "SERVER_OVERLOADED";
        /// No model satisfies the hard constraints.
        NoRoute = 24, "NO_ROUTE";
        /// Every candidate was tried and failed before its first token.
        ProviderUnavailable = 25, "PROVIDER_UNAVAILABLE";
        /// The provider refused the request itself.
        ProviderRejected = 26, "PROVIDER_REJECTED";
        /// The provider's stream ended without its terminator after text had been sent.
        StreamTruncated = 27, "STREAM_TRUNCATED";
        /// The server died after dispatch.
        ExecutionInterrupted = 28, "EXECUTION_INTERRUPTED";
        /// The query was cancelled, or abandoned by its caller.
        QueryCancelled = 29, "QUERY_CANCELLED";
        /// The query's own deadline passed while it ran.
        DeadlineExceeded = 30, "DEADLINE_EXCEEDED";
        /// A decision, or a query's end, cannot be recorded now.
        GovernanceUnavailable = 31, "GOVERNANCE_UNAVAILABLE";
        /// The `request_id` was used for other content, or by another principal of the identity.
        RequestIdConflict = 32, "REQUEST_ID_CONFLICT";
        /// A field's value is not one that this rpc takes.
        InvalidField = 33, "INVALID_FIELD";
        /// The request has more bytes than this rpc takes.
        RequestTooLarge = 34, "REQUEST_TOO_LARGE";
        /// The catalogue, which belongs to no identity, has no such thing.
        NotFound = 35, "NOT_FOUND";
        /// The reader held one message up for longer than the server waits.
        SlowConsumer = 36, "SLOW_CONSUMER";
        /// A bug.
        Internal = 37, "INTERNAL";
        /// As many of the identity's checkpoints wait for a person as may; `limit` is how many.
        CheckpointLimit = 38, "CHECKPOINT_LIMIT";
        /// A budget was overrun by more than 1 % of its limit.
        BudgetFrozen = 39, "BUDGET_FROZEN";
        /// The model called a tool in a way that cannot be passed on.
        ToolCallInvalid = 40, "TOOL_CALL_INVALID";
        /// The model's output is not the JSON that was asked for.
        OutputInvalid = 41, "OUTPUT_INVALID";
    }
}
