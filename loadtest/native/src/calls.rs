//! The load generator: so many calls at a time, answers checked where it is told what to expect.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use h2::client::SendRequest;
use http::{HeaderMap, Request};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpStream;
use tokio::task::{JoinSet, LocalSet};

use crate::cpu;
use crate::grpc::{Messages, framed};
use crate::said::Said;

/// Longer than any call may take here.
const DEADLINE: Duration = Duration::from_secs(30);

/// Who is called, with what. The first line of standard input.
#[derive(Deserialize)]
struct Scene {
    target: String,
    connections: usize,
    token: String,
    methods: HashMap<String, Method>,
    provider: Option<Provider>,
}

#[derive(Deserialize)]
struct Method {
    path: String,
    request: String, // base64
    is_stream: bool,
}

/// The provider itself, as the gateway calls it.
#[derive(Deserialize)]
struct Provider {
    target: String,
    path: String,
    body: String,
}

/// Each later line: `calls` of them, or as many as end in `seconds` after `warm_up_s`.
#[derive(Deserialize)]
struct Command {
    method: String,
    expected: Option<String>,
    concurrency: usize,
    calls: Option<usize>,
    seconds: Option<f64>,
    #[serde(default)]
    warm_up_s: f64,
    server_pid: Option<u32>,
}

/// What came of a command. Times are microseconds; `cpu_us` is the server's, for all of them.
#[derive(Serialize)]
struct Answer {
    calls: usize,
    wall_us: u128,
    cpu_us: u128,
    latency_us: Percentiles,
    first_us: Percentiles,
}

#[derive(Serialize)]
struct Percentiles {
    p50: u128,
    p90: u128,
    p99: u128,
}

struct Took {
    whole: Duration,
    first: Duration,
}

/// Answer commands until standard input ends.
pub(crate) async fn answer() -> Result<()> {
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    let first = lines.next_line().await?.context("no scene")?;
    LocalSet::new()
        .run_until(async move {
            let load = Rc::new(Load::connected(serde_json::from_str(&first)?).await?);
            while let Some(line) = lines.next_line().await? {
                match load.run(&serde_json::from_str(&line)?).await {
                    Ok(answer) => crate::say(&answer)?,
                    // A figure of a server that fails is worth nothing.
                    Err(error) => crate::say(&json!({ "error": format!("{error:#}") }))?,
                }
            }
            Ok(())
        })
        .await
}

struct Ready {
    request: Request<()>,
    frame: Bytes,
    is_stream: bool,
}

struct Load {
    senders: Vec<SendRequest<Bytes>>,
    next: Cell<usize>,
    methods: HashMap<String, Ready>,
    provider: Option<Direct>,
}

impl Load {
    async fn connected(scene: Scene) -> Result<Self> {
        let mut senders = Vec::new();
        for _ in 0..scene.connections {
            let socket = TcpStream::connect(&scene.target).await?;
            // Else the kernel holds small frames back until an acknowledgement comes, which would
            // be measured.
            socket.set_nodelay(true)?;
            let (sender, connection) = h2::client::Builder::new()
                .initial_window_size(1 << 20)
                .initial_connection_window_size(1 << 24)
                .handshake(socket)
                .await?;
            tokio::task::spawn_local(connection);
            senders.push(sender);
        }
        let mut methods = HashMap::new();
        for (name, method) in &scene.methods {
            let request = Request::post(format!("http://{}{}", scene.target, method.path))
                .header("content-type", "application/grpc")
                .header("te", "trailers")
                .header("grpc-timeout", "30S")
                .header("authorization", format!("Bearer {}", scene.token))
                .body(())?;
            let frame = framed(&STANDARD.decode(&method.request)?)?;
            methods.insert(name.clone(), Ready { request, frame, is_stream: method.is_stream });
        }
        let provider = match scene.provider {
            Some(provider) => Some(Direct::connected(provider).await?),
            None => None,
        };
        Ok(Self { senders, next: Cell::new(0), methods, provider })
    }

    async fn run(self: &Rc<Self>, command: &Command) -> Result<Answer> {
        let took: Rc<RefCell<Vec<Took>>> = Rc::default();
        let mut running = JoinSet::new();
        let left = Rc::new(Cell::new(command.calls.unwrap_or(usize::MAX)));
        let used = || command.server_pid.map_or(Duration::ZERO, cpu::used);
        let (mut cpu_before, mut started) = (used(), Instant::now());
        for _ in 0..command.concurrency {
            let (load, took, left) = (Rc::clone(self), Rc::clone(&took), Rc::clone(&left));
            let (method, expected) = (command.method.clone(), command.expected.clone());
            running.spawn_local(async move {
                while left.get() > 0 {
                    left.set(left.get() - 1);
                    let call = load.call(&method, expected.as_deref());
                    let one = tokio::time::timeout(DEADLINE, call).await??;
                    took.borrow_mut().push(one);
                }
                anyhow::Ok(())
            });
        }
        if let Some(seconds) = command.seconds {
            Self::pause(&mut running, command.warm_up_s).await?;
            took.borrow_mut().clear();
            (cpu_before, started) = (used(), Instant::now());
            Self::pause(&mut running, seconds).await?;
        } else {
            Self::end(&mut running).await?;
        }
        let (cpu, wall) = (used().saturating_sub(cpu_before), started.elapsed());
        let took = took.take();
        // What is under way ends: the server has nothing left to do when the next thing is timed.
        left.set(0);
        Self::end(&mut running).await?;
        Ok(Answer {
            calls: took.len(),
            wall_us: wall.as_micros(),
            cpu_us: cpu.as_micros(),
            latency_us: Percentiles::of(took.iter().map(|it| it.whole)),
            first_us: Percentiles::of(took.iter().map(|it| it.first)),
        })
    }

    async fn end(running: &mut JoinSet<Result<()>>) -> Result<()> {
        while let Some(ended) = running.join_next().await {
            ended??;
        }
        Ok(())
    }

    /// Let calls run for so long; the first that fails ends it.
    async fn pause(running: &mut JoinSet<Result<()>>, seconds: f64) -> Result<()> {
        tokio::select! {
            () = tokio::time::sleep(Duration::from_secs_f64(seconds)) => Ok(()),
            Some(ended) = running.join_next() => ended?,
        }
    }

    async fn call(&self, method: &str, expected: Option<&str>) -> Result<Took> {
        if method == "provider" {
            return self.provider.as_ref().context("no provider was named")?.call().await;
        }
        let ready = self.methods.get(method).context("no such method")?;
        let place = self.next.replace(self.next.get() + 1) % self.senders.len();
        let sender = self.senders.get(place).context("no connection")?.clone();
        let started = Instant::now();
        let (response, mut body) =
            sender.ready().await?.send_request(ready.request.clone(), false)?;
        body.send_data(ready.frame.clone(), true)?;
        let response = response.await?;
        succeeded(response.headers(), true)?;
        let (mut body, mut messages) = (response.into_body(), Messages::default());
        let mut answer = Said { is_stream: ready.is_stream, ..Said::default() };
        let mut first = Duration::ZERO;
        while let Some(chunk) = body.data().await {
            let chunk = chunk?;
            body.flow_control().release_capacity(chunk.len())?;
            messages.push(&chunk);
            while let Some(message) = messages.next() {
                answer.take(&message, expected.is_some())?;
                if first.is_zero() && !answer.text.is_empty() {
                    first = started.elapsed();
                }
            }
        }
        let whole = started.elapsed();
        succeeded(&body.trailers().await?.context("no trailers")?, false)?;
        if let Some(expected) = expected {
            answer.must_be(expected)?;
        }
        Ok(Took { whole, first })
    }
}

/// A status of 0. Headers need none, unless they are all there is.
fn succeeded(headers: &HeaderMap, may_lack: bool) -> Result<()> {
    match headers.get("grpc-status").map(http::HeaderValue::as_bytes) {
        Some(b"0") => Ok(()),
        None if may_lack => Ok(()),
        status => bail!(
            "status {:?}: {:?}",
            status.map(String::from_utf8_lossy),
            headers.get("grpc-message")
        ),
    }
}

/// The provider, called as the gateway calls it and on one connection.
struct Direct {
    provider: Provider,
    sender: tokio::sync::Mutex<http1::SendRequest<Full<Bytes>>>,
}

impl Direct {
    async fn connected(provider: Provider) -> Result<Self> {
        let socket = TcpStream::connect(&provider.target).await?;
        socket.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(socket)).await?;
        tokio::task::spawn_local(connection);
        Ok(Self { provider, sender: tokio::sync::Mutex::new(sender) })
    }

    async fn call(&self) -> Result<Took> {
        let started = Instant::now();
        let request = Request::post(&self.provider.path)
            .header("host", &self.provider.target)
            .header("content-type", "application/json")
            .body(Full::from(self.provider.body.clone()))?;
        let mut sender = self.sender.lock().await;
        sender.ready().await?;
        let response = sender.send_request(request).await?;
        ensure!(response.status().is_success(), "{}", response.status());
        let mut body = response.into_body();
        let mut first = Duration::ZERO;
        while let Some(frame) = body.frame().await {
            frame?;
            if first.is_zero() {
                first = started.elapsed();
            }
        }
        Ok(Took { whole: started.elapsed(), first })
    }
}

impl Percentiles {
    fn of(times: impl Iterator<Item = Duration>) -> Self {
        let mut sorted: Vec<u128> = times.map(|it| it.as_micros()).collect();
        sorted.sort_unstable();
        let at = |percent: usize| {
            let place = (sorted.len() * percent).div_ceil(100).max(1) - 1;
            sorted.get(place).copied().unwrap_or_default()
        };
        Self { p50: at(50), p90: at(90), p99: at(99) }
    }
}

#[cfg(test)]
mod tests {
    use h2::server::SendResponse;
    use http::{HeaderValue, Response};
    use tokio::net::TcpListener;

    use super::*;

    /// What a server has seen, and how it answers.
    struct Server {
        under_way: Cell<usize>,
        most: Cell<usize>,
        total: Cell<usize>,
        held_until: usize,
        status: &'static str,
    }

    const HEARD: &[u8] = b"\x12\x04\x0a\x02hi"; // QueryResponse { answer { text: "hi" } }

    async fn serve(listener: TcpListener, server: Rc<Server>) -> Result<()> {
        loop {
            let (socket, _) = listener.accept().await?;
            let mut connection = h2::server::handshake(socket).await?;
            let server = Rc::clone(&server);
            tokio::task::spawn_local(async move {
                while let Some(Ok((_, respond))) = connection.accept().await {
                    tokio::task::spawn_local(respond_to(respond, Rc::clone(&server)));
                }
            });
        }
    }

    async fn respond_to(mut respond: SendResponse<Bytes>, server: Rc<Server>) -> Result<()> {
        server.under_way.set(server.under_way.get() + 1);
        server.most.set(server.most.get().max(server.under_way.get()));
        server.total.set(server.total.get() + 1);
        while server.most.get() < server.held_until {
            tokio::task::yield_now().await; // for ever, if fewer are under way than were asked for
        }
        server.under_way.set(server.under_way.get() - 1);
        let mut stream = respond.send_response(Response::new(()), false)?;
        stream.send_data(framed(HEARD)?, false)?;
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", HeaderValue::from_static(server.status));
        Ok(stream.send_trailers(trailers)?)
    }

    fn burst(concurrency: usize, calls: usize, expected: &str) -> Command {
        Command {
            method: "query".to_owned(),
            expected: Some(expected.to_owned()),
            concurrency,
            calls: Some(calls),
            seconds: None,
            warm_up_s: 0.0,
            server_pid: Some(std::process::id()),
        }
    }

    fn asked(command: &Command, status: &'static str) -> Result<(Result<Answer>, Rc<Server>)> {
        let (under_way, most, total) = Default::default();
        let held_until = command.concurrency.min(command.calls.unwrap_or(usize::MAX));
        let server = Rc::new(Server { under_way, most, total, held_until, status });
        let method =
            Method { path: "/s/Query".to_owned(), request: "AA==".to_owned(), is_stream: false };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let answer = runtime.block_on(LocalSet::new().run_until(async {
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            let target = listener.local_addr()?.to_string();
            tokio::task::spawn_local(serve(listener, Rc::clone(&server)));
            let load = Rc::new(
                Load::connected(Scene {
                    target,
                    connections: 2,
                    token: String::new(),
                    methods: HashMap::from([("query".to_owned(), method)]),
                    provider: None,
                })
                .await?,
            );
            anyhow::Ok(load.run(command).await)
        }))?;
        Ok((answer, server))
    }

    #[test]
    fn a_burst_makes_exactly_its_calls_and_no_more_at_a_time() -> Result<()> {
        for (concurrency, calls) in [(3, 20), (8, 5)] {
            let (answer, server) = asked(&burst(concurrency, calls, "hi"), "0")?;

            assert_eq!((calls, calls), (answer?.calls, server.total.get()));
            assert_eq!(concurrency.min(calls), server.most.get());
        }
        Ok(())
    }

    #[test]
    fn a_spell_counts_what_ends_behind_the_warm_up() -> Result<()> {
        let spell =
            Command { calls: None, seconds: Some(0.1), warm_up_s: 0.1, ..burst(3, 0, "hi") };

        let (answer, server) = asked(&spell, "0")?;

        let answer = answer?;
        assert!(0 < answer.calls && answer.calls < server.total.get());
        assert!(answer.cpu_us > 0, "the server is this process");
        Ok(())
    }

    #[test]
    fn a_server_that_fails_or_says_something_else_is_no_figure() -> Result<()> {
        let spell = Command { calls: None, seconds: Some(9.0), ..burst(2, 0, "hi") };
        for command in [spell, burst(2, 5, "hi")] {
            let (refused, _) = asked(&command, "14")?;
            assert!(refused.is_err_and(|error| error.to_string().contains("14")));
        }
        let (wrong, _) = asked(&burst(2, 5, "ho"), "0")?;
        assert!(wrong.is_err_and(|error| error.to_string().contains("in place of")));
        Ok(())
    }
}
