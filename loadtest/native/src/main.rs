//! Native parts of the bench, each a process of its own: what is measured is the server's time, so
//! what loads it and what it calls must cost little, and cost the same each time.
//!
//! `chenu-load calls` takes commands, one JSON object a line, and answers each with one.
//! `chenu-load provider FILE` and `chenu-load echo FILE` listen, and put their port in the file.
//! `chenu-load spin` answers each line with how long a fixed loop took: what a core is worth now.

mod calls;
mod cpu;
mod echo;
mod grpc;
mod provider;
mod said;
mod spin;

use std::io::Write;

use anyhow::{Context, Result, bail};
use serde::Serialize;

fn main() -> Result<()> {
    let part = std::env::args().nth(1);
    if part.as_deref() == Some("spin") {
        return spin::answer();
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match part.as_deref() {
        Some("calls") => runtime.block_on(calls::answer()),
        Some("provider") => runtime.block_on(provider::serve()),
        Some("echo") => runtime.block_on(echo::serve()),
        _ => bail!("chenu-load calls | provider FILE | echo FILE | spin"),
    }
}

/// One line of JSON on standard output, at once.
fn say(value: &impl Serialize) -> Result<()> {
    let mut out = std::io::stdout().lock();
    serde_json::to_writer(&mut out, value)?;
    out.write_all(b"\n")?;
    Ok(out.flush()?)
}

/// A socket on loopback. Its port is in the file that was named once it listens, whole.
async fn listen() -> Result<tokio::net::TcpListener> {
    let named = std::env::args().nth(2).context("name a file for the port")?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let part = format!("{named}.part");
    std::fs::write(&part, listener.local_addr()?.port().to_string())?;
    std::fs::rename(&part, &named)?;
    Ok(listener)
}
