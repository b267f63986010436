//! One declaration for each table: what it is called, what its columns hold, how rows come back.
//!
//! Column by column as the database has them, in order; whoever makes a statement needs no more.

use chenu_operation::rows::{
    Alias, Attempt, Budget, Checkpoint, Chunk, Content, FileChunk, HeldFile, Hold, Operation,
    Period, Principal, Query, Segment, Slot, StoredFile, ToolCall, UsedFile, Violation,
};
use chenu_operation::view::Row;

use crate::column::{Column as _, Read, Unreadable, Value, events, free, plain};

/// A table of governed rows.
#[derive(Debug)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// Its columns, in order.
    pub columns: &'static [&'static str],
    /// How many of them, from the first one on, are the primary key.
    pub key: usize,
    /// Whether its rows are inserted and never replaced.
    pub append_only: bool,
    /// Whether who follows an operation is given its rows once they are committed.
    pub published: bool,
    read: fn(Vec<Value>) -> Read<Row>,
}

impl PartialEq for Table {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Table {}

impl Table {
    /// A row of it.
    ///
    /// # Errors
    /// [`Unreadable`]: the values are none.
    pub fn read(&self, values: Vec<Value>) -> Read<Row> {
        (self.read)(values)
    }
}

/// A column is named as its field, unless a path says where that stands.
macro_rules! put {
    ($row:ident, $column:ident, $codec:ident) => {
        $codec::put(&$row.$column)
    };
    ($row:ident, $column:ident, $codec:ident, $($path:ident).+) => {
        $codec::put(&$row.$($path).+)
    };
}

/// A column is called as its field, unless that word is Rust's own.
macro_rules! name {
    ($column:ident) => {
        stringify!($column)
    };
    ($column:ident, $name:literal) => {
        $name
    };
}

macro_rules! table {
    (
        $table:ident, $put:ident: $row:ty as $wrap:expr, in $name:literal, key $key:literal
        $(, append_only $append_only:literal)? $(, published $published:literal)? ;
        $($column:ident $(($called:literal))? $codec:ident $(= $($path:ident).+)?),+ $(,)? ;
        $made:expr
    ) => {
        #[doc = concat!("`", $name, "`.")]
        pub static $table: Table = Table {
            name: $name,
            columns: &[$(name!($column $(, $called)?)),+],
            key: $key,
            append_only: false $(|| $append_only)?,
            published: false $(|| $published)?,
            read: |values| {
                let count = values.len();
                let mut values = values.into_iter();
                $(let $column = $codec::take(values.next().ok_or_else(|| short($name, count))?)?;)+
                // Columns are told apart by their place alone: a row of another width would be read
                // as what it is not.
                if values.next().is_some() {
                    return Err(short($name, count));
                }
                Ok($wrap($made))
            },
        };

        fn $put(row: &$row) -> Vec<Value> {
            vec![$(put!(row, $column, $codec $(, $($path).+)?)),+]
        }
    };
}

fn short(table: &str, count: usize) -> Unreadable {
    Unreadable(format!("a row of {table} has {count} values"))
}

table! {
    OPERATIONS, put_operation: Operation as |row| Row::Operation(Box::new(row)),
    in "queries", key 2, published true;
    identity_id plain, request_id plain, kind plain, principal_type plain = subject.kind,
    principal_id plain = subject.id, acting_for plain, content_digest plain, status plain,
    owner_id plain, deadline_ms plain, resume_on_approval plain, sphere plain,
    mode plain = query.mode, intents plain = query.intents,
    detected_intents plain = query.detected_intents, thread_id free = query.thread_id,
    run_id free, labels plain, action_digest plain,
    context_hash plain = query.context_hash, checkpoint_id plain, provider plain = query.provider,
    model plain = query.model, chain plain = query.chain, stop_reason free = query.stop_reason,
    output_cap plain = query.output_cap, usage plain = query.usage, cost_nanousd plain,
    estimated plain, attempts plain = query.attempts, lanes plain = query.lanes, outcome plain,
    event_count plain, output_length plain = query.output_length,
    output_parts plain = query.output_parts, output_format plain = query.output_format,
    route_snapshot plain = query.route_snapshot, created_us plain, updated_us plain,
    ended_us plain;
    Operation {
        identity_id,
        request_id,
        kind,
        subject: Principal { kind: principal_type, id: principal_id },
        acting_for,
        content_digest,
        action_digest,
        status,
        owner_id,
        deadline_ms,
        resume_on_approval,
        sphere,
        run_id,
        labels,
        checkpoint_id,
        cost_nanousd,
        estimated,
        outcome,
        event_count,
        created_us,
        updated_us,
        ended_us,
        query: Query {
            mode,
            intents,
            detected_intents,
            thread_id,
            context_hash,
            provider,
            model,
            chain,
            stop_reason,
            output_cap,
            usage,
            attempts,
            lanes,
            output_length,
            output_parts,
            output_format,
            route_snapshot,
        },
    }
}

table! {
    ALIASES, put_alias: Alias as Row::Alias, in "query_aliases", key 2, append_only true;
    identity_id plain, request_id plain, first_request_id plain,
    principal_type plain = subject.kind, principal_id plain = subject.id, content_digest plain,
    created_us plain;
    Alias {
        identity_id,
        request_id,
        first_request_id,
        subject: Principal { kind: principal_type, id: principal_id },
        content_digest,
        created_us,
    }
}

table! {
    CONTENTS, put_content: Content as Row::Content, in "query_contents", key 2;
    identity_id plain, request_id plain, request plain, plan plain;
    Content { identity_id, request_id, request, plan }
}

table! {
    ATTEMPTS, put_attempt: Attempt as |row| Row::Attempt(Box::new(row)), in "attempts", key 3;
    identity_id plain, request_id plain, attempt plain, state plain, provider plain, model plain,
    slot plain, bound_nanousd plain, cost_nanousd plain, estimated plain, rates_source plain,
    usage plain, failure plain, admitted_us plain, ended_us plain, provider_request_id free,
    answered_model free;
    Attempt {
        identity_id,
        request_id,
        attempt,
        state,
        provider,
        model,
        slot,
        bound_nanousd,
        cost_nanousd,
        estimated,
        rates_source,
        usage,
        failure,
        admitted_us,
        ended_us,
        provider_request_id,
        answered_model,
    }
}

/// `query_events`. No command reads a segment, and its events are not read here.
pub static SEGMENTS: Table = Table {
    name: "query_events",
    columns: &["identity_id", "request_id", "first_sequence", "events"],
    key: 3,
    append_only: true,
    published: true,
    read: |_| Err(Unreadable("no command reads a segment".to_owned())),
};

fn put_segment(row: &Segment) -> Vec<Value> {
    vec![row.identity_id.put(), row.request_id.put(), row.first_sequence.put(), events(&row.events)]
}

table! {
    CHUNKS, put_chunk: Chunk as Row::Chunk,
    in "output_chunks", key 5, append_only true, published true;
    identity_id plain, request_id plain, attempt plain, part plain, offset plain, text free,
    kind plain, name free, call_id free, proof plain;
    Chunk { identity_id, request_id, attempt, part, offset, text, kind, name, call_id, proof }
}

table! {
    STORED_FILES, put_stored_file: StoredFile as Row::StoredFile, in "stored_files", key 2;
    identity_id plain, sha256 plain, size plain;
    StoredFile { identity_id, sha256, size }
}

table! {
    FILE_CHUNKS, put_file_chunk: FileChunk as Row::FileChunk, in "file_chunks", key 3;
    identity_id plain, sha256 plain, offset plain, data plain;
    FileChunk { identity_id, sha256, offset, data }
}

table! {
    HELD_FILES, put_held_file: HeldFile as Row::HeldFile, in "held_files", key 2;
    hold_id plain, sha256 plain, identity_id plain, owner_id plain;
    HeldFile { hold_id, sha256, identity_id, owner_id }
}

table! {
    USED_FILES, put_used_file: UsedFile as Row::UsedFile, in "used_files", key 3;
    identity_id plain, sha256 plain, request_id plain;
    UsedFile { identity_id, sha256, request_id }
}

table! {
    BUDGETS, put_budget: Budget as Row::Budget, in "budgets", key 1;
    budget_id plain, identity_id plain, scope plain, scope_value plain, period plain,
    limit_nanousd plain, granted_nanousd plain, deleted plain, version plain, created_us plain,
    updated_us plain;
    Budget {
        budget_id,
        identity_id,
        scope,
        scope_value,
        period,
        limit_nanousd,
        granted_nanousd,
        deleted,
        version,
        created_us,
        updated_us,
    }
}

table! {
    PERIODS, put_period: Period as Row::Period, in "budget_periods", key 2;
    budget_id plain, period_start_us plain, identity_id plain, posted_nanousd plain,
    reserved_nanousd plain, overrun_nanousd plain, overrun_seen_nanousd plain, frozen_us plain;
    Period {
        budget_id,
        period_start_us,
        identity_id,
        posted_nanousd,
        reserved_nanousd,
        overrun_nanousd,
        overrun_seen_nanousd,
        frozen_us,
    }
}

table! {
    HOLDS, put_hold: Hold as Row::Hold, in "reservations", key 2;
    identity_id plain, request_id plain, state plain, amount_nanousd plain, posted_nanousd plain,
    overrun_nanousd plain, estimated plain, legs plain, owner_id plain, expires_us plain,
    created_us plain, ended_us plain;
    Hold {
        identity_id,
        request_id,
        state,
        amount_nanousd,
        posted_nanousd,
        overrun_nanousd,
        estimated,
        legs,
        owner_id,
        expires_us,
        created_us,
        ended_us,
    }
}

table! {
    SLOTS, put_slot: Slot as Row::Slot, in "provider_slots", key 3;
    ledger_number plain, provider plain, slot plain, free_at_us plain;
    Slot { ledger_number, provider, slot, free_at_us }
}

table! {
    CHECKPOINTS, put_checkpoint: Checkpoint as |row| Row::Checkpoint(Box::new(row)),
    in "checkpoints", key 2;
    identity_id plain, checkpoint_id plain, request_id plain, operation_kind plain, types plain,
    state plain,
    action free, target free, action_digest plain, question_en free, question_fr free,
    preview free, provider plain, model plain, max_cost_nanousd plain, requested_by_type plain,
    requested_by plain, acting_for plain, lifetime_us plain, created_us plain, expires_us plain,
    use_before_us plain, resolved_us plain, resolved_by plain, decision_id plain, reason free,
    consumed_us plain;
    Checkpoint {
        identity_id,
        checkpoint_id,
        request_id,
        operation_kind,
        types,
        state,
        action,
        target,
        action_digest,
        question_en,
        question_fr,
        preview,
        provider,
        model,
        max_cost_nanousd,
        requested_by_type,
        requested_by,
        acting_for,
        lifetime_us,
        created_us,
        expires_us,
        use_before_us,
        resolved_us,
        resolved_by,
        decision_id,
        reason,
        consumed_us,
    }
}

table! {
    VIOLATIONS, put_violation: Violation as Row::Violation,
    in "violations", key 1, append_only true;
    violation_id plain, ledger_number plain, source_identity plain,
    principal_type plain = subject.kind, principal_id plain = subject.id, kind("type") plain,
    target_kind plain, target_id plain, method plain, peer plain, time_us plain;
    Violation {
        violation_id,
        ledger_number,
        source_identity,
        subject: Principal { kind: principal_type, id: principal_id },
        kind,
        target_kind,
        target_id,
        method,
        peer,
        time_us,
    }
}

table! {
    TOOL_CALLS, put_tool_call: ToolCall as |row| Row::ToolCall(Box::new(row)),
    in "tool_calls", key 2;
    identity_id plain, call_id plain, query_id plain, part plain, tool plain, effect plain,
    audience plain, schema_sha256 plain, salt plain, taken_us plain, expires_us plain,
    key_id plain, redeemed_us plain;
    ToolCall {
        identity_id,
        call_id,
        query_id,
        part,
        tool,
        effect,
        audience,
        schema_sha256,
        salt,
        taken_us,
        expires_us,
        key_id,
        redeemed_us,
    }
}

/// All of them. None refers to another in the database, so that they may be written in any order;
/// it is this one always, that two runs leave the same statements.
pub static TABLES: [&Table; 17] = [
    &OPERATIONS,
    &ALIASES,
    &CONTENTS,
    &ATTEMPTS,
    &SEGMENTS,
    &CHUNKS,
    &STORED_FILES,
    &FILE_CHUNKS,
    &HELD_FILES,
    &USED_FILES,
    &BUDGETS,
    &PERIODS,
    &HOLDS,
    &SLOTS,
    &CHECKPOINTS,
    &VIOLATIONS,
    &TOOL_CALLS,
];

/// The table that a row stands in, and its values there.
#[must_use]
pub fn put(row: &Row) -> (&'static Table, Vec<Value>) {
    match row {
        Row::Operation(row) => (&OPERATIONS, put_operation(row)),
        Row::Alias(row) => (&ALIASES, put_alias(row)),
        Row::Content(row) => (&CONTENTS, put_content(row)),
        Row::Attempt(row) => (&ATTEMPTS, put_attempt(row)),
        Row::Segment(row) => (&SEGMENTS, put_segment(row)),
        Row::Chunk(row) => (&CHUNKS, put_chunk(row)),
        Row::StoredFile(row) => (&STORED_FILES, put_stored_file(row)),
        Row::FileChunk(row) => (&FILE_CHUNKS, put_file_chunk(row)),
        Row::HeldFile(row) => (&HELD_FILES, put_held_file(row)),
        Row::UsedFile(row) => (&USED_FILES, put_used_file(row)),
        Row::Budget(row) => (&BUDGETS, put_budget(row)),
        Row::Period(row) => (&PERIODS, put_period(row)),
        Row::Hold(row) => (&HOLDS, put_hold(row)),
        Row::Slot(row) => (&SLOTS, put_slot(row)),
        Row::Checkpoint(row) => (&CHECKPOINTS, put_checkpoint(row)),
        Row::Violation(row) => (&VIOLATIONS, put_violation(row)),
        Row::ToolCall(row) => (&TOOL_CALLS, put_tool_call(row)),
    }
}
