//! The identity boundary: nothing is chosen for the caller, nothing absent is allowed.

use chenu_engine::boundary::{choose_identity, owns, role_allowed};
use chenu_engine::vocabulary::ViolationType;
use proptest::prelude::*;

const NONE: [&str; 0] = [];

/// The four ways to act in no identity, and the two to act in one.
#[test]
fn an_identity_is_named_and_held_or_the_only_one() {
    assert_eq!(Ok("acme"), choose_identity(&["acme", "home"], Some("acme")));
    assert_eq!(Ok("acme"), choose_identity(&["acme", "acme"], None));
    assert_eq!(Err(ViolationType::SpoofedIdentity), choose_identity(&["acme"], Some("home")));
    assert_eq!(Err(ViolationType::MissingIdentity), choose_identity(&["acme", "home"], None));
    assert_eq!(Err(ViolationType::MissingIdentity), choose_identity(&NONE, None));
}

/// A malformed id is refused even where a token holds it: it could not be told apart in a log.
#[test]
fn a_malformed_identity_is_invalid_wherever_it_stands() {
    let long = "a".repeat(65);
    for id in ["", "Acme", ".acme", "-a", "a b", "a/b", "a\u{0}", "\u{e9}", "acme\n", &long] {
        assert_eq!(
            Err(ViolationType::InvalidIdentity),
            choose_identity(&["acme"], Some(id)),
            "{id:?}"
        );
        assert_eq!(Err(ViolationType::InvalidIdentity), choose_identity(&[id], None), "{id:?}");
    }
    let longest = "a".repeat(64);
    assert_eq!(Ok(longest.as_str()), choose_identity(&[&longest], Some(&longest)));
    assert_eq!(Ok("0.a_b-c"), choose_identity(&["0.a_b-c"], None));
}

/// A record that names no identity belongs to nobody.
#[test]
fn what_has_no_identity_is_owned_by_nobody() {
    assert!(owns("acme", Some("acme")));
    assert!(!owns("acme", Some("home")));
    assert!(!owns("acme", None));
}

/// No role implies another, whatever its name suggests.
#[test]
fn a_role_is_held_or_not() {
    assert!(role_allowed("approver", &["member", "approver"]));
    assert!(!role_allowed("approver", &["admin", "approver2", "Approver"]));
    assert!(!role_allowed("", &["", "member"]));
    assert!(!role_allowed("member", &NONE));
}

proptest! {
    /// Whatever is sent, the identity acted in is one that the token holds.
    #[test]
    fn only_a_held_identity_is_ever_chosen(
        held in prop::collection::vec("[a-c.]{0,2}", 0..4),
        named in prop::option::of("[a-c.]{0,2}"),
    ) {
        if let Ok(chosen) = choose_identity(&held, named.as_deref()) {
            prop_assert!(held.iter().any(|id| id == chosen));
            prop_assert!(named.is_none_or(|named| named == chosen));
        }
    }
}
