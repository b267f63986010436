//! A provider on the loopback that does with each connection what its test says.

#![expect(clippy::unwrap_used, reason = "without a socket there is no test")]

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

/// Longer than anything here takes; a test that fails waits for so long.
pub(crate) const LONG: Duration = Duration::from_secs(10);

pub(crate) const SSE: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n";
pub(crate) const DONE: &str = "data: [DONE]\n\n";

/// One delta of text.
pub(crate) fn said(text: &str) -> String {
    format!("data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{text}\"}}}}]}}\n\n")
}

/// A whole answer that says so.
pub(crate) fn answer(text: &str) -> String {
    let stop = "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
    format!("{}{stop}{DONE}", said(text))
}

/// An answer of a length that its head tells.
pub(crate) fn sized(body: &str) -> String {
    format!("{SSE}content-length: {}\r\n\r\n{body}", body.len())
}

/// An answer in chunks of so many bytes.
pub(crate) fn chunked(body: &str, size: usize) -> Vec<u8> {
    let mut sent = format!("{SSE}transfer-encoding: chunked\r\n\r\n").into_bytes();
    for chunk in body.as_bytes().chunks(size) {
        sent.extend(format!("{:x}\r\n", chunk.len()).into_bytes());
        sent.extend(chunk);
        sent.extend(b"\r\n");
    }
    sent.extend(b"0\r\n\r\n");
    sent
}

/// What a provider has seen.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    Connected,
    Asked(String),
    /// The other end has closed the connection.
    Left,
    /// Nobody read any more after so many bytes.
    Stalled(usize),
}

pub(crate) struct Provider {
    pub(crate) url: String,
    seen: Receiver<Seen>,
}

/// One connection of it.
pub(crate) struct Connection {
    stream: TcpStream,
    tell: Sender<Seen>,
}

impl Provider {
    /// The connections are served one after another, by number.
    pub(crate) fn new(serve: impl Fn(usize, &mut Connection) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/v1/chat/completions", listener.local_addr().unwrap());
        let (tell, seen) = channel();
        thread::spawn(move || {
            for (number, stream) in listener.incoming().enumerate() {
                let mut connection = Connection { stream: stream.unwrap(), tell: tell.clone() };
                let _ = tell.send(Seen::Connected);
                serve(number, &mut connection);
            }
        });
        Self { url, seen }
    }

    pub(crate) fn next(&self) -> Seen {
        self.seen.recv_timeout(LONG).unwrap()
    }

    /// All that it has seen so far.
    pub(crate) fn so_far(&self) -> Vec<Seen> {
        self.seen.try_iter().collect()
    }
}

impl Connection {
    /// The next request; false: the other end has left.
    pub(crate) fn asked(&mut self) -> bool {
        let (mut request, mut byte) = (Vec::new(), [0]);
        let mut body_bytes = None;
        while body_bytes.is_none_or(|wanted| request.len() < wanted) {
            if !matches!(self.stream.read(&mut byte), Ok(1)) {
                let _ = self.tell.send(Seen::Left);
                return false;
            }
            request.extend(byte);
            if body_bytes.is_none() && request.ends_with(b"\r\n\r\n") {
                body_bytes = Some(request.len() + length_of(&request));
            }
        }
        let _ = self.tell.send(Seen::Asked(String::from_utf8(request).unwrap()));
        true
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        // Whoever has left has what it wants.
        let _ = self.stream.write_all(bytes.as_ref());
    }

    /// Send the same piece for as long as anybody reads.
    pub(crate) fn send_until_stalled(&mut self, piece: &str, times: usize) {
        self.stream.set_write_timeout(Some(Duration::from_millis(300))).unwrap();
        for sent in 0..times {
            if let Err(error) = self.stream.write_all(piece.as_bytes()) {
                assert_eq!(ErrorKind::WouldBlock, error.kind());
                let _ = self.tell.send(Seen::Stalled(sent * piece.len()));
                return;
            }
        }
        self.stream.set_write_timeout(None).unwrap();
    }

    /// Wait until the other end leaves.
    pub(crate) fn until_left(&mut self) {
        let mut rest = [0; 256];
        while matches!(self.stream.read(&mut rest), Ok(read) if read > 0) {}
        let _ = self.tell.send(Seen::Left);
    }
}

fn length_of(head: &[u8]) -> usize {
    let head = String::from_utf8_lossy(head).to_lowercase();
    let told = head.lines().find_map(|line| line.strip_prefix("content-length:").map(str::trim));
    told.map_or(0, |length| length.parse().unwrap())
}
