//! Binding of [`chenu_upstream`].

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use chenu_upstream::{self as upstream, Client, Exchange, Proxy, Request, Trust, Way};
use pyo3::prelude::*;
use pyo3::pybacked::{PyBackedBytes, PyBackedStr};

use crate::completions::{Completions, Sender};
use crate::convert::{locked, mistake};
use crate::wire::{AnswerForm, AnswerPiece, AnswerTold, Piece};

type Headers = Vec<(PyBackedStr, PyBackedStr)>;

/// How long a call may take.
#[pyclass(frozen, module = "chenu_server._core")]
pub(crate) struct CallLimits(upstream::Limits);

#[pymethods]
impl CallLimits {
    #[new]
    #[pyo3(signature = (
        *, timeout_us, connect_timeout_ms, first_event_timeout_ms, between_events_timeout_ms
    ))]
    fn new(
        timeout_us: u64,
        connect_timeout_ms: u64,
        first_event_timeout_ms: u64,
        between_events_timeout_ms: u64,
    ) -> Self {
        Self(upstream::Limits {
            timeout_us,
            connect_timeout_ms,
            first_event_timeout_ms,
            between_events_timeout_ms,
        })
    }
}

/// Where requests are sent, and the headers that all of them have.
#[pyclass(frozen, module = "chenu_server._core")]
pub(crate) struct Destination(Arc<upstream::Destination>);

#[pymethods]
impl Destination {
    #[new]
    fn new(url: &str, headers: Headers) -> PyResult<Self> {
        let to = upstream::Destination::new(url, pairs(&headers)).map_err(mistake)?;
        // Shared by all calls, so that address and headers are read once and not with each of them.
        Ok(Self(Arc::new(to)))
    }
}

/// The connections to one provider. Thread-safe.
#[pyclass(frozen, module = "chenu_server._core")]
pub(crate) struct Upstream {
    client: Client,
    sender: Sender,
}

#[pymethods]
impl Upstream {
    #[new]
    #[pyo3(signature = (completions, *, proxy=None, proxy_authorization=None, certificates=None))]
    fn new(
        completions: &Completions,
        proxy: Option<&str>,
        proxy_authorization: Option<String>,
        certificates: Option<&[u8]>,
    ) -> PyResult<Self> {
        let proxy = proxy.map(|proxy| Proxy::new(proxy, proxy_authorization)).transpose();
        let trust = certificates.map(Trust::of_pem).transpose().map_err(mistake)?;
        let client = Client::open(Way { proxy: proxy.map_err(mistake)?, trust })?;
        Ok(Self { client, sender: completions.sender() })
    }

    /// Send a request, whose answer is read in this form.
    fn ask(
        &self,
        to: &Destination,
        body: PyBackedBytes,
        form: &AnswerForm,
        limits: &CallLimits,
        on_dispatch: Py<PyAny>,
    ) -> UpstreamCall {
        // The body is lent and not copied: it may be megabytes, and bytes of Python never change.
        let request = Request::new(Arc::clone(&to.0), Some(Bytes::from_owner(body)));
        let (sender, untold) = (self.sender.clone(), Untold::new(on_dispatch));
        let on_leave = untold.by(sender.clone());
        let exchange = self.client.ask(request, form.0.clone(), limits.0, on_leave);
        UpstreamCall { exchange, sender, untold }
    }

    /// Send a request for what is no answer of a model: its body is kept, up to so many bytes.
    fn fetch(&self, to: &Destination, limits: &CallLimits, bytes_max: usize) -> UpstreamCall {
        let request = Request::new(Arc::clone(&to.0), None);
        // Costs nothing and takes no slot, so nobody has to be told when it has left.
        let exchange = self.client.fetch(request, limits.0, bytes_max);
        UpstreamCall { exchange, sender: self.sender.clone(), untold: Untold::default() }
    }

    /// Calls that are under way fail, and further ones.
    fn close(&self) {
        self.client.close();
    }
}

fn pairs(headers: &Headers) -> impl Iterator<Item = (&str, &str)> {
    headers.iter().map(|(name, value)| (&**name, &**value))
}

/// Who has still to be told that the request has left: by the loop's next turn, or by whoever looks
/// at the call before that.
#[derive(Clone, Default)]
struct Untold(Arc<Mutex<Option<Py<PyAny>>>>);

impl Untold {
    fn new(on_dispatch: Py<PyAny>) -> Self {
        Self(Arc::new(Mutex::new(Some(on_dispatch))))
    }

    fn by(&self, sender: Sender) -> upstream::OnLeave {
        let untold = self.clone();
        // The thread that sends never has the interpreter, so the loop tells.
        Box::new(move |at_ns| sender.send(move |py| untold.tell(py, Some(at_ns))))
    }

    fn tell(&self, py: Python<'_>, at_ns: Option<u64>) -> PyResult<()> {
        let Some(at_ns) = at_ns else { return Ok(()) };
        // The loop's turn and whoever looks come here in any order: who takes it tells, once.
        let on_dispatch = locked(&self.0).take();
        on_dispatch.map_or(Ok(()), |tell| tell.call1(py, (at_ns,)).map(drop))
    }
}

/// One call on its way. Dropping it ends it.
#[pyclass(frozen, module = "chenu_server._core")]
pub(crate) struct UpstreamCall {
    exchange: Exchange,
    sender: Sender,
    untold: Untold,
}

#[pymethods]
impl UpstreamCall {
    /// What has come since the last look; none: nothing.
    fn take(&self, py: Python<'_>) -> PyResult<Option<AnswerPiece>> {
        // Looked for behind what has come, for that cannot have come before it; and told before it,
        // as it happened: its slot and its bill hang on it.
        let news = self.exchange.take();
        self.untold.tell(py, self.exchange.left_ns())?;
        Ok(news.map(|news| Piece::from(news).into()))
    }

    /// Resolve a future once something has come; false: it has already.
    fn wake(&self, future: Py<PyAny>) -> bool {
        let sender = self.sender.clone();
        // By way of the loop: a future may be touched in its own thread alone.
        self.exchange.wake(move || sender.send(move |py| resolve(py, &future)))
    }

    /// Whether the connection of a call that has ended was kept or closed.
    #[getter]
    fn is_settled(&self) -> bool {
        self.exchange.is_settled()
    }

    /// Whether the first byte has left.
    #[getter]
    fn dispatched(&self) -> bool {
        self.exchange.left_ns().is_some()
    }

    /// Of the answer; none: its head has not come.
    #[getter]
    fn status(&self) -> Option<u16> {
        self.exchange.status()
    }

    /// Of the answer; empty if it has none.
    fn header(&self, name: &str) -> String {
        self.exchange.header(name)
    }

    /// What was kept of what is no answer of a model.
    #[getter]
    fn body(&self) -> Vec<u8> {
        self.exchange.body()
    }

    /// What is known of an answer of status 200.
    fn told(&self) -> Option<AnswerTold> {
        self.exchange.told(|decoder| decoder.into())
    }

    /// Leave the call: what has not left will not.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        // In this order: only once nothing can leave any more is it certain whether anything has.
        self.exchange.close();
        self.untold.tell(py, self.exchange.left_ns())
    }
}

fn resolve(py: Python<'_>, future: &Py<PyAny>) -> PyResult<()> {
    // Whoever waited may have been cancelled since, and a future is resolved once.
    if !future.call_method0(py, "done")?.is_truthy(py)? {
        future.call_method1(py, "set_result", (py.None(),))?;
    }
    Ok(())
}

/// Whether a file of certificates has any that can be read.
#[pyfunction]
pub(crate) fn has_certificates(pem: &[u8]) -> bool {
    Trust::of_pem(pem).is_ok()
}
