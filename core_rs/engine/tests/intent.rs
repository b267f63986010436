//! What the analyzer finds: a corpus in English and French, and the rest of an analysis.

use chenu_engine::intent::{Analysis, Sensitivity, analyze};

const CORPORA: [(&str, &str); 2] = [
    ("english", include_str!("intent_corpus/english.tsv")),
    ("french", include_str!("intent_corpus/french.tsv")),
];

fn intents(analysis: &Analysis) -> String {
    let names: Vec<_> = analysis.intents.iter().map(|intent| intent.wire_name()).collect();
    names.join(",")
}

#[expect(clippy::expect_used, reason = "a row without two columns is no test")]
fn rows() -> impl Iterator<Item = (&'static str, &'static str, String)> {
    let lines =
        CORPORA.into_iter().flat_map(|(name, text)| text.lines().map(move |one| (name, one)));
    lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')).map(|(name, line)| {
        let (expected, text) = line.split_once('\t').expect("a row has two columns");
        (name, expected, text.replace("\\n", "\n"))
    })
}

#[test]
fn every_row_of_the_corpus_has_exactly_its_intents() {
    let found =
        rows().map(|(name, expected, text)| (name, expected, intents(&analyze(&text)), text));
    let wrong: Vec<_> = found
        .filter(|(_, expected, found, _)| expected != found)
        .map(|(name, expected, found, text)| format!("{name}: {text:?}: {expected}, not {found}"))
        .collect();

    assert!(wrong.is_empty(), "{} rows\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn the_corpus_shows_every_intent_in_both_languages() {
    for intent in ["query", "create", "update", "delete", "send", "analyze", "transfer", "payment"]
    {
        for (name, _) in CORPORA {
            let of_both = rows().filter(|(own, ..)| *own == name);
            let count =
                of_both.filter(|(_, expected, _)| expected.split(',').any(|one| one == intent));

            assert!(count.count() >= 4, "{intent} in {name}");
        }
    }
}

#[test]
fn nothing_found_is_a_query_of_low_confidence() {
    let analysis = analyze("the news");

    assert_eq!("query", intents(&analysis));
    assert_eq!("0.30", format!("{:.2}", analysis.confidence));
}

#[test]
fn confidence_grows_with_distinct_triggers() {
    for (text, expected) in [
        ("Delete it", "0.70"),
        ("Delete it. Delete that.", "0.70"),
        ("Delete it. Erase that.", "0.80"),
        ("Delete it. Erase that. Send it.", "0.90"),
        ("Delete it. Erase that. Send it. Publish it.", "0.99"),
        ("Delete it. Erase that. Send it. Publish it. Buy it. Create it.", "0.99"),
    ] {
        assert_eq!(expected, format!("{:.2}", analyze(text).confidence), "{text}");
    }
}

#[test]
fn intents_come_in_one_order() {
    let text =
        "Pay the bill, export my data, review it, send it, delete it, fix it, create it, find it";

    assert_eq!("query,create,update,delete,send,analyze,transfer,payment", intents(&analyze(text)));
}

#[test]
fn sensitivity_follows_the_intents() {
    for (text, expected) in [
        ("What is this?", Sensitivity::Internal),
        ("Create a list", Sensitivity::Internal),
        ("Delete it", Sensitivity::Confidential),
        ("Send it", Sensitivity::Confidential),
        ("Pay the bill", Sensitivity::Restricted),
        ("Export the list", Sensitivity::Restricted),
        ("Delete it and pay the bill", Sensitivity::Restricted),
    ] {
        assert_eq!(expected, analyze(text).sensitivity, "{text}");
    }
}

#[test]
fn entities_are_named_with_their_kinds() {
    let text = "Send \"the minutes\" of 3/12/2025 and 2026-01-31 to bob.smith@example.co.uk, \
                1,500.50 and « le plan » and `code here` and 7";
    let expected = [
        ("date", "3/12/2025"),
        ("date", "2026-01-31"),
        ("email", "bob.smith@example.co.uk"),
        ("number", "1,500.50"),
        ("number", "7"),
        ("quoted", "the minutes"),
        ("quoted", "le plan"),
        ("quoted", "code here"),
    ]
    .map(|(kind, value)| (kind.to_owned(), value.to_owned()));

    assert_eq!(expected.to_vec(), analyze(text).entities);
}

#[test]
fn at_most_32_entities_are_named() {
    assert_eq!(32, analyze(&"7 \"a b\" ".repeat(100)).entities.len());
}

#[test]
fn keywords_are_the_first_ten_telling_words() {
    let text = "The quick Résumé of the d\u{ad}ossier, l'archive et les 42 notes; quick Notes";
    let expected = ["quick", "résumé", "dossier", "archive", "notes"];

    assert_eq!(expected.to_vec(), analyze(text).keywords);

    let many = "alpha bravo charlie delta echos foxtrot golf hotel india juliet kilo";

    assert_eq!(10, analyze(many).keywords.len());
}

#[test]
fn the_same_text_gives_the_same_analysis() {
    for (_, _, text) in rows() {
        assert_eq!(analyze(&text), analyze(&text));
    }
}
