//! Images and documents: what they are, how they are sent, what they count as.

use chenu_engine::wire::{
    Bytes, DocumentLimits, ImageLimits, ImageRule, Look, MediaLimits, Part, Role, Source, Wire,
    look,
};
use proptest::prelude::*;

use crate::prompts::{body, cached, members, message, prompt, text};

const RULE: ImageRule = ImageRule {
    base_tokens: 85,
    cell_edge: 32,
    cell_millitokens: 1_620,
    cells_min: 4,
    cells_max: 1_536,
};
const IMAGES: ImageLimits = ImageLimits { count_max: 2, bytes_max: 8, edge_max: 100, rule: RULE };
const LIMITS: MediaLimits = MediaLimits {
    images: Some(IMAGES),
    documents: Some(DocumentLimits { count_max: 1, bytes_max: 9 }),
    context_tokens: 10_000,
};

fn here(media_type: &str, bytes: &'static [u8], size: Option<(u32, u32)>) -> Source {
    Source::Data { media_type: media_type.to_owned(), bytes: Bytes::new(bytes), size }
}

fn image(source: Source) -> Part {
    Part::Image { source, cached: false }
}

fn document(source: Source) -> Part {
    Part::Document { source, name: String::new(), cached: false }
}

fn asked(wire: Wire, parts: &[Part]) -> String {
    let asked = prompt([chenu_engine::wire::Message { role: Role::User, parts: parts.into() }]);
    members(wire, &asked, &["messages"])
}

#[test]
fn each_wire_has_its_own_shape_for_a_file() {
    let parts = [
        image(here("image/png", b"abc", None)),
        image(Source::Url("https://a/b?c=\"d\"".to_owned())),
        document(here("application/pdf", b"", None)),
    ];

    assert_eq!(
        concat!(
            r#"messages=[{"role":"user","content":[{"type":"image_url","image_url":"#,
            r#"{"url":"data:image/png;base64,YWJj"}},{"type":"image_url","image_url":"#,
            r#"{"url":"https://a/b?c=\"d\""}},{"type":"file","file":"#,
            r#"{"filename":"document.pdf","file_data":"data:application/pdf;base64,"}}]}]"#,
        ),
        asked(Wire::Chat, &parts)
    );
    assert_eq!(
        concat!(
            r#"messages=[{"role":"user","content":[{"type":"image","source":{"type":"base64","#,
            r#""media_type":"image/png","data":"YWJj"}},{"type":"image","source":{"type":"url","#,
            r#""url":"https://a/b?c=\"d\""}},{"type":"document","source":{"type":"base64","#,
            r#""media_type":"application/pdf","data":""}}]}]"#,
        ),
        asked(Wire::Messages, &parts)
    );
}

#[test]
fn a_files_name_and_a_hint_stand_beside_it() {
    let source = here("application/pdf", b"x", None);
    let parts = [Part::Document { source, name: "a\"b".to_owned(), cached: true }];

    assert!(asked(Wire::Chat, &parts).contains(r#""filename":"a\"b""#));
    assert!(
        asked(Wire::Messages, &parts)
            .contains(r#""title":"a\"b","cache_control":{"type":"ephemeral"}}"#)
    );
}

#[test]
fn an_image_alone_is_a_list_and_a_text_alone_is_none() {
    assert!(asked(Wire::Chat, &[image(here("image/gif", b"", None))]).contains(r#""content":["#));
    assert_eq!(
        r#"messages=[{"role":"user","content":"Hi"}]"#,
        asked(Wire::Chat, &[text("Hi"), text("")])
    );
}

#[test]
fn a_prompt_needs_what_its_files_need() {
    let nowhere = || Source::Url("https://a/b".to_owned());
    let all = prompt([message(Role::User, [image(nowhere()), document(nowhere()), cached("x")])]);
    let near = prompt([message(Role::User, [image(here("image/png", b"", None))])]);

    assert_eq!(
        vec!["cache_hints", "document_urls", "documents", "image_urls", "vision"],
        all.needs()
    );
    assert_eq!(vec!["vision"], near.needs());
}

fn tokens<const N: usize>(parts: [Part; N]) -> Option<u64> {
    prompt([message(Role::User, parts)]).media_tokens(&LIMITS)
}

#[test]
fn an_image_counts_by_its_cells_between_the_least_and_the_most() {
    let sized = |size| tokens([image(here("image/png", b"", size))]);

    assert_eq!(Some(85 + 7), sized(Some((1, 1)))); // 4 cells, rounded up
    assert_eq!(Some(85 + 26), sized(Some((97, 100)))); // 16 cells
    assert_eq!(Some(85 + 2_489), sized(None)); // 1,536 cells
    assert_eq!(Some(85 + 2_489), tokens([image(Source::Url("https://a".to_owned()))]));
}

#[test]
fn a_document_counts_as_the_context_and_nothing_counts_as_more() {
    let pdf = || document(here("application/pdf", b"", None));

    assert_eq!(Some(10_000), tokens([pdf()]));
    assert_eq!(Some(10_000), tokens([pdf(), image(here("image/png", b"", None))]));
    assert_eq!(Some(0), tokens([text("x")]));
}

#[test]
fn what_is_too_large_or_too_much_is_not_taken() {
    let small = || image(here("image/png", b"12345678", Some((100, 100))));

    assert!(tokens([small(), small()]).is_some());
    assert_eq!(None, tokens([small(), small(), small()]));
    assert_eq!(None, tokens([image(here("image/png", b"123456789", Some((1, 1))))]));
    assert_eq!(None, tokens([image(here("image/png", b"", Some((1, 101))))]));
    assert_eq!(None, tokens([image(here("image/png", b"", Some((101, 1))))]));
    assert_eq!(None, tokens([document(here("application/pdf", b"1234567890", None))]));
    let nothing = MediaLimits { context_tokens: 10, ..MediaLimits::default() };
    assert_eq!(None, prompt([message(Role::User, [small()])]).media_tokens(&nothing));
}

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x02\0\0\0\x03\x08\0\0\0\0";

#[test]
fn a_file_is_what_its_bytes_say() {
    let png = Look { media_type: "image/png", size: Some((2, 3)) };
    let pdf = Look { media_type: "application/pdf", size: None };

    assert_eq!(Some(png), look(PNG));
    assert_eq!(Some(pdf), look(b"\xef\xbb\xbf\n%PDF-1.4"));
    assert_eq!(None, look(b""));
    assert_eq!(None, look(b"BM not one that a request may hold"));
    assert_eq!(None, look(&PNG[..18]));
}

fn heads() -> impl Strategy<Value = Vec<u8>> {
    let heads: [&[u8]; 7] = [
        PNG,
        b"\xff\xd8\xff\xe0\0\x10JFIF",
        b"\xff\xd8\xff\xc0\0\x0b\x08",
        b"GIF89a",
        b"RIFF\0\0\0\0WEBPVP8X",
        b"RIFF\0\0\0\0WEBPVP8L",
        b"",
    ];
    prop::sample::select(heads.to_vec()).prop_map(<[u8]>::to_vec)
}

proptest! {
    /// Whatever comes is looked at: never a panic, and never a size of nothing.
    #[test]
    fn any_bytes_are_looked_at(
        head in heads(), rest in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let found = look(&[head, rest].concat());

        let is_one = |(width, height)| width > 0 && height > 0;
        prop_assert!(found.and_then(|it| it.size).is_none_or(is_one));
    }

    /// More pixels never count as fewer tokens, and no image as more than one of unknown size.
    #[test]
    fn larger_images_count_as_no_less(
        edge in 1_u32..100, milli in 0_u32..5_000, most in 1_u32..10_000,
        width in 1_u32..9_000, height in 1_u32..9_000, more in 0_u32..100,
    ) {
        let rule = ImageRule {
            base_tokens: 7, cell_edge: edge, cell_millitokens: milli, cells_min: 1, cells_max: most,
        };
        let tokens = rule.tokens(Some((width, height)));

        prop_assert!(tokens <= rule.tokens(Some((width + more, height + more))));
        prop_assert!(tokens <= rule.tokens(None));
    }

    /// The size of a body leaves out its files, and nothing else.
    #[test]
    fn a_files_bytes_do_not_count_as_text(data in prop::collection::vec(any::<u8>(), 0..99)) {
        let with = |bytes| {
            let source = Source::Data { media_type: "image/png".into(), bytes, size: None };
            prompt([message(Role::User, [image(source), text("Hi")])])
        };
        let empty: &[u8] = b"";
        for wire in [Wire::Chat, Wire::Messages] {
            let encoded = data.len().div_ceil(3) * 4;
            let (full, none) = (with(Bytes::new(data.clone())), with(Bytes::new(empty)));
            prop_assert_eq!(full.size(wire), none.size(wire));
            prop_assert_eq!(body(wire, &full).len(), body(wire, &none).len() + encoded);
        }
    }
}
