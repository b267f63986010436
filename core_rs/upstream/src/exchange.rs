//! One call as its reader sees it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chenu_engine::wire::{Decoder, Event, Fault};
use http::HeaderMap;
use tokio::sync::Notify;
use tokio::task::AbortHandle;

use crate::connect::Unreached;
use crate::departure::Departure;
use crate::reading::{Form, Reading};

/// So many bytes of an answer may wait for their reader; then no more are read from its socket.
const UNREAD_BYTES_MAX: usize = 64 << 10;

type Waker = Box<dyn FnOnce() + Send>;

/// Why a call has failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// The whole call's time is over.
    Deadline,
    /// The time to connect is over.
    NotConnected,
    /// No connection can be made.
    Unreached(Unreached),
    /// The connection was lost before an answer began.
    Lost,
    /// What came is no HTTP.
    NotHttp,
    /// The answer did not begin in its time.
    NoFirstEvent,
    /// The answer did not go on in its time.
    NoNextEvent,
    /// The connection was lost within the body.
    Truncated,
    /// The body is larger than is taken.
    TooLarge,
    /// The body is encoded, which nobody asked for; `is_plausible`: it may be as it says.
    Encoded {
        /// Whether it begins as what it calls itself.
        is_plausible: bool,
    },
    /// A status other than 200.
    Refused {
        /// Whether all of its body has come.
        is_complete: bool,
    },
    /// A body that is no answer.
    Fault(Fault),
}

impl Failure {
    /// The word that crosses the binding.
    #[must_use]
    pub fn wire_name(&self) -> &'static str {
        match self {
            Self::Deadline => "deadline",
            Self::NotConnected => "not_connected",
            Self::Unreached(Unreached::Host) => "no_host",
            Self::Unreached(Unreached::Listener) => "no_listener",
            Self::Unreached(Unreached::Proxy) => "no_proxy",
            Self::Unreached(Unreached::Certificate) => "no_trust",
            Self::Unreached(Unreached::Tls) => "no_tls",
            Self::Lost => "lost",
            Self::NotHttp => "not_http",
            Self::NoFirstEvent => "no_first_event",
            Self::NoNextEvent => "no_next_event",
            Self::Truncated => "truncated",
            Self::TooLarge => "too_large",
            Self::Encoded { is_plausible: true } => "encoded",
            Self::Encoded { is_plausible: false } => "not_encoded",
            Self::Refused { is_complete: true } => "refused",
            Self::Refused { is_complete: false } => "refused_in_part",
            Self::Fault(_) => "fault",
        }
    }
}

/// How a call has ended.
pub type End = Result<(), Failure>;

/// What has come of an answer since its reader last looked.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct News {
    /// In order; all of them came before the end.
    pub events: Vec<Event>,
    /// There will be no more.
    pub end: Option<End>,
}

/// One call on its way. Dropping it ends it.
pub struct Exchange {
    shared: Arc<Shared>,
    task: AbortHandle,
}

impl Exchange {
    pub(crate) fn new(shared: Arc<Shared>, task: AbortHandle) -> Self {
        Self { shared, task }
    }

    /// What is new; `None`: nothing yet.
    #[must_use]
    pub fn take(&self) -> Option<News> {
        self.shared.take()
    }

    /// Have `wake` called, by the thread that reads, once there is something new. Whether it will
    /// be: else there is already.
    pub fn wake(&self, wake: impl FnOnce() + Send + 'static) -> bool {
        let mut state = locked(&self.shared.state);
        // Looked at and waited for under one lock: what comes between the two would wake nobody.
        let waits = !state.is_worth_waking();
        state.waker = waits.then(|| Box::new(wake) as Waker);
        waits
    }

    /// Whether the connection of a call that has ended was kept or closed.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        locked(&self.shared.state).is_settled
    }

    /// When the first byte left, by the monotonic clock in nanoseconds.
    #[must_use]
    pub fn left_ns(&self) -> Option<u64> {
        self.shared.departure.left_ns()
    }

    /// The status, once the head has come.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        locked(&self.shared.state).head.as_ref().map(|head| head.status)
    }

    /// A header of the answer, empty if it has none or none that is text.
    #[must_use]
    pub fn header(&self, name: &str) -> String {
        let state = locked(&self.shared.state);
        let value = state.head.as_ref().and_then(|head| head.headers.get(name));
        let text = value.and_then(|value| std::str::from_utf8(value.as_bytes()).ok());
        text.unwrap_or_default().to_owned()
    }

    /// What was kept of a body that is no answer.
    #[must_use]
    pub fn body(&self) -> Vec<u8> {
        locked(&self.shared.state).body.clone()
    }

    /// What the decoder of the answer knows; `None`: there is no answer of status 200.
    pub fn told<T>(&self, tell: impl FnOnce(&Decoder) -> T) -> Option<T> {
        locked(&self.shared.state).reading.as_ref().map(|reading| tell(&reading.decoder))
    }

    /// Leaves the call, after which nothing of it can leave. A connection that is not read to its
    /// end is closed.
    pub fn close(&self) {
        self.shared.departure.stop();
        // Its waker holds somebody's future, and is dropped once the lock is free: nobody knows
        // what that calls.
        let (is_whole, waker) = {
            let mut state = locked(&self.shared.state);
            (state.is_whole, state.waker.take())
        };
        drop(waker);
        // A whole answer goes on for a moment without a reader, so that its connection is kept.
        if !is_whole {
            self.task.abort();
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.close();
    }
}

pub(crate) struct Shared {
    pub(crate) departure: Arc<Departure>,
    pub(crate) room: Notify,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    head: Option<Head>,
    reading: Option<Reading>,
    body: Vec<u8>,
    unread_bytes: usize,
    end: Option<End>,
    has_ended: bool,
    is_whole: bool,
    is_settled: bool,
    waker: Option<Waker>,
}

struct Head {
    status: u16,
    headers: HeaderMap,
}

impl State {
    fn is_worth_waking(&self) -> bool {
        let has_events = self.reading.as_ref().is_some_and(|reading| !reading.events.is_empty());
        has_events || self.end.is_some() || self.is_settled
    }
}

impl Shared {
    pub(crate) fn new(departure: Departure) -> Arc<Self> {
        let (departure, room) = (Arc::new(departure), Notify::new());
        Arc::new(Self { departure, room, state: Mutex::default() })
    }

    pub(crate) fn begin(&self, status: u16, headers: HeaderMap, form: Option<(Form, bool)>) {
        let mut state = locked(&self.state);
        state.head = Some(Head { status, headers });
        state.reading = form.map(|(form, is_stream)| Reading::new(form, is_stream));
    }

    pub(crate) fn has_begun(&self) -> bool {
        locked(&self.state).head.is_some()
    }

    /// Whether the piece says something, and whether the answer is whole.
    pub(crate) fn feed(&self, piece: Option<&[u8]>) -> Result<(bool, bool), Failure> {
        let mut state = locked(&self.state);
        let Some(reading) = &mut state.reading else { return Ok((false, false)) };
        let says = reading.feed(piece).map_err(Failure::Fault)?;
        let (is_done, has_events) = (reading.decoder.is_done(), !reading.events.is_empty());
        // With its end the reader is woken once, by `end`, which comes right behind.
        if has_events && !is_done {
            state.unread_bytes += piece.map_or(0, <[u8]>::len);
            let waker = state.waker.take();
            // Called once the lock is free: whoever is woken may look at this very call.
            drop(state);
            wake(waker);
        }
        Ok((says, is_done))
    }

    /// Whether all of the piece still was kept, of so many bytes.
    pub(crate) fn keep(&self, piece: &[u8], bytes_max: usize) -> bool {
        let body = &mut locked(&self.state).body;
        let room = bytes_max - body.len().min(bytes_max);
        body.extend(piece.iter().take(room));
        piece.len() <= room
    }

    pub(crate) fn is_full(&self) -> bool {
        locked(&self.state).unread_bytes > UNREAD_BYTES_MAX
    }

    /// The answer has ended so; `is_settled`: its connection has been seen to as well.
    pub(crate) fn end(&self, end: End, is_settled: bool) {
        let mut state = locked(&self.state);
        // The first end stands: behind it comes that of the call's own `Drop`, which knows only
        // of a loss.
        if !std::mem::replace(&mut state.has_ended, true) {
            state.is_whole = end.is_ok();
            state.end = Some(end);
        }
        state.is_settled |= is_settled;
        let waker = state.waker.take();
        drop(state);
        wake(waker);
    }

    fn take(&self) -> Option<News> {
        let mut state = locked(&self.state);
        let events = state.reading.as_mut().map(|reading| std::mem::take(&mut reading.events));
        let (events, end) = (events.unwrap_or_default(), state.end.take());
        // Only where there was too much: a wake-up that nobody waits for is kept, and would end the
        // next wait at once.
        if std::mem::take(&mut state.unread_bytes) > UNREAD_BYTES_MAX {
            self.room.notify_one();
        }
        (end.is_some() || !events.is_empty()).then_some(News { events, end })
    }
}

fn wake(waker: Option<Waker>) {
    if let Some(wake) = waker {
        wake();
    }
}

/// The state behind a lock. Nothing panics while it holds one, so a poisoned state is whole.
pub(crate) fn locked<T>(state: &Mutex<T>) -> MutexGuard<'_, T> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
