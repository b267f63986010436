//! Bodies that their sender has packed, as nobody asked for.

use std::io::Write as _;

use chenu_upstream::Failure;
use flate2::Compression;
use flate2::write::GzEncoder;

use super::provider::{Provider, SSE, answer, said};
use super::{ask_once, text};

fn packed(plain: &[u8]) -> Vec<u8> {
    let mut packing = GzEncoder::new(Vec::new(), Compression::default());
    packing.write_all(plain).unwrap();
    packing.finish().unwrap()
}

#[test]
fn what_calls_itself_encoded_is_read_by_nobody() {
    for (coding, body, is_plausible) in [
        ("gzip", b"no gzip".as_slice(), false),
        ("GZIP", b"\x1f\x8b\x08\x00", false),
        ("gzip", b"", false),
        ("br", b"who knows", true),
        ("br", b"", false),
    ] {
        let provider = Provider::new(move |_, connection| {
            connection.asked();
            connection.send(format!("{SSE}content-encoding: {coding}\r\n\r\n"));
            connection.send(body);
        });

        let expected = (Failure::Encoded { is_plausible }, true);
        assert_eq!(expected, ask_once(&provider.url).failure(), "{coding}");
    }
}

#[test]
fn what_a_gateway_packs_unasked_is_unpacked() {
    for size in [1, 7, 4_096] {
        let (packed, expected) = (packed(answer("Hello").as_bytes()), text("Hello"));
        let provider = Provider::new(move |_, connection| {
            connection.asked();
            connection.send(format!("{SSE}content-encoding: gzip\r\n\r\n"));
            packed.chunks(size).for_each(|some| connection.send(some));
        });

        assert_eq!(expected, ask_once(&provider.url).outcome(), "in pieces of {size}");
    }
}

#[test]
fn a_packed_answer_that_is_cut_keeps_what_had_come() {
    // Packed together, none of it might come before all of it has.
    let (mut sent, rest) = (packed(said("Hel").as_bytes()), packed(said("lo").as_bytes()));
    sent.extend(&rest[..rest.len() / 2]);
    let provider = Provider::new(move |_, connection| {
        connection.asked();
        connection.send(format!("{SSE}content-encoding: gzip\r\n\r\n"));
        connection.send(&*sent);
    });

    let (heard, end) = ask_once(&provider.url).outcome();
    assert_eq!(("Hel", Err(Failure::Truncated)), (&*heard, end));
}

#[test]
fn what_is_unpacked_is_bounded() {
    let bomb = packed(&vec![b'\n'; 65 << 20]);
    let provider = Provider::new(move |_, connection| {
        connection.asked();
        connection.send(format!("{SSE}content-encoding: gzip\r\n\r\n"));
        connection.send(&*bomb);
    });

    assert_eq!(Failure::TooLarge, ask_once(&provider.url).failure().0);
}
