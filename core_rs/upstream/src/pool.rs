//! The connections to one provider: in use, or kept for the next call.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until};

use crate::connect::{Origin, Unreached, Way, connect};
use crate::departure::Departure;
use crate::exchange::locked;
use crate::stream::{Gate, Next};

/// Calls of one provider that are under way at once; the others wait.
const CONNECTIONS_MAX: usize = 1_024;
/// How long a connection is kept that nobody uses.
const KEEP_ALIVE: Duration = Duration::from_secs(30);
/// The most bytes of an answer's head, and of its body that are read at once.
const BUFFER_BYTES_MAX: usize = 64 << 10;
const HEADERS_MAX: usize = 128;

/// A request as hyper takes it.
pub(crate) type Sent = http::Request<Full<Bytes>>;

pub(crate) struct Pool {
    way: Way,
    places: Arc<Semaphore>,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    idle: Vec<Idle>, // the longest unused first
    is_swept: bool,
}

struct Idle {
    connection: Connection,
    until: Instant,
}

struct Connection {
    origin: Origin,
    sender: SendRequest<Full<Bytes>>,
    next: Next,
    driver: AbortHandle,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// A connection for one call. Dropped, it is closed.
pub(crate) struct Lease {
    connection: Connection,
    _place: OwnedSemaphorePermit,
    /// It has carried a call before, so its other end may have left it.
    pub(crate) is_used: bool,
}

impl Pool {
    pub(crate) fn new(way: Way) -> Arc<Self> {
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        Arc::new(Self { way, places, kept: Mutex::default() })
    }

    pub(crate) fn way(&self) -> &Way {
        &self.way
    }

    /// A connection on which a request can be sent.
    pub(crate) async fn lease(&self, origin: &Origin) -> Result<Lease, Unreached> {
        let places = Arc::clone(&self.places);
        // A place before a connection, and before one is looked for: whoever waited takes what came
        // back meanwhile.
        let place = places.acquire_owned().await.map_err(|_| Unreached::Listener)?;
        let known = self.idle(origin);
        let is_used = known.is_some();
        let connection = match known {
            Some(connection) => connection,
            None => open(origin, &self.way).await?,
        };
        Ok(Lease { connection, _place: place, is_used })
    }

    /// Keep a connection for the next call, if it can carry one.
    pub(crate) async fn take_back(self: &Arc<Self>, mut lease: Lease) {
        // hyper is ready again once the body before has been read to its end, and not sooner.
        if lease.connection.sender.ready().await.is_err() {
            return;
        }
        let until = Instant::now() + KEEP_ALIVE;
        let mut kept = locked(&self.kept);
        // Under the lock under which a close empties the list: before it this would be kept behind
        // the close, with nobody left to use it.
        if self.places.is_closed() {
            return;
        }
        kept.idle.push(Idle { connection: lease.connection, until });
        // Noted under the lock under which the sweep ends, so there is one as long as there is
        // something to sweep.
        if !std::mem::replace(&mut kept.is_swept, true) {
            tokio::spawn(sweep(Arc::clone(self)));
        }
    }

    /// Open nothing any more, and close what nobody uses.
    pub(crate) fn close(&self) {
        self.places.close();
        locked(&self.kept).idle.clear();
    }

    /// The one that was used last: so the others grow old, and are let go.
    fn idle(&self, origin: &Origin) -> Option<Connection> {
        let idle = &mut locked(&self.kept).idle;
        idle.retain(|each| !each.connection.sender.is_closed());
        let at = idle.iter().rposition(|each| each.connection.origin == *origin)?;
        Some(idle.remove(at).connection)
    }

    /// When there is something to let go again; `None`: nothing is kept.
    fn let_go(&self, now: Instant) -> Option<Instant> {
        let mut kept = locked(&self.kept);
        kept.idle.retain(|each| each.until > now && !each.connection.sender.is_closed());
        // The first was kept the longest, for each is kept for the same time and put behind
        // the others.
        let next = kept.idle.first().map(|each| each.until);
        kept.is_swept = next.is_some();
        next
    }
}

async fn sweep(pool: Arc<Pool>) {
    while let Some(next) = pool.let_go(Instant::now()) {
        sleep_until(next).await;
    }
}

async fn open(origin: &Origin, way: &Way) -> Result<Connection, Unreached> {
    let next = Next::default();
    let stream = Gate::new(connect(origin, way).await?, Arc::clone(&next));
    // As lenient as is safe: a header that is none says nothing, and spoils no answer.
    let made = Builder::new()
        .max_buf_size(BUFFER_BYTES_MAX)
        .max_headers(HEADERS_MAX)
        .allow_obsolete_multiline_headers_in_responses(true)
        .allow_spaces_after_header_name_in_responses(true)
        .ignore_invalid_headers_in_responses(true)
        .handshake(TokioIo::new(stream))
        .await;
    let (sender, connection) = made.map_err(|_| Unreached::Listener)?;
    // What goes wrong on it is told to whoever uses it.
    let driver = tokio::spawn(async move { drop(connection.await) }).abort_handle();
    Ok(Connection { origin: origin.clone(), sender, next, driver })
}

impl Lease {
    /// Send a request, once: nothing repeats it. Back with the head of its answer.
    pub(crate) async fn send(
        &mut self,
        request: Sent,
        departure: &Arc<Departure>,
    ) -> hyper::Result<Response<Incoming>> {
        // Before hyper is given anything: it may write at once, in its own task.
        *locked(&self.connection.next) = Some(Arc::clone(departure));
        self.connection.sender.send_request(request).await
    }
}
