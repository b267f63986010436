//! Identity windows against a model that remembers every admission.

use std::collections::BTreeMap;

use chenu_engine::limit::{Arrival, IdentityWindows, Verdict, WindowSettings, WindowState};
use proptest::prelude::*;

const DEFAULTS: WindowSettings = WindowSettings {
    limit: 100,
    window_us: 60_000_000,
    burst: 20,
    burst_window_us: 1_000_000,
    block_us: 120_000_000,
    keys_max: 1_000,
};

/// Remembers everything and counts anew each time.
#[derive(Default)]
struct Model {
    admitted: Vec<i64>,
    blocked_until_us: i64,
}

impl Model {
    fn used(&self, window_us: i64, now_us: i64) -> usize {
        self.admitted.iter().filter(|time| now_us - **time < window_us).count()
    }

    fn has_room(&self, settings: &WindowSettings, now_us: i64) -> bool {
        let limit_ok =
            settings.limit == 0 || self.used(settings.window_us, now_us) < settings.limit;
        let burst_used = self.used(settings.burst_window_us, now_us);
        limit_ok && (settings.burst == 0 || burst_used < settings.burst)
    }

    fn arrive(&mut self, settings: &WindowSettings, now_us: i64) -> Verdict {
        if now_us < self.blocked_until_us {
            return Verdict::Blocked;
        }
        if self.has_room(settings, now_us) {
            self.admitted.push(now_us);
            return Verdict::Admitted;
        }
        if settings.block_us > 0 {
            let room = (now_us..now_us + 100).find(|time| self.has_room(settings, *time)).unwrap();
            self.blocked_until_us = room.max(now_us + settings.block_us);
        }
        Verdict::Limited
    }
}

fn settings() -> impl Strategy<Value = WindowSettings> {
    (0..5_usize, 1..30_i64, 0..4_usize, 1..10_i64, prop_oneof![Just(0), 1..50_i64]).prop_map(
        |(limit, window_us, burst, burst_window_us, block_us)| WindowSettings {
            limit,
            window_us,
            burst,
            burst_window_us,
            block_us,
            keys_max: 8,
        },
    )
}

fn times(gaps: &[i64]) -> impl Iterator<Item = i64> + '_ {
    gaps.iter().scan(1_000, |now, gap| {
        *now += gap;
        Some(*now)
    })
}

proptest! {
    /// Nothing is admitted over the limit, and nothing is refused while there is room.
    #[test]
    fn windows_are_exact(settings in settings(), gaps in prop::collection::vec(0..8_i64, 0..80)) {
        let (mut windows, mut model) = (IdentityWindows::new(settings), Model::default());
        for now_us in times(&gaps) {
            let expected = model.arrive(&settings, now_us);
            prop_assert_eq!(expected, windows.arrive("a", now_us).verdict);
        }
        for start in &model.admitted {
            let within = |length| {
                model.admitted.iter().filter(|it| (*start..start + length).contains(it)).count()
            };
            prop_assert!(settings.limit == 0 || within(settings.window_us) <= settings.limit);
            prop_assert!(settings.burst == 0 || within(settings.burst_window_us) <= settings.burst);
        }
    }

    /// A caller that waits as told gets in, and one that comes a microsecond early does not.
    #[test]
    fn waits_are_exact(settings in settings(), gaps in prop::collection::vec(0..8_i64, 1..60)) {
        let mut windows = IdentityWindows::new(settings);
        let mut refused = None;
        for now_us in times(&gaps) {
            let answer = windows.arrive("a", now_us);
            if answer.verdict != Verdict::Admitted {
                refused = Some(now_us + answer.retry_after_us);
                break;
            }
        }
        if let Some(retry_us) = refused {
            prop_assert_ne!(Verdict::Admitted, windows.arrive("a", retry_us - 1).verdict);
            if settings.block_us == 0 {
                prop_assert_eq!(Verdict::Admitted, windows.arrive("a", retry_us).verdict);
            }
        }
    }

    /// The same for the block: told at the first refusal, it holds at its end.
    #[test]
    fn a_block_ends_exactly(
        settings in settings(), gaps in prop::collection::vec(0..3_i64, 1..60),
    ) {
        let mut windows = IdentityWindows::new(settings);
        for now_us in times(&gaps) {
            let answer = windows.arrive("a", now_us);
            if answer.verdict != Verdict::Admitted {
                let at_the_end = windows.arrive("a", now_us + answer.retry_after_us);
                prop_assert_eq!(Verdict::Admitted, at_the_end.verdict);
                prop_assert_eq!(0, at_the_end.retry_after_us);
                return Ok(());
            }
        }
    }

    /// What is given back is as if it had never come; what was stored is as if it had just come.
    #[test]
    fn restored_windows_decide_like_the_old_ones(
        settings in settings(),
        gaps in prop::collection::vec(0..8_i64, 0..60),
        back in prop::collection::vec(any::<prop::sample::Index>(), 0..5),
    ) {
        let settings = WindowSettings { block_us: 0, ..settings };
        let (mut windows, mut kept) = (IdentityWindows::new(settings), Vec::new());
        for now_us in times(&gaps) {
            let admitted = windows.arrive("a", now_us).verdict == Verdict::Admitted;
            kept.extend(admitted.then_some(now_us));
        }
        let ring = settings.limit.max(settings.burst);
        kept.drain(..kept.len().saturating_sub(ring));
        for index in back.iter().take(kept.len()) {
            windows.give_back("a", kept.remove(index.index(kept.len())));
        }
        let mut restored = IdentityWindows::new(settings);
        kept.reverse();
        restored.restore("a", &kept);
        for now_us in times(&gaps).map(|time| time + 40) {
            prop_assert_eq!(windows.state("a", now_us).used, restored.state("a", now_us).used);
            prop_assert_eq!(windows.arrive("a", now_us), restored.arrive("a", now_us));
        }
    }

    /// Processes that hand on what is kept decide as one that keeps it all the time, blocks too.
    #[test]
    fn windows_that_are_handed_on_decide_like_those_that_stay(
        settings in settings(),
        calls in prop::collection::vec((0..8_i64, any::<bool>()), 0..60),
    ) {
        let mut stays = IdentityWindows::new(settings);
        let mut handed_on = IdentityWindows::new(settings);
        let gaps: Vec<i64> = calls.iter().map(|(gap, _)| *gap).collect();
        for (now_us, (_, is_new)) in times(&gaps).zip(&calls) {
            let kept = handed_on.kept("a");
            if *is_new {
                handed_on = IdentityWindows::new(settings);
            }
            handed_on.put("a", &kept);
            prop_assert_eq!(stays.arrive("a", now_us), handed_on.arrive("a", now_us));
            prop_assert_eq!(stays.state("a", now_us), handed_on.state("a", now_us));
        }
    }

    /// A full table refuses new identities exactly until an old one has nothing left to remember.
    #[test]
    fn identities_are_bounded_and_the_wait_for_a_place_is_exact(
        calls in prop::collection::vec((0..6_u8, 0..4_i64, prop::option::of(0..6_u8)), 1..80),
    ) {
        let settings = WindowSettings { keys_max: 3, block_us: 0, limit: 9, ..DEFAULTS };
        let settings = WindowSettings { window_us: 12, burst: 0, ..settings };
        let (mut windows, mut model) = (IdentityWindows::new(settings), Table::default());
        let mut now_us = 1_000;
        for (identity, gap, back) in calls {
            now_us += gap;
            let answer = windows.arrive(&identity.to_string(), now_us);
            let room_us = model.arrive(identity, now_us);
            prop_assert_eq!(room_us.is_none(), answer.verdict == Verdict::Admitted);
            prop_assert_eq!(room_us.map_or(0, |room_us| room_us - now_us), answer.retry_after_us);
            if let Some((identity, time_us)) = back.and_then(|it| model.give_back(it)) {
                windows.give_back(&identity.to_string(), time_us);
            }
        }
    }
}

/// At most three identities, each with the times of its calls.
#[derive(Default)]
struct Table {
    calls: BTreeMap<u8, Vec<i64>>,
}

impl Table {
    /// Remembers a call, or says when there is a place for its identity.
    fn arrive(&mut self, identity: u8, now_us: i64) -> Option<i64> {
        if !self.calls.contains_key(&identity) && self.calls.len() == 3 {
            let expiry = |times: &Vec<i64>| times.last().map_or(0, |last| last + 12);
            let (first, room_us) =
                self.calls.iter().map(|(key, it)| (*key, expiry(it))).min_by_key(|it| it.1)?;
            if room_us > now_us {
                return Some(room_us);
            }
            self.calls.remove(&first);
        }
        self.calls.entry(identity).or_default().push(now_us);
        None
    }

    fn give_back(&mut self, identity: u8) -> Option<(u8, i64)> {
        self.calls.get_mut(&identity)?.pop().map(|time_us| (identity, time_us))
    }
}

/// The defaults of the product: 100 in a minute, 20 in a second, then two minutes' block.
#[test]
fn the_call_that_breaks_the_burst_is_limited_and_the_next_blocked() {
    let mut windows = IdentityWindows::new(DEFAULTS);
    for _ in 0..20 {
        assert_eq!(Verdict::Admitted, windows.arrive("a", 0).verdict);
    }

    let broken = windows.arrive("a", 1);
    assert_eq!(Arrival { verdict: Verdict::Limited, retry_after_us: 120_000_000 }, broken);
    let blocked = windows.arrive("a", 120_000_000);
    assert_eq!(Arrival { verdict: Verdict::Blocked, retry_after_us: 1 }, blocked);
    assert_eq!(Verdict::Admitted, windows.arrive("b", 1).verdict);
    assert_eq!(Verdict::Admitted, windows.arrive("a", 120_000_001).verdict);
}

/// An operator sees what is used, and can lift a block.
#[test]
fn the_state_is_told_and_a_reset_lifts_the_block() {
    let mut windows = IdentityWindows::new(WindowSettings { limit: 2, ..DEFAULTS });
    let arrivals = [0, 5, 6].map(|now_us| windows.arrive("a", now_us).verdict);
    assert_eq!([Verdict::Admitted, Verdict::Admitted, Verdict::Limited], arrivals);

    let state = WindowState { used: 2, burst_used: 1, blocked_until_us: 120_000_006 };
    assert_eq!(state, windows.state("a", 1_000_000));
    windows.reset("a");
    assert_eq!(WindowState::default(), windows.state("a", 7));
    assert_eq!(Verdict::Admitted, windows.arrive("a", 7).verdict);
}

/// A clock that steps back would otherwise empty the windows.
#[test]
fn a_clock_that_steps_back_makes_no_room() {
    let mut windows = IdentityWindows::new(WindowSettings { limit: 2, block_us: 0, ..DEFAULTS });
    windows.arrive("a", 90_000_000);
    assert_eq!(Verdict::Admitted, windows.arrive("a", 10_000_000).verdict);

    assert_eq!(Verdict::Limited, windows.arrive("a", 20_000_000).verdict);
    assert_eq!(Verdict::Limited, windows.arrive("a", 149_999_999).verdict);
    assert_eq!(Verdict::Admitted, windows.arrive("a", 150_000_000).verdict);
}

/// Zero is off, for the operator who wants no limit at all.
#[test]
fn limits_of_zero_are_off() {
    let mut windows =
        IdentityWindows::new(WindowSettings { limit: 0, burst: 0, keys_max: 0, ..DEFAULTS });

    assert!((0..1_000).all(|_| windows.arrive("a", 0).verdict == Verdict::Admitted));
}
