//! One call, as the thread that does it goes through it.

use std::future::ready;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName};
use http::{HeaderMap, Response};
use hyper::body::Incoming;
use tokio::sync::watch;
use tokio::time::{Instant, Sleep, sleep_until, timeout, timeout_at};

use crate::client::{Limits, Request};
use crate::exchange::{Failure, Shared};
use crate::pool::{Lease, Pool};
use crate::reading::Form;
use crate::silence::Silence;
use crate::unpacked::Unpacked;

/// An answer that never ends, be it of comments alone, must not go on for as long as the deadline
/// lets it.
const STREAM_BYTES_MAX: usize = 64 << 20;
/// What is kept of a refusal.
const REFUSAL_BYTES_MAX: usize = 64 << 10;
/// How long a provider may take to end a body behind the answer's end, for its connection to be
/// kept.
const DRAIN_TIMEOUT: Duration = Duration::from_millis(250);

const EVENT_STREAM: &str = "text/event-stream";

/// What is made of what comes back.
pub(crate) enum Purpose {
    Answer(Form),
    Body { bytes_max: usize },
}

pub(crate) struct Call {
    pub(crate) shared: Arc<Shared>,
    pub(crate) pool: Arc<Pool>,
    pub(crate) request: Request,
    pub(crate) limits: Limits,
    pub(crate) deadline: Instant,
}

/// A head that has come, its body, and until when that must have begun.
struct Begun {
    lease: Lease,
    response: Response<Incoming>,
    first_due: Instant,
}

pub(crate) async fn run(call: Call, purpose: Purpose, mut closed: watch::Receiver<bool>) {
    let end = tokio::select! {
        biased;
        _ = closed.wait_for(|is_closed| *is_closed) => Err(call.lost()),
        end = call.carry(purpose) => end,
    };
    if let Err(failure) = end {
        call.shared.end(Err(failure), true);
    }
}

/// Whoever waits for a call hears of its end, also where its thread ends first.
impl Drop for Call {
    fn drop(&mut self) {
        self.shared.end(Err(self.lost()), true);
    }
}

impl Call {
    fn lost(&self) -> Failure {
        if self.shared.has_begun() { Failure::Truncated } else { Failure::Lost }
    }

    async fn carry(&self, purpose: Purpose) -> Result<(), Failure> {
        let Begun { lease, response, first_due } = self.send().await?;
        let (head, body) = response.into_parts();
        let (status, body) = (head.status.as_u16(), Unpacked::new(body, &head.headers));
        match purpose {
            Purpose::Answer(form) if status == 200 => {
                let is_stream = word_of(&head.headers, &CONTENT_TYPE) == EVENT_STREAM;
                self.shared.begin(status, head.headers, Some((form, is_stream)));
                self.answer(lease, body, first_due).await
            }
            Purpose::Answer(_) => {
                self.shared.begin(status, head.headers, None);
                Err(self.refusal(lease, body, first_due).await)
            }
            Purpose::Body { bytes_max } => {
                self.shared.begin(status, head.headers, None);
                self.body(lease, body, bytes_max).await
            }
        }
    }

    async fn send(&self) -> Result<Begun, Failure> {
        // Once for all tries: a pool full of dead connections must not multiply the time
        // to connect.
        let connect_due = Instant::now() + self.limits.connect();
        loop {
            let mut lease = self.lease(connect_due).await?;
            // From the dispatch on: the time that the connection took is none of the model's.
            let first_due = Instant::now() + self.limits.first_event();
            let request = self.request.sent(self.pool.way());
            let sent = lease.send(request, &self.shared.departure);
            match timeout_at(first_due.min(self.deadline), sent).await {
                Ok(Ok(response)) => return Ok(Begun { lease, response, first_due }),
                // Its other end had left the connection, and nothing has left here.
                Ok(Err(_)) if lease.is_used && self.shared.departure.left_ns().is_none() => {}
                Ok(Err(error)) if error.is_parse() => return Err(Failure::NotHttp),
                Ok(Err(_)) => return Err(Failure::Lost),
                Err(_) => return Err(self.or_deadline(Failure::NoFirstEvent)),
            }
        }
    }

    async fn lease(&self, connect_due: Instant) -> Result<Lease, Failure> {
        // Asked first: what is due already must send nothing, and a timer would let it.
        if Instant::now() >= self.deadline {
            return Err(Failure::Deadline);
        }
        let leased = self.pool.lease(self.request.origin());
        match timeout_at(connect_due.min(self.deadline), leased).await {
            Ok(leased) => leased.map_err(Failure::Unreached),
            Err(_) => Err(self.or_deadline(Failure::NotConnected)),
        }
    }

    async fn answer(
        &self,
        lease: Lease,
        mut body: Unpacked,
        first_due: Instant,
    ) -> Result<(), Failure> {
        let mut silence = Silence::new(first_due, self.limits.between_events());
        // One timer for the whole answer: a stream has hundreds of events, and each would else
        // set its own.
        let mut timer = pin!(sleep_until(first_due.min(self.deadline)));
        let mut received_bytes = 0;
        loop {
            let piece = self.next(&mut body, &silence, timer.as_mut()).await?;
            received_bytes += piece.as_ref().map_or(0, Bytes::len);
            // Counted unpacked: what is packed can be a thousand times as large as what was sent.
            if received_bytes > STREAM_BYTES_MAX {
                return Err(Failure::TooLarge);
            }
            let (says, is_whole) = self.shared.feed(piece.as_deref())?;
            if is_whole {
                self.settle(lease, body).await;
                return Ok(());
            }
            if says {
                silence.broken(Instant::now());
                // Moved lazily to a later time, so an event costs a look at the clock. The wait
                // for the first may be the longer one.
                if silence.due() < timer.deadline() {
                    timer.as_mut().reset(silence.due());
                }
            }
            self.until_read(&mut silence).await?;
        }
    }

    /// The next piece of a body; `None`: it has ended cleanly.
    async fn next(
        &self,
        body: &mut Unpacked,
        silence: &Silence,
        mut timer: Pin<&mut Sleep>,
    ) -> Result<Option<Bytes>, Failure> {
        loop {
            tokio::select! {
                // In this order: a process that stood still has unread events, which come first.
                biased;
                piece = body.piece() => return piece,
                () = timer.as_mut() => {}
            }
            // The timer may be of an earlier wait: only here is it looked at how long the
            // silence is.
            let due = silence.due().min(self.deadline);
            if Instant::now() >= due {
                return Err(self.or_deadline(silence.failure()));
            }
            timer.as_mut().reset(due);
        }
    }

    /// Waits for as long as the reader is too far behind.
    async fn until_read(&self, silence: &mut Silence) -> Result<(), Failure> {
        while self.shared.is_full() {
            // Who makes room between this look and the wait is not missed: the wake-up is kept.
            let room = self.shared.room.notified();
            // No longer than the deadline: a reader that never comes back costs a socket and 64 KiB
            // till then.
            timeout_at(self.deadline, room).await.map_err(|_| Failure::Deadline)?;
            silence.listened_again(Instant::now());
        }
        Ok(())
    }

    /// Tell that the answer is whole, and keep its connection if the body ends there as well.
    async fn settle(&self, lease: Lease, mut body: Unpacked) {
        // Looked at without waiting: mostly the body's end has come along, and the reader is told
        // of both at once.
        let at_once = tokio::select! {
            biased;
            piece = body.piece() => Some(piece),
            () = ready(()) => None,
        };
        let ends_here = at_once == Some(Ok(None));
        if !ends_here {
            self.shared.end(Ok(()), false); // its reader need not wait for the rest
        }
        let drained = async {
            if ends_here || drain(&mut body).await {
                self.pool.take_back(lease).await;
            }
        };
        // Cut off here, the lease closes the connection: nobody can tell how much would still come.
        let _ = timeout(DRAIN_TIMEOUT, drained).await;
        self.shared.end(Ok(()), true);
    }

    /// A refusal's beginning, and whether all of it came: a whole one is free at any size.
    async fn refusal(&self, lease: Lease, mut body: Unpacked, first_due: Instant) -> Failure {
        let whole = async {
            // Read to its end though only the beginning is kept: that all of it came is what makes
            // it free.
            while let Some(piece) = body.piece().await? {
                self.shared.keep(&piece, REFUSAL_BYTES_MAX);
            }
            Ok::<_, Failure>(())
        };
        let is_complete =
            matches!(timeout_at(first_due.min(self.deadline), whole).await, Ok(Ok(())));
        if is_complete {
            let _ = timeout(DRAIN_TIMEOUT, self.pool.take_back(lease)).await;
        }
        Failure::Refused { is_complete }
    }

    async fn body(
        &self,
        lease: Lease,
        mut body: Unpacked,
        bytes_max: usize,
    ) -> Result<(), Failure> {
        let read = async {
            while let Some(piece) = body.piece().await? {
                // Left where it is: nobody wants the rest, and its connection is closed with it.
                if !self.shared.keep(&piece, bytes_max) {
                    return Ok(false);
                }
            }
            Ok(true)
        };
        let read = timeout_at(self.deadline, read).await.map_err(|_| Failure::Deadline)?;
        if read? {
            let _ = timeout(DRAIN_TIMEOUT, self.pool.take_back(lease)).await;
        }
        self.shared.end(Ok(()), true);
        Ok(())
    }

    /// Which of two limits it was that has passed.
    fn or_deadline(&self, other: Failure) -> Failure {
        // Where both have passed it is the deadline, behind which nothing else can be tried.
        if Instant::now() >= self.deadline { Failure::Deadline } else { other }
    }
}

async fn drain(body: &mut Unpacked) -> bool {
    while let Ok(piece) = body.piece().await {
        if piece.is_none() {
            return true;
        }
    }
    false
}

/// A header's first word, in small letters: `text/html` of `Text/HTML; charset=utf-8`.
pub(crate) fn word_of(headers: &HeaderMap, name: &HeaderName) -> String {
    let value = headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}
