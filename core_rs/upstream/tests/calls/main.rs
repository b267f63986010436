//! Calls over real sockets: what their reader is told, and what the other end sees of them.

#![expect(clippy::unwrap_used, clippy::panic, reason = "what a test stands on")]

mod packed;
mod patience;
mod provider;
mod ways;

use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};

use bytes::Bytes;
use chenu_engine::wire::{Event, Expected, Wire};
use chenu_upstream::{
    Client, Destination, End, Exchange, Failure, Form, Limits, News, Request, Unreached, Way,
};

use provider::{DONE, LONG, Provider, SSE, Seen, answer, chunked, said, sized};

const LIMITS: Limits = Limits {
    timeout_us: 20_000_000,
    connect_timeout_ms: 20_000,
    first_event_timeout_ms: 20_000,
    between_events_timeout_ms: 20_000,
};
/// Nobody listens there: it is the discard service's port.
const NOWHERE: &str = "http://127.0.0.1:9/";

struct Asked {
    exchange: Exchange,
    left: Receiver<u64>,
    _client: Option<Client>, // without which it would end
}

fn form() -> Form {
    Form {
        wire: Wire::Chat,
        declared: Vec::new(),
        expected: Expected::Text,
        ends_without_terminator: false,
    }
}

fn request(url: &str) -> Request {
    let to = Destination::new(url, [("authorization", "Bearer k")]).unwrap();
    Request::new(Arc::new(to), Some(Bytes::from_static(b"{}")))
}

fn ask_within(client: &Client, url: &str, limits: Limits) -> Asked {
    let (tell, left) = channel();
    let on_leave = Box::new(move |at_ns| tell.send(at_ns).unwrap());
    Asked { exchange: client.ask(request(url), form(), limits, on_leave), left, _client: None }
}

fn ask(client: &Client, url: &str) -> Asked {
    ask_within(client, url, LIMITS)
}

/// The one call of a client.
fn ask_once(url: &str) -> Asked {
    let client = straight();
    let asked = ask(&client, url);
    Asked { _client: Some(client), ..asked }
}

fn straight() -> Client {
    Client::open(Way::default()).unwrap()
}

impl Asked {
    fn woken(&self) {
        let (tell, told) = channel();
        if self.exchange.wake(move || tell.send(()).unwrap()) {
            told.recv_timeout(LONG).unwrap();
        }
    }

    fn next(&self) -> News {
        loop {
            if let Some(news) = self.exchange.take() {
                return news;
            }
            self.woken();
        }
    }

    /// All of its text, and how it ended.
    fn outcome(&self) -> (String, End) {
        let mut text = String::new();
        loop {
            let News { events, end } = self.next();
            for event in events {
                if let Event::Text { text: said, .. } = event {
                    text.push_str(&said);
                }
            }
            if let Some(end) = end {
                return (text, end);
            }
        }
    }

    fn failure(&self) -> (Failure, bool) {
        let (_, end) = self.outcome();
        (end.unwrap_err(), self.exchange.left_ns().is_some())
    }

    fn settled(&self) {
        while !self.exchange.is_settled() {
            self.woken();
        }
    }
}

/// Its one connection was closed from here.
fn assert_left(provider: &Provider) {
    let seen = [provider.next(), provider.next(), provider.next()];
    assert!(matches!(seen, [Seen::Connected, Seen::Asked(_), Seen::Left]), "{seen:?}");
}

fn text(said: &str) -> (String, End) {
    (said.to_owned(), Ok(()))
}

#[test]
fn an_answer_in_chunks_of_any_size_is_the_same() {
    for size in [1, 2, 3, 7, 64, 4_096] {
        let provider = Provider::new(move |_, connection| {
            connection.asked();
            connection.send(chunked(&answer("Good morning"), size));
        });

        assert_eq!(text("Good morning"), ask_once(&provider.url).outcome());
    }
}

#[test]
fn an_answer_whose_bytes_come_one_by_one_is_the_same() {
    let provider = Provider::new(|_, connection| {
        connection.asked();
        for byte in sized(&answer("Hi")).bytes() {
            connection.send([byte]);
        }
    });

    assert_eq!(text("Hi"), ask_once(&provider.url).outcome());
}

#[test]
fn what_is_sent_is_the_request_and_no_more_than_it_must_say() {
    let provider = Provider::new(|_, connection| {
        connection.asked();
        connection.send(sized(&answer("Hi")));
    });
    let _ = ask_once(&provider.url).outcome();

    let host = provider.url.trim_start_matches("http://").split('/').next().unwrap();
    let version = env!("CARGO_PKG_VERSION");
    let expected = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: {host}\r\naccept: */*\r\n\
         user-agent: chenu/{version}\r\nauthorization: Bearer k\r\ncontent-length: 2\r\n\r\n{{}}"
    );
    assert_eq!([Seen::Connected, Seen::Asked(expected)], *provider.so_far());
}

#[test]
fn a_connection_that_was_read_out_serves_the_next_call() {
    let provider = Provider::new(|_, connection| {
        while connection.asked() {
            connection.send(chunked(&answer("Hi"), 5));
        }
    });
    let client = straight();
    for _ in 0..3 {
        let asked = ask(&client, &provider.url);
        assert_eq!(text("Hi"), asked.outcome());
        asked.settled();
    }

    let connected = provider.so_far().iter().filter(|seen| **seen == Seen::Connected).count();
    assert_eq!(1, connected);
}

#[test]
fn a_body_that_ends_a_little_later_is_waited_for_and_its_reader_is_not() {
    let (go_on, may) = channel();
    let provider = Provider::new(move |_, connection| {
        while connection.asked() {
            let whole = chunked(&answer("Hi"), 4_096);
            let (body, end) = whole.split_at(whole.len() - 5);
            connection.send(body);
            may.recv_timeout(LONG).unwrap();
            connection.send(end);
        }
    });
    let client = straight();
    for _ in 0..2 {
        let asked = ask(&client, &provider.url);
        assert_eq!((text("Hi"), false), (asked.outcome(), asked.exchange.is_settled()));
        go_on.send(()).unwrap();
        asked.settled();
    }

    assert_eq!(1, provider.so_far().iter().filter(|seen| **seen == Seen::Connected).count());
}

#[test]
fn a_body_that_does_not_end_behind_its_answer_loses_its_connection() {
    let provider = Provider::new(|_, connection| {
        connection.asked();
        connection.send(format!("{SSE}\r\n{}", answer("Hi")));
        connection.until_left();
    });
    let client = straight();
    let asked = ask(&client, &provider.url);
    let _ = asked.outcome();
    asked.exchange.close();

    assert_left(&provider);
}

#[test]
fn a_connection_that_its_other_end_has_left_is_not_used_again() {
    let provider = Provider::new(|_, connection| {
        connection.asked();
        connection.send(sized(&answer("Hi"))); // kept, as far as it says; and closed
    });
    let client = straight();
    for _ in 0..20 {
        let asked = ask(&client, &provider.url);
        // Lost is the rare call that left before the end of its connection was seen: it counts.
        match asked.outcome() {
            (said, Ok(())) => assert_eq!("Hi", said),
            (_, Err(failure)) => {
                assert_eq!((Failure::Lost, true), (failure, asked.exchange.left_ns().is_some()));
            }
        }
        asked.settled();
    }
}

#[test]
fn nothing_is_sent_twice() {
    let provider = Provider::new(|number, connection| {
        // The first one answers once, and then leaves with the request in its hands.
        if connection.asked() && number == 0 {
            connection.send(sized(&answer("Hi")));
            connection.asked();
        }
    });
    let client = straight();
    let first = ask(&client, &provider.url);
    let _ = first.outcome();
    first.settled();

    assert_eq!((Failure::Lost, true), ask(&client, &provider.url).failure());
    let asked = provider.so_far().iter().filter(|seen| matches!(seen, Seen::Asked(_))).count();
    assert_eq!(2, asked);
}

#[test]
fn a_call_that_finds_nobody_has_not_left() {
    let asked = ask_once(NOWHERE);

    assert_eq!((Failure::Unreached(Unreached::Listener), false), asked.failure());
    assert!(asked.left.try_recv().is_err());
}

#[test]
fn a_host_that_nobody_knows_is_told_apart() {
    let asked = ask_once("http://models.invalid/");

    assert_eq!((Failure::Unreached(Unreached::Host), false), asked.failure());
}

#[test]
fn a_connection_that_is_cut_before_the_head_may_have_cost() {
    let provider = Provider::new(|_, connection| {
        connection.asked();
        connection.send("HTTP/1.1 200");
    });
    let asked = ask_once(&provider.url);

    assert_eq!((Failure::Lost, true), asked.failure());
    assert_eq!(asked.exchange.left_ns(), asked.left.try_recv().ok());
}

#[test]
fn an_answer_that_is_cut_keeps_what_had_come() {
    for body in [sized(&answer("Hi")), String::from_utf8(chunked(&answer("Hi"), 70)).unwrap()] {
        let provider = Provider::new(move |_, connection| {
            connection.asked();
            connection.send(body.split("stop").next().unwrap());
        });

        let expected = ("Hi".to_owned(), Err(Failure::Truncated));
        assert_eq!(expected, ask_once(&provider.url).outcome());
    }
}

#[test]
fn what_speaks_no_http_is_none() {
    let provider = Provider::new(|_, connection| {
        connection.asked();
        connection.send("220 mail.example ESMTP\r\n\r\n");
    });

    assert_eq!((Failure::NotHttp, true), ask_once(&provider.url).failure());
}

#[test]
fn a_header_that_is_none_spoils_no_answer() {
    let provider = Provider::new(|_, connection| {
        connection.asked();
        connection.send(sized(&answer("Hi")).replacen(
            "\r\n",
            "\r\nx-id: a\u{1}b\r\nx-y : z\r\n",
            1,
        ));
    });
    let asked = ask_once(&provider.url);

    assert_eq!(text("Hi"), asked.outcome());
    assert_eq!(
        [String::new(), "z".to_owned()],
        ["x-id", "x-y"].map(|it| asked.exchange.header(it))
    );
}

#[test]
fn a_refusal_is_complete_once_all_of_it_has_come() {
    for (length, is_complete) in [(7, true), (8, false)] {
        let provider = Provider::new(move |_, connection| {
            connection.asked();
            let head = "HTTP/1.1 429 Slow Down\r\nretry-after: 3\r\n";
            connection.send(format!("{head}content-length: {length}\r\n\r\n{{\"a\":1}}"));
        });
        let asked = ask_once(&provider.url);

        assert_eq!((Failure::Refused { is_complete }, true), asked.failure());
        assert_eq!(
            (Some(429), "3".to_owned()),
            (asked.exchange.status(), asked.exchange.header("Retry-After"))
        );
        assert_eq!(b"{\"a\":1}", asked.exchange.body().as_slice());
    }
}

#[test]
fn a_redirect_is_a_refusal() {
    let elsewhere = Provider::new(|_, _| {});
    let location = elsewhere.url.clone();
    let provider = Provider::new(move |_, connection| {
        connection.asked();
        connection.send(format!("HTTP/1.1 307 There\r\nlocation: {location}\r\n\r\n"));
    });

    let refused = (Failure::Refused { is_complete: true }, true);
    assert_eq!(refused, ask_once(&provider.url).failure());
    assert!(elsewhere.so_far().is_empty());
}

#[test]
fn a_refusal_of_any_size_is_read_out_and_its_beginning_kept() {
    let provider = Provider::new(|_, connection| {
        connection.asked();
        connection.send(format!("HTTP/1.1 500 Oh\r\n\r\n{}", "x".repeat(1 << 20)));
    });
    let asked = ask_once(&provider.url);

    assert_eq!((Failure::Refused { is_complete: true }, true), asked.failure());
    assert_eq!(64 << 10, asked.exchange.body().len());
}

#[test]
fn a_reader_that_takes_nothing_stops_the_provider() {
    let piece = said(&"x".repeat(64 << 10));
    let times = (48 << 20) / piece.len();
    let provider = Provider::new(move |_, connection| {
        connection.asked();
        connection.send(format!("{SSE}\r\n"));
        connection.send_until_stalled(&piece, times);
    });
    let asked = ask_once(&provider.url);
    asked.woken();

    let seen = [provider.next(), provider.next(), provider.next()];
    let [Seen::Connected, Seen::Asked(_), Seen::Stalled(sent_bytes)] = seen else {
        panic!("{seen:?}")
    };
    assert!(sent_bytes < 24 << 20, "{sent_bytes} bytes were taken for nobody");
}

#[test]
fn a_reader_that_comes_back_finds_all_of_it() {
    let piece = said(&"x".repeat(10_000));
    let provider = Provider::new(move |_, connection| {
        connection.asked();
        connection.send(format!("{SSE}\r\n"));
        connection.send(piece.repeat(200));
        connection.send(answer("!"));
    });
    let asked = ask_once(&provider.url);
    asked.woken();
    let (said, end) = asked.outcome();

    assert_eq!((2_000_001, Ok(())), (said.len(), end));
}

#[test]
fn a_call_that_is_left_closes_its_connection_at_once() {
    let provider = Provider::new(|_, connection| {
        connection.asked();
        connection.send(format!("{SSE}\r\n{}", said("Hi")));
        connection.until_left();
    });
    let client = straight();
    let asked = ask(&client, &provider.url);
    asked.next();
    drop(asked);

    assert_left(&provider);
}

#[test]
fn a_client_that_is_closed_ends_its_calls_and_makes_no_more() {
    let provider = Provider::new(|_, connection| {
        connection.asked();
        connection.until_left();
    });
    let client = straight();
    let asked = ask(&client, &provider.url);
    asked.left.recv_timeout(LONG).unwrap();
    client.close();

    assert_eq!((Failure::Lost, true), asked.failure());
    assert_eq!((Failure::Lost, false), ask(&client, &provider.url).failure());
}

#[test]
fn the_call_of_a_client_that_is_gone_ends_too() {
    let provider = Provider::new(|_, connection| {
        connection.asked();
        connection.until_left();
    });
    let client = straight();
    let asked = ask(&client, &provider.url);
    asked.left.recv_timeout(LONG).unwrap();
    drop(client);

    assert_eq!((Failure::Lost, true), asked.failure());
}

#[test]
fn what_is_fetched_is_kept_up_to_a_size_whatever_its_status() {
    let provider = Provider::new(|_, connection| {
        connection.asked();
        connection.send(format!("HTTP/1.1 404 No\r\ncontent-length: 9\r\n\r\n{DONE}"));
    });
    let client = straight();
    for (bytes_max, kept) in [(100, "data: [DO"), (4, "data")] {
        let to = Destination::new(&provider.url, []).unwrap();
        let request = Request::new(Arc::new(to), None);
        let exchange = client.fetch(request, LIMITS, bytes_max);
        let asked = Asked { exchange, left: channel().1, _client: None };

        assert_eq!(text(""), asked.outcome());
        assert_eq!(Some(404), asked.exchange.status());
        assert_eq!(kept.as_bytes(), asked.exchange.body());
    }
}
