//! `chenu.api.pipeline.v1.Query`.

use super::message::Message;
use crate::vocabulary::{
    Intent, Lane, LaneStatus, PartKind, PrincipalType, QueryMode, QueryState, Sphere,
    ToolCallState, ToolEffect,
};
use crate::wire::Stop;

const MICROS: i64 = 1_000_000;
/// More than the message of a usual query, whose buffer then never grows.
const USUAL_BYTES: usize = 1_024;
const COST_EXACT: u16 = 1;
const COST_ESTIMATED: u16 = 2;

/// A query as the wire shows it. No remaining budget amount is in it.
#[derive(Debug)]
pub struct Query<'a> {
    /// Who asked what, and how far it came.
    pub asked: Asked<'a>,
    /// What its row adds; nothing of a query that was only asked about.
    pub recorded: Option<Recorded<'a>>,
    /// The bytes of its `Outcome`; nothing where it has none.
    pub outcome: &'a [u8],
}

/// What is known of a query before it is recorded.
#[derive(Debug)]
pub struct Asked<'a> {
    /// Its UUID.
    pub request_id: &'a str,
    /// Whose it is.
    pub identity_id: &'a str,
    /// What kind of caller asked.
    pub principal_type: PrincipalType,
    /// Who asked.
    pub principal_id: &'a str,
    /// Where it stands.
    pub status: QueryState,
    /// The lanes that have ended, in any order.
    pub lanes: Vec<LaneReport<'a>>,
    /// Those that decide.
    pub intents: Vec<Intent>,
    /// Those that its text was found to have.
    pub detected_intents: Vec<Intent>,
    /// Where it was asked.
    pub sphere: Sphere,
    /// What its text is.
    pub mode: QueryMode,
    /// What an approval binds to.
    pub action_digest: &'a [u8],
    /// Lane B's snapshot.
    pub context_hash: &'a [u8],
    /// The caller's name for the conversation.
    pub thread_id: &'a str,
    /// The caller's name for the piece of work.
    pub run_id: &'a str,
    /// The caller's own words, by name.
    pub labels: Vec<(&'a str, &'a str)>,
    /// What its route was decided on, as [`route_snapshot`] takes it.
    pub route_snapshot: &'a [u8],
}

/// How one lane went.
#[derive(Debug)]
pub struct LaneReport<'a> {
    /// Which one.
    pub lane: Lane,
    /// Where it stands.
    pub status: LaneStatus,
    /// How long it took.
    pub duration_us: i64,
    /// What came out.
    pub summary: &'a str,
}

/// What a query's row says beyond what was asked.
#[derive(Debug)]
pub struct Recorded<'a> {
    /// The checkpoint that it waits, or waited, for.
    pub checkpoint_id: &'a str,
    /// Who answered, or would be called first.
    pub provider: &'a str,
    /// The model that answered, or would be called first.
    pub model: &'a str,
    /// `provider/model` in the order in which they are tried.
    pub chain: Vec<&'a str>,
    /// Why it stopped.
    pub stop_reason: Stop,
    /// The cap in tokens that was sent.
    pub output_cap: i32,
    /// What the provider counted.
    pub usage: Usage,
    /// What was posted.
    pub cost_nanousd: i64,
    /// Whether an upper bound was posted for an attempt.
    pub estimated: bool,
    /// Its last committed event.
    pub event_count: i64,
    /// The bytes of UTF-8 that are stored of the answer.
    pub output_length: i64,
    /// Its parts.
    pub output_parts: Vec<OutputPart<'a>>,
    /// What was asked for: `text` or `json`.
    pub output_format: &'a str,
    /// When it was first recorded.
    pub created_us: i64,
    /// When it last changed.
    pub updated_us: i64,
    /// When it ended; 0 before.
    pub ended_us: i64,
}

/// Tokens by class. They do not overlap.
#[derive(Debug)]
pub struct Usage {
    /// Read at the full rate.
    pub input_tokens: i64,
    /// Written.
    pub output_tokens: i64,
    /// Read from the provider's cache.
    pub cache_read_tokens: i64,
    /// Written to it for its usual time.
    pub cache_write_tokens: i64,
    /// Written to it for an hour.
    pub cache_write_hour_tokens: i64,
}

/// One part of a stored answer.
#[derive(Debug)]
pub struct OutputPart<'a> {
    /// What it is.
    pub kind: PartKind,
    /// The tool that a call is for.
    pub name: &'a str,
    /// The bytes of UTF-8 that are stored of it.
    pub length: i64,
    /// What was decided of a call.
    pub call: Option<ProposedCall<'a>>,
}

/// A call, as it was decided when its answer was settled.
#[derive(Debug)]
pub struct ProposedCall<'a> {
    /// The server's id of it.
    pub call_id: &'a str,
    /// What it does.
    pub effect: ToolEffect,
    /// Where it stood.
    pub state: ToolCallState,
    /// Where it waits.
    pub checkpoint_id: &'a str,
    /// Until when nobody has to decide; 0 of one that does not wait.
    pub expires_us: i64,
    /// Why it was refused.
    pub reason: &'a str,
}

impl Query<'_> {
    /// The message.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Message::with_capacity(USUAL_BYTES);
        self.write(&mut out);
        out.into_bytes()
    }

    /// The message as field 1 of a response.
    pub(super) fn begun(&self) -> Message {
        let mut out = Message::with_capacity(USUAL_BYTES);
        out.message(1, |query| self.write(query));
        out
    }

    fn write(&self, out: &mut Message) {
        self.asked.write(out);
        if let Some(recorded) = &self.recorded {
            recorded.write(out);
        }
        // Behind higher numbers, which protobuf does not mind: fields are read in any order.
        out.bytes(16, self.outcome);
    }
}

impl Asked<'_> {
    fn write(&self, out: &mut Message) {
        out.text(1, self.request_id);
        out.text(2, self.identity_id);
        out.message(3, |principal| {
            principal.number(1, self.principal_type.number());
            principal.text(2, self.principal_id);
        });
        out.number(4, self.status.number());
        // All of them, so that a reader sees which are still to come.
        for lane in Lane::ALL {
            out.message(5, |report| self.write_lane(*lane, report));
        }
        out.packed(6, self.intents.iter().map(|intent| intent.number()));
        out.number(7, self.sphere.number());
        out.bytes(17, self.action_digest);
        out.bytes(18, self.context_hash);
        out.number(22, self.mode.number());
        out.packed(23, self.detected_intents.iter().map(|intent| intent.number()));
        out.text(25, self.thread_id);
        out.text(26, self.run_id);
        out.map(27, &self.labels);
        if !self.route_snapshot.is_empty() {
            out.message(28, |snapshot| write_snapshot(self.route_snapshot, snapshot));
        }
    }

    /// A lane's report; one that is to come is pending, or running.
    fn write_lane(&self, lane: Lane, out: &mut Message) {
        let done = self.lanes.iter().rfind(|report| report.lane == lane);
        let is_running = lane == Lane::FExecution && self.status == QueryState::Running;
        let to_come = if is_running { LaneStatus::Running } else { LaneStatus::Pending };
        out.number(1, lane.number());
        out.number(2, done.map_or(to_come, |report| report.status).number());
        out.message(3, |span| write_time(done.map_or(0, |report| report.duration_us), span));
        out.text(4, done.map_or("", |report| report.summary));
    }
}

impl Recorded<'_> {
    fn write(&self, out: &mut Message) {
        out.text(8, self.checkpoint_id);
        out.message(9, |route| self.write_route(route));
        out.number(10, self.usage.total());
        out.number(11, self.cost_nanousd);
        out.number(12, if self.estimated { COST_ESTIMATED } else { COST_EXACT });
        for (field, time_us) in [(13, self.created_us), (14, self.updated_us), (15, self.ended_us)]
        {
            // A Timestamp of 0 is 1970: what has not happened has none.
            if time_us != 0 {
                out.message(field, |time| write_time(time_us, time));
            }
        }
        out.number(19, self.output_length);
        out.number(20, self.event_count);
        out.number(21, self.output_cap);
        for (number, part) in (0_i64..).zip(&self.output_parts) {
            out.message(24, |message| part.write(number, message));
        }
    }

    fn write_route(&self, out: &mut Message) {
        out.text(1, self.provider);
        out.text(2, self.model);
        for each in &self.chain {
            // At the first one: no provider has a slash in its name, and many models have.
            let (provider, model) = each.split_once('/').unwrap_or((each, ""));
            out.message(3, |model_ref| {
                model_ref.text(1, provider);
                model_ref.text(2, model);
            });
        }
    }
}

impl Usage {
    /// All tokens; more than a number can say are as many as it can.
    fn total(&self) -> i64 {
        let Self { input_tokens, output_tokens, .. } = self;
        let cached =
            [self.cache_read_tokens, self.cache_write_tokens, self.cache_write_hour_tokens];
        let whole = input_tokens.saturating_add(*output_tokens);
        cached.into_iter().fold(whole, i64::saturating_add)
    }

    pub(super) fn write(&self, out: &mut Message) {
        out.number(1, self.input_tokens);
        out.number(2, self.output_tokens);
        out.number(3, self.cache_read_tokens);
        out.number(4, self.cache_write_tokens);
        out.number(5, self.cache_write_hour_tokens);
    }
}

impl OutputPart<'_> {
    fn write(&self, number: i64, out: &mut Message) {
        out.number(1, number);
        out.number(2, self.kind.number());
        out.text(3, self.name);
        out.number(4, self.length);
    }
}

impl ProposedCall<'_> {
    pub(super) fn write(&self, part: i64, tool: &str, out: &mut Message) {
        out.text(1, self.call_id);
        out.number(2, part);
        out.text(3, tool);
        out.number(4, self.effect.number());
        out.number(5, self.state.number());
        out.text(6, self.checkpoint_id);
        if self.expires_us != 0 {
            out.message(7, |time| write_time(self.expires_us, time));
        }
        out.text(8, self.reason);
    }
}

/// A `RoutingSnapshot`: the names of catalogue, prices and signals, 8 bytes each.
#[must_use]
pub fn route_snapshot(packed: &[u8]) -> Vec<u8> {
    let mut out = Message::default();
    write_snapshot(packed, &mut out);
    out.into_bytes()
}

fn write_snapshot(packed: &[u8], out: &mut Message) {
    // What is shorter is no snapshot of this release, and is shown as far as it goes.
    let (catalogue, rest) = packed.split_at_checked(8).unwrap_or((packed, &[]));
    let (prices, signals) = rest.split_at_checked(8).unwrap_or((rest, &[]));
    out.bytes(1, catalogue);
    out.bytes(2, prices);
    out.bytes(3, signals);
}

/// What `Timestamp` and `Duration` have alike: seconds and nanoseconds.
fn write_time(time_us: i64, out: &mut Message) {
    // Rounded down: the nanoseconds of a Timestamp count forward, before 1970 as well.
    out.number(1, time_us.div_euclid(MICROS));
    out.number(2, time_us.rem_euclid(MICROS) * 1_000);
}
