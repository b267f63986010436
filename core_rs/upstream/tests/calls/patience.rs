//! How long a call may take, and what of it counts.

use std::sync::mpsc::channel;
use std::thread::sleep;
use std::time::Duration;

use chenu_upstream::{Failure, Limits};

use crate::provider::{LONG, Provider, SSE, Seen, answer, said, sized};
use crate::{LIMITS, ask, ask_within, straight, text};

const SHORT_MS: u64 = 100;
const ATTEMPTS: usize = 50;
/// What may wait for a reader.
const UNREAD_BYTES_MAX: usize = 64 << 10;

#[test]
fn a_deadline_that_has_passed_sends_nothing_on_any_connection() {
    let provider = Provider::new(|_, connection| {
        while connection.asked() {
            connection.send(sized(&answer("Hi")));
        }
    });
    let client = straight();
    let passed = Limits { timeout_us: 0, ..LIMITS };
    for limits in [passed, LIMITS, passed, LIMITS] {
        let asked = ask_within(&client, &provider.url, limits);
        match asked.outcome() {
            (said, Ok(())) => assert_eq!("Hi", said),
            (_, Err(failure)) => {
                assert_eq!((Failure::Deadline, None), (failure, asked.exchange.left_ns()));
            }
        }
        asked.settled();
    }

    let asked = provider.so_far().iter().filter(|seen| matches!(seen, Seen::Asked(_))).count();
    assert_eq!(2, asked);
}

#[test]
fn a_deadline_ends_whatever_is_waited_for() {
    for says in ["", SSE, &format!("{SSE}\r\n"), &format!("{SSE}\r\n{}", said("Hi"))] {
        // One thread does all calls of the process, and other tests keep it busy: a request whose
        // time was over before it had left says nothing here.
        let was_cut = (0..ATTEMPTS).any(|_| is_cut_while_it_waits(says));

        assert!(was_cut, "{says:?}");
    }
}

/// Whether the deadline came once the request had left; the connection is left then.
fn is_cut_while_it_waits(says: &str) -> bool {
    let says = says.to_owned();
    let provider = Provider::new(move |_, connection| {
        connection.asked();
        connection.send(&says);
        connection.until_left();
    });
    let limits = Limits { timeout_us: SHORT_MS * 1_000, ..LIMITS };
    let client = straight();
    let (failure, has_left) = ask_within(&client, &provider.url, limits).failure();
    assert_eq!(Failure::Deadline, failure);
    if has_left {
        assert!(matches!(
            [provider.next(), provider.next(), provider.next()],
            [Seen::Connected, Seen::Asked(_), Seen::Left]
        ));
    }
    has_left
}

#[test]
fn a_handshake_that_nobody_answers_is_no_connection() {
    let provider = Provider::new(|_, connection| connection.until_left());
    let url = provider.url.replace("http:", "https:");
    let limits = Limits { connect_timeout_ms: SHORT_MS, ..LIMITS };

    assert_eq!((Failure::NotConnected, false), ask_within(&straight(), &url, limits).failure());
}

#[test]
fn an_answer_must_begin_in_time_and_what_says_nothing_is_no_beginning() {
    for says in [String::new(), format!("{SSE}\r\n"), format!("{SSE}\r\n: ping\n\n{}", said(""))] {
        let provider = Provider::new(move |_, connection| {
            connection.asked();
            connection.send(&says);
            connection.until_left();
        });
        let limits = Limits { first_event_timeout_ms: SHORT_MS, ..LIMITS };
        let failure = ask_within(&straight(), &provider.url, limits).failure();

        assert_eq!((Failure::NoFirstEvent, true), failure);
    }
}

#[test]
fn an_answer_that_has_begun_must_go_on_in_its_own_time() {
    let provider = Provider::new(move |_, connection| {
        connection.asked();
        connection.send(format!("{SSE}\r\n{}", said("Hi")));
        connection.until_left();
    });
    let limits = Limits { between_events_timeout_ms: SHORT_MS, ..LIMITS };

    let expected = ("Hi".to_owned(), Err(Failure::NoNextEvent));
    assert_eq!(expected, ask_within(&straight(), &provider.url, limits).outcome());
}

#[test]
fn a_refusal_that_does_not_end_in_time_is_no_complete_one() {
    let provider = Provider::new(|_, connection| {
        connection.asked();
        connection.send("HTTP/1.1 503 Oh\r\n\r\nwait");
        connection.until_left();
    });
    let limits = Limits { first_event_timeout_ms: SHORT_MS, ..LIMITS };
    let failure = ask_within(&straight(), &provider.url, limits).failure();

    assert_eq!((Failure::Refused { is_complete: false }, true), failure);
}

#[test]
fn a_reader_that_is_away_is_not_the_providers_silence() {
    let (go_on, may) = channel();
    let provider = Provider::new(move |_, connection| {
        connection.asked();
        // Its last event is the one too many: behind it nobody listens until the reader is back.
        let event = said(&"x".repeat(1_000));
        let events = event.repeat(UNREAD_BYTES_MAX / event.len() + 1);
        connection.send(format!("{SSE}\r\n{events}"));
        may.recv_timeout(LONG).unwrap();
        connection.send(answer("!"));
    });
    let limits = Limits { between_events_timeout_ms: SHORT_MS, ..LIMITS };
    let client = straight();
    let asked = ask_within(&client, &provider.url, limits);
    asked.woken();
    sleep(Duration::from_millis(2 * SHORT_MS));
    let back = asked.next();
    go_on.send(()).unwrap();

    assert_eq!((None, Ok(())), (back.end, asked.outcome().1));
}

#[test]
fn what_has_come_while_the_thread_stood_still_is_read_first() {
    let (go_on, may) = channel();
    let (tell, sent) = channel();
    let slow = Provider::new(move |_, connection| {
        connection.asked();
        connection.send(format!("{SSE}\r\n{}", said("Hi")));
        may.recv_timeout(LONG).unwrap();
        connection.send(answer("!"));
        tell.send(()).unwrap();
    });
    let (speak, may_speak) = channel();
    let other = Provider::new(move |_, connection| {
        connection.asked();
        may_speak.recv_timeout(LONG).unwrap();
        connection.send(format!("{SSE}\r\n{}", said("Hi")));
        connection.until_left();
    });
    let limits = Limits { between_events_timeout_ms: SHORT_MS, ..LIMITS };
    let client = straight();
    // Whoever is woken by the thread that does all calls holds it up.
    let holding_up = ask(&client, &other.url);
    let will_hold = holding_up.exchange.wake(move || {
        go_on.send(()).unwrap();
        sent.recv_timeout(LONG).unwrap();
        sleep(Duration::from_millis(2 * SHORT_MS));
    });
    let asked = ask_within(&client, &slow.url, limits);
    asked.woken();
    speak.send(()).unwrap();

    assert_eq!((true, text("Hi!")), (will_hold, asked.outcome()));
}
