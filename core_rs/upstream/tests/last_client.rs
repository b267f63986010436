//! What the end of a process's last client leaves. Alone, for its thread is the process's.

#![expect(clippy::unwrap_used, reason = "what a test stands on")]

use std::fs::{read_dir, read_to_string};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread::{sleep, spawn};
use std::time::Duration;

use bytes::Bytes;
use chenu_engine::wire::{Expected, Wire};
use chenu_upstream::{Client, Destination, Exchange, Failure, Form, Limits, Request, Way};

const LONG: Duration = Duration::from_secs(10);
const CALLS: usize = 200;
const LIMITS: Limits = Limits {
    timeout_us: 20_000_000,
    connect_timeout_ms: 20_000,
    first_event_timeout_ms: 20_000,
    between_events_timeout_ms: 20_000,
};
const BEGUN: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n\
    data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hi\"}}]}\n\n";

fn ask(client: &Client, url: &str) -> Exchange {
    let to = Destination::new(url, []).unwrap();
    let request = Request::new(Arc::new(to), Some(Bytes::from_static(b"{}")));
    let form = Form {
        wire: Wire::Chat,
        declared: Vec::new(),
        expected: Expected::Text,
        ends_without_terminator: false,
    };
    client.ask(request, form, LIMITS, Box::new(drop))
}

/// Begins an answer on a connection, and keeps it open.
fn begin(listener: &TcpListener) -> TcpStream {
    let (mut stream, _) = listener.accept().unwrap();
    assert!(stream.read(&mut [0; 1_024]).unwrap() > 0);
    stream.write_all(BEGUN).unwrap();
    stream
}

fn threads() -> usize {
    let tasks = read_dir("/proc/self/task").unwrap();
    let names = tasks.filter_map(|task| read_to_string(task.ok()?.path().join("comm")).ok());
    names.filter(|name| name.trim() == "chenu-upstream").count()
}

#[test]
fn it_ends_its_thread_and_every_call_hears_of_it() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let (client, other) =
        (Client::open(Way::default()).unwrap(), Client::open(Way::default()).unwrap());
    drop(other);
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = format!("http://{}/", silent.local_addr().unwrap());
    // More than the thread looks at between two looks at whether it is to end.
    let waiting: Vec<Exchange> = (0..CALLS).map(|_| ask(&client, &nobody)).collect();
    let holding_up = ask(&client, &url);
    let (go_on, may) = channel();
    // The thread is held up while it is told to end, and looks at no call any more.
    assert!(holding_up.wake(move || may.recv_timeout(LONG).unwrap()));
    let _holding_up = begin(&listener);
    let one_thread = threads();
    let dropping = spawn(move || drop(client));
    sleep(Duration::from_millis(50));
    go_on.send(()).unwrap();
    dropping.join().unwrap();

    let ended =
        waiting.iter().chain([&holding_up]).map(|call| call.take().and_then(|news| news.end));
    let lost = ended.filter(|end| matches!(end, Some(Err(Failure::Truncated | Failure::Lost))));
    assert_eq!((1, CALLS + 1), (one_thread, lost.count()));
    while threads() > 0 {} // it was joined: what shows it still is the kernel
}
