//! A provider on the `OpenAI` wire that answers at once: an echo, in as many pieces as are asked.
//!
//! The fake upstream of the tests can do far more, and costs as much as what it is to measure.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Result;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde_json::{Value, json};

/// How it answers, as `POST /control/behave` sets it.
struct Behaviour {
    deltas: AtomicUsize,
    answer_chars: AtomicUsize,
}

#[derive(Deserialize)]
struct Control {
    behaviour: Told,
}

#[derive(Deserialize)]
struct Told {
    #[serde(default = "deltas")]
    deltas: usize,
    #[serde(default)]
    answer_chars: usize,
}

#[derive(Deserialize)]
struct Ask {
    model: String,
    messages: Vec<Value>,
}

/// Serve until killed.
pub(crate) async fn serve() -> Result<()> {
    let listener = crate::listen().await?;
    let behaviour = Arc::new(Behaviour {
        deltas: AtomicUsize::new(deltas()),
        answer_chars: AtomicUsize::new(0),
    });
    loop {
        let (socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        let behaviour = Arc::clone(&behaviour);
        let service = service_fn(move |request| answered(request, Arc::clone(&behaviour)));
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(socket), service));
    }
}

/// As many as the fake upstream gives when it is told nothing.
const fn deltas() -> usize {
    4
}

async fn answered(
    request: Request<Incoming>,
    behaviour: Arc<Behaviour>,
) -> Result<Response<Full<Bytes>>> {
    let is_control = request.uri().path() == "/control/behave";
    let body = request.into_body().collect().await?.to_bytes();
    if is_control {
        let Control { behaviour: told } = serde_json::from_slice(&body)?;
        // The answer's length is divided by it.
        behaviour.deltas.store(told.deltas.max(1), Ordering::Relaxed);
        behaviour.answer_chars.store(told.answer_chars, Ordering::Relaxed);
        return Ok(Response::new(Full::from("{}")));
    }
    match serde_json::from_slice::<Ask>(&body) {
        Ok(ask) => Ok(Response::builder()
            .header("content-type", "text/event-stream")
            .body(Full::from(stream(&ask, &behaviour, body.len())?))?),
        Err(error) => Ok(Response::builder()
            .status(StatusCode::BAD_REQUEST)
            .body(Full::from(json!({"error": {"message": error.to_string()}}).to_string()))?),
    }
}

/// The events of an answer: its pieces, its end, what it counts, the terminator.
fn stream(ask: &Ask, behaviour: &Behaviour, body_bytes: usize) -> Result<String> {
    let text = text_of(ask, behaviour.answer_chars.load(Ordering::Relaxed));
    let letters: Vec<char> = text.chars().collect();
    let size = letters.len().div_ceil(behaviour.deltas.load(Ordering::Relaxed)).max(1);
    let mut events = String::with_capacity(text.len() + 256 * letters.len().div_ceil(size));
    let mut push = |choices: Value, usage: Value| -> Result<()> {
        let chunk = json!({"id": "c", "object": "chat.completion.chunk", "model": ask.model,
            "choices": choices, "usage": usage});
        events.push_str("data: ");
        events.push_str(&serde_json::to_string(&chunk)?);
        events.push_str("\n\n");
        Ok(())
    };
    for piece in letters.chunks(size) {
        let delta = json!({"role": "assistant", "content": piece.iter().collect::<String>()});
        push(json!([{"index": 0, "delta": delta, "finish_reason": null}]), Value::Null)?;
    }
    push(json!([{"index": 0, "delta": {}, "finish_reason": "stop"}]), Value::Null)?;
    let (input, output) = ((body_bytes / 4).max(1), letters.len().div_ceil(4));
    push(
        json!([]),
        json!({"prompt_tokens": input, "completion_tokens": output,
            "total_tokens": input + output}),
    )?;
    events.push_str("data: [DONE]\n\n");
    Ok(events)
}

fn text_of(ask: &Ask, chars: usize) -> String {
    let said = ask.messages.last().and_then(|message| message.get("content"));
    let text = format!("{} heard: {}", ask.model, said.and_then(Value::as_str).unwrap_or_default());
    if chars == 0 { text } else { text.chars().cycle().take(chars).collect() }
}
