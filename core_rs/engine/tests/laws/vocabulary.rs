//! Every word has one number and one name, and is found by either.

use std::collections::HashSet;

use chenu_engine::reasons::ErrorReason;
use chenu_engine::vocabulary::{
    BudgetScope, CheckpointType, Intent, PrincipalType, QueryMode, Role, Sphere, ToolEffect,
    ViolationType,
};

/// Asserts it of one list.
macro_rules! holds {
    ($($list:ident)*) => {
        $({
            let names: HashSet<_> = $list::ALL.iter().map(|word| word.wire_name()).collect();
            assert_eq!($list::ALL.len(), names.len(), stringify!($list));
            for word in $list::ALL.iter().copied() {
                assert_eq!(Some(word), $list::from_wire_name(word.wire_name()));
                assert_eq!(Some(word), $list::from_number(word.number()));
            }
            assert_eq!(None, $list::from_wire_name("delte"));
            assert_eq!(None, $list::from_number(0));
        })*
    };
}

#[test]
fn every_word_is_found_by_its_number_and_its_name() {
    holds!(BudgetScope CheckpointType ErrorReason Intent PrincipalType QueryMode Role Sphere);
    holds!(ToolEffect ViolationType);
}
