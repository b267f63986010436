//! Calls of one provider.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, HOST, HeaderName, HeaderValue, PROXY_AUTHORIZATION, USER_AGENT};
use http::{HeaderMap, Method, Uri};
use http_body_util::Full;
use thiserror::Error;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::connect::{Origin, Way};
use crate::departure::Departure;
use crate::exchange::{Exchange, Shared};
use crate::io_thread::IoThread;
use crate::pool::{Pool, Sent};
use crate::reading::Form;
use crate::running::{Call, Purpose, run};

const AGENT: &str = concat!("chenu/", env!("CARGO_PKG_VERSION"));
/// A moment further ahead may be none that a clock can tell.
const YEAR: Duration = Duration::from_hours(365 * 24);

/// Told the moment at which a request leaves, by the monotonic clock in nanoseconds.
pub type OnLeave = Box<dyn FnOnce(u64) + Send>;

/// How long a call may take. Beyond a year nobody waits.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// All of it.
    pub timeout_us: u64,
    /// Until there is a connection.
    pub connect_timeout_ms: u64,
    /// From the dispatch until the answer says something.
    pub first_event_timeout_ms: u64,
    /// From then on, until it says something more.
    pub between_events_timeout_ms: u64,
}

impl Limits {
    pub(crate) fn total(self) -> Duration {
        Duration::from_micros(self.timeout_us).min(YEAR)
    }

    pub(crate) fn connect(self) -> Duration {
        Duration::from_millis(self.connect_timeout_ms).min(YEAR)
    }

    pub(crate) fn first_event(self) -> Duration {
        Duration::from_millis(self.first_event_timeout_ms).min(YEAR)
    }

    pub(crate) fn between_events(self) -> Duration {
        Duration::from_millis(self.between_events_timeout_ms).min(YEAR)
    }
}

/// Where requests are sent, and the headers that all of them have.
pub struct Destination {
    origin: Origin,
    url: Uri,
    headers: HeaderMap,
}

/// What is sent.
pub struct Request {
    to: Arc<Destination>,
    method: Method,
    body: Bytes,
}

/// A request cannot be sent as it is. It is not quoted: it may hold a key.
#[derive(Debug, Error)]
#[error("the request's URL or one of its headers cannot be sent")]
pub struct Unsendable;

impl Destination {
    /// Read a URL and headers once, for however many requests.
    ///
    /// # Errors
    /// [`Unsendable`] if the URL is not absolute, or a header not visible.
    pub fn new<'a>(
        url: &str,
        headers: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, Unsendable> {
        let url: Uri = url.parse().map_err(|_| Unsendable)?;
        let origin = Origin::of(&url).ok_or(Unsendable)?;
        let mut known = HeaderMap::new();
        let host = url.authority().ok_or(Unsendable)?;
        known.insert(HOST, HeaderValue::from_str(host.as_str()).map_err(|_| Unsendable)?);
        known.insert(ACCEPT, HeaderValue::from_static("*/*"));
        known.insert(USER_AGENT, HeaderValue::from_static(AGENT));
        for (name, value) in headers {
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| Unsendable)?;
            known.insert(name, HeaderValue::from_str(value).map_err(|_| Unsendable)?);
        }
        Ok(Self { origin, url, headers: known })
    }
}

impl Request {
    /// A `POST` of this body, or a `GET` where there is none.
    #[must_use]
    pub fn new(to: Arc<Destination>, body: Option<Bytes>) -> Self {
        let method = if body.is_some() { Method::POST } else { Method::GET };
        Self { to, method, body: body.unwrap_or_default() }
    }

    pub(crate) fn origin(&self) -> &Origin {
        &self.to.origin
    }

    /// As it is written: a proxy that is no tunnel wants the whole address, and to know who asks.
    pub(crate) fn sent(&self, way: &Way) -> Sent {
        let mut sent = Sent::new(Full::new(self.body.clone()));
        *sent.method_mut() = self.method.clone();
        let Destination { origin, url, headers } = &*self.to;
        *sent.headers_mut() = headers.clone();
        *sent.uri_mut() = match &way.proxy {
            Some(_) if !origin.is_tls => url.clone(),
            _ => url.path_and_query().cloned().map(Uri::from).unwrap_or_default(),
        };
        // In a tunnel the proxy has been told, and the provider must not be.
        let who = way.proxy.as_ref().filter(|_| !origin.is_tls);
        if let Some(who) = who.and_then(|proxy| proxy.authorization.as_ref())
            && let Ok(who) = HeaderValue::from_str(who)
        {
            sent.headers_mut().insert(PROXY_AUTHORIZATION, who);
        }
        sent
    }
}

/// The connections to one provider. Dropped, or closed, it closes them, and its calls fail.
pub struct Client {
    closed: watch::Sender<bool>,
    pool: Arc<Pool>,
    thread: Arc<IoThread>, // last: what it runs holds the others
}

impl Client {
    /// Opens nothing yet.
    ///
    /// # Errors
    /// [`io::Error`] if the process may have no further thread.
    pub fn open(way: Way) -> io::Result<Self> {
        let (closed, _) = watch::channel(false);
        Ok(Self { closed, pool: Pool::new(way), thread: IoThread::of_process()? })
    }

    /// Send a request, whose answer is read in this form.
    #[must_use]
    pub fn ask(&self, request: Request, form: Form, limits: Limits, on_leave: OnLeave) -> Exchange {
        self.start(request, Purpose::Answer(form), limits, Some(on_leave))
    }

    /// Send a request, of whose answer the first bytes are kept, whatever its status.
    #[must_use]
    pub fn fetch(&self, request: Request, limits: Limits, bytes_max: usize) -> Exchange {
        self.start(request, Purpose::Body { bytes_max }, limits, None)
    }

    /// Calls that are under way fail, and further ones.
    pub fn close(&self) {
        self.pool.close();
        self.closed.send_replace(true);
    }

    fn start(
        &self,
        request: Request,
        purpose: Purpose,
        limits: Limits,
        on_leave: Option<OnLeave>,
    ) -> Exchange {
        let shared = Shared::new(Departure::new(on_leave));
        let call = Call {
            shared: Arc::clone(&shared),
            pool: Arc::clone(&self.pool),
            // From here on and not from when it is polled: time in the thread's queue is the
            // caller's, too.
            deadline: Instant::now() + limits.total(),
            request,
            limits,
        };
        let task = self.thread.handle.spawn(run(call, purpose, self.closed.subscribe()));
        Exchange::new(shared, task.abort_handle())
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.close();
    }
}
