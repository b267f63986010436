//! Why calls are refused, or fail.
//!
//! Generated from `proto/` by `make proto`: change it there.

use crate::word::words;

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
        /// The checkpoint needs somebody else.
        SelfApproval = 43, "SELF_APPROVAL";
        /// The query is in a state in which this cannot be done.
        QueryState = 12, "QUERY_STATE";
        /// A budget cannot cover the query's dearest bound, or the amount of a reservation.
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
        /// The proposed call was withdrawn before it was taken.
        ToolCallCancelled = 44, "TOOL_CALL_CANCELLED";
        /// The release's time is over.
        ReleaseExpired = 45, "RELEASE_EXPIRED";
        /// The release was redeemed before, by this caller or by another.
        ReleaseUsed = 46, "RELEASE_USED";
        /// What was sent is no release of this gateway for this tool, audience and arguments.
        ReleaseInvalid = 47, "RELEASE_INVALID";
        /// This server has no key to sign releases with.
        ReleaseUnavailable = 48, "RELEASE_UNAVAILABLE";
        /// The model's output is not the JSON that was asked for.
        OutputInvalid = 41, "OUTPUT_INVALID";
        /// The reservation's money is not held, so it can be neither spent nor posted.
        ReservationNotHeld = 42, "RESERVATION_NOT_HELD";
    }
}

// By number.
const MESSAGES: [&str; 49] = [
    "",
    "no bearer token; send `authorization: Bearer <token>`",
    "the token is not valid for this server; ask your issuer for a new one",
    "the token has expired; ask your issuer for a new one",
    "only a principal[ of type `{principal_type}`] with role `{role}` in this identity may",
    "outside the caller's identity; recorded as {violation_id}",
    "denied by policy {policies}",
    "waits for a person at checkpoint {checkpoint_id}: {question}",
    "checkpoint {checkpoint_id} was rejected",
    "checkpoint {checkpoint_id} has expired; ask again with a new request_id",
    "checkpoint {checkpoint_id} was cancelled",
    "checkpoint {checkpoint_id} is already {state} by {winner}",
    "query {request_id} is {state}",
    "the {scope} budget cannot cover what was asked",
    "no budget applies; a budget_admin can create one",
    "no price is known for the models that fit; an operator can set one",
    "budget {budget_id} covers this scope and period already; update it instead",
    "budget {budget_id} holds reservations; try again when they have ended",
    "it has changed since it was read; read it again and repeat",
    "over the {limit} limit; retry in {retry_after}",
    "this identity is blocked for {retry_after} more",
    "the queue for {provider} is full",
    "{provider} has no room before the deadline; retry in {retry_after}",
    "the server has no room for more {resource}",
    "no model fits; {count} were excluded[; some lack {missing}]",
    "no provider answered: {attempts}",
    "{provider} refused the request ({kind})",
    "{provider} cut the stream after {output_length} bytes",
    "the server stopped during execution; it is never run again by itself",
    "query {request_id} was cancelled",
    "query {request_id} ran out of time",
    "decisions cannot be recorded now, so nothing runs; try again",
    "request_id {request_id} was used for something else; make a new one",
    "{field}: {problem}",
    "a request holds at most {limit_bytes} bytes",
    "there is no {kind} named `{name}`",
    "the stream was not read fast enough after event {sequence}",
    "internal error",
    "{limit} checkpoints of this identity wait for a person already",
    "the {scope} budget was overrun and is frozen; a budget_admin can unfreeze it",
    "{provider} called the tool `{tool}` wrongly ({problem})",
    "{provider} did not answer with the JSON that was asked for ({problem})",
    "reservation {request_id} is {state}: its money is not held",
    "checkpoint {checkpoint_id} needs another person than who asked",
    "the tool call {call_id} was withdrawn",
    "the release of tool call {call_id} has expired",
    "the release of tool call {call_id} was redeemed before",
    "this is no release for that ({problem})",
    "this server has no key to sign releases with",
];

impl ErrorReason {
    /// What is said of it: `{key}` is a value; what stands in `[` and `]` falls away
    /// where a value in it is empty.
    #[must_use]
    pub fn message(self) -> &'static str {
        MESSAGES.get(usize::from(self.number())).copied().unwrap_or_default()
    }
}
