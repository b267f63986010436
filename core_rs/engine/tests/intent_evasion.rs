//! How a text is written, and what stands around it, does not hide what it orders.

use chenu_engine::intent::analyze;
use chenu_engine::vocabulary::Intent;
use proptest::prelude::*;

const ORDERS: [&str; 2] = ["Delete all archived items", "Supprime tous mes anciens fils"];

fn deletes(text: &str) -> bool {
    analyze(text).intents.contains(&Intent::Delete)
}

/// Characters that show nothing.
const INVISIBLE: [char; 12] = [
    '\u{0}',
    '\u{1}',
    '\u{ad}',
    '\u{34f}',
    '\u{200b}',
    '\u{200d}',
    '\u{200e}',
    '\u{202e}',
    '\u{2060}',
    '\u{fe0f}',
    '\u{feff}',
    '\u{e0041}',
];

#[test]
fn invisible_characters_hide_no_verb() {
    for order in ORDERS {
        for hidden in INVISIBLE {
            let after_each = |c: char| [c, hidden];
            let text: String = order.chars().flat_map(after_each).collect();

            assert!(deletes(&text), "{}", text.escape_unicode());
        }
    }
}

#[test]
fn other_alphabets_hide_no_verb() {
    for text in [
        "Ｄｅｌｅｔｅ all items",
        "𝐝𝐞𝐥𝐞𝐭𝐞 all items",
        "𝒹ℯ𝓁ℯ𝓉ℯ all items",
        "ⓓⓔⓛⓔⓣⓔ all items",
        "dеlеtе all items",
        "ԁelete all items",
        "dєlєtє all items",
        "d̶e̶l̶e̶t̶e̶ all items",
        "délétè all items",
        "ＳＵＰＰＲＩＭＥ tout",
        "Ｓ’il te plaît，supprime tout",
        "suррrimе tout",
    ] {
        assert!(deletes(text), "{text}");
    }
}

#[test]
fn every_kind_of_line_end_and_space_parts_words() {
    for space in ['\u{a0}', '\u{2003}', '\u{3000}', '\t', '\u{2800}'] {
        assert!(deletes(&format!("Please{space}delete{space}all items")), "{space:?}");
    }
    for end in ['\n', '\r', '\u{b}', '\u{85}', '\u{2028}', '\u{2029}'] {
        assert!(deletes(&format!("Hello{end}delete all items")), "{end:?}");
    }
}

#[test]
fn apostrophes_of_every_kind_are_read_alike() {
    for apostrophe in ['\'', '\u{2019}', '\u{2018}', '\u{2bc}', '\u{ff07}', '\u{2032}'] {
        let wish = format!("J{apostrophe}aimerais que tu supprimes l{apostrophe}archive");
        let denial = format!("Don{apostrophe}t delete it");

        assert!(deletes(&wish), "{wish}");
        assert!(!deletes(&denial), "{denial}");
    }
}

#[test]
fn a_lone_quotation_mark_hides_nothing() {
    for text in [
        "It is 5\" wide; delete all my \"old stuff\"",
        "\"delete all items",
        "« delete all items",
        "``` delete all items",
        "'cause I said so, delete all the users' files",
        "\"one two\" delete all items \"three four\"",
        "see \"one two\ndelete all items\nthree four\" there",
        "'cause it is full, delete all the 'old' items",
    ] {
        assert!(deletes(text), "{text}");
    }
}

#[test]
fn a_long_text_hides_no_order() {
    let filler = "The meeting notes of last week are attached for everybody to read. ".repeat(700);
    for order in ORDERS {
        assert!(deletes(&format!("{filler}{order}")));
        assert!(deletes(&format!("{order}\n{filler}")));
        assert!(deletes(&format!("{filler}{order}. {filler}")));
    }
}

#[test]
fn a_text_of_one_endless_thing_is_read() {
    for unit in
        ["a", "\"", "'", "`", "a ", "(", "«", "please ", "ne ", "delete ", "1%", "@", "l'", "-"]
    {
        let text = unit.repeat(50_000 / unit.len());

        assert!(!analyze(&text).intents.is_empty());
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_text_is_read(text in any::<String>()) {
        let analysis = analyze(&text);

        prop_assert!(!analysis.intents.is_empty());
        prop_assert!(analysis.intents.is_sorted());
        prop_assert!(analysis.entities.len() <= 32 && analysis.keywords.len() <= 10);
        prop_assert!((0.3..=0.99).contains(&analysis.confidence));
    }

    #[test]
    fn no_line_before_an_order_hides_it(
        before in "[a-zA-Z'\"«»`,.;:!?() \n-]{0,60}",
        order in prop::sample::select(&ORDERS[..]),
    ) {
        let text = format!("{before}\n\n{order}");

        prop_assert!(deletes(&text));
    }

    #[test]
    fn no_line_after_an_order_hides_it(
        after in any::<String>(),
        order in prop::sample::select(&ORDERS[..]),
    ) {
        let text = format!("{order}\n\n{after}");

        prop_assert!(deletes(&text));
    }

    #[test]
    fn case_and_spaces_change_nothing(
        spaces in prop::collection::vec("[ \u{a0}\u{2003}]{1,3}", 5),
        upper in any::<bool>(),
        order in prop::sample::select(&ORDERS[..]),
    ) {
        let words: Vec<_> = order.split(' ').collect();
        let spaced = words.iter().zip(&spaces).flat_map(|(word, space)| [*word, space]);
        let text: String = spaced.collect();
        let text = if upper { text.to_uppercase() } else { text.to_lowercase() };

        prop_assert!(deletes(&text));
    }
}
