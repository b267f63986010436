//! The batches' time, whatever the database's clock does.

use chenu_operation::Moment;
use chenu_store::clock::{Clock, Told};
use proptest::prelude::*;

const START_US: i64 = 1_800_000_000_000_000;
const HOUR_US: i64 = 3_600_000_000;

/// A database whose clock is set, the time that really goes by, and two workers.
struct Scene {
    workers: [Clock; 2],
    mono_us: i64,
    set_us: i64,
    last_us: i64,
}

impl Scene {
    fn new() -> Self {
        Self { workers: [Clock::default(); 2], mono_us: 5_000_000, set_us: 0, last_us: 0 }
    }

    fn clock_us(&self) -> i64 {
        START_US + self.mono_us + self.set_us
    }

    /// A worker's batch that records nothing.
    fn look(&mut self, who: usize) -> Told {
        let clock_us = self.clock_us();
        self.workers[who].tell(clock_us, self.mono_us * 1_000, self.last_us)
    }

    /// A worker's batch that records something.
    fn batch(&mut self, who: usize) -> Told {
        let told = self.look(who);
        self.last_us = told.now.now_us;
        told
    }
}

/// What goes by before a batch, and by how much the database's clock is set meanwhile.
fn pause_and_step() -> impl Strategy<Value = (i64, i64)> {
    let pause = prop_oneof![1 => Just(0), 3 => 0..10_000_000_i64];
    pause.prop_flat_map(|pause_us| {
        let step = prop_oneof![
            2 => Just(0),
            1 => -HOUR_US..=HOUR_US,
            1 => prop::sample::select(vec![-HOUR_US, -1, -pause_us, 1, HOUR_US]),
        ];
        (Just(pause_us), step)
    })
}

proptest! {
    /// Two workers take turns on a database whose clock steps. What is recorded is never after what
    /// comes next, and no pause is lost: a slot that is due in a minute is due in a minute.
    #[test]
    fn time_follows_the_databases_clock_and_goes_on_where_that_is_behind(
        turns in prop::collection::vec(
            (pause_and_step(), 0..2_usize, prop::bool::weighted(0.7)), 1..40,
        ),
    ) {
        let mut scene = Scene::new();
        let mut own: [Option<(i64, i64)>; 2] = [None; 2];
        for ((pause_us, step_us), who, records) in turns {
            let before_us = scene.last_us.max(own[who].map_or(0, |(own_us, _)| own_us));
            scene.mono_us += pause_us;
            scene.set_us += step_us;
            let told = if records { scene.batch(who) } else { scene.look(who) };
            let (now_us, clock_us) = (told.now.now_us, scene.clock_us());

            prop_assert!(before_us <= now_us);
            prop_assert_eq!(scene.mono_us * 1_000, told.now.mono_ns);
            if before_us <= clock_us {
                prop_assert_eq!(clock_us, now_us);
            } else if let Some((own_us, at_us)) = own[who] {
                prop_assert_eq!(before_us.max(own_us + scene.mono_us - at_us), now_us);
            } else {
                prop_assert_eq!(before_us, now_us);
            }
            own[who] = Some((now_us, scene.mono_us));
        }
    }

    /// The bound beyond which somebody is warned is another's to set: what is told is exact.
    #[test]
    fn how_wrong_the_clock_is_is_told_to_the_microsecond(
        steps in prop::collection::vec(pause_and_step(), 1..40),
    ) {
        let mut scene = Scene::new();
        let first = scene.batch(0);
        prop_assert_eq!((0, 0), (first.behind_us, first.jumped_us));
        let mut behind_us = 0;
        for (pause_us, step_us) in steps {
            scene.mono_us += pause_us;
            scene.set_us += step_us;
            let told = scene.batch(0);
            // Both clocks went on by the pause: what is left of their difference is the step.
            let jumped_us = step_us - behind_us;
            // A little behind what went by, but not behind what is recorded, the clock is right.
            behind_us = if -jumped_us <= pause_us { 0 } else { -jumped_us };

            prop_assert_eq!((behind_us, jumped_us), (told.behind_us, told.jumped_us));
        }
    }

    /// Who waits for a slot compares its time with this, and never with a clock of the process. A
    /// clock that was set back is followed again only once it has caught up.
    #[test]
    fn between_batches_it_tells_what_the_next_would_say(
        (pause_us, set_us) in (0..HOUR_US)
            .prop_flat_map(|us| (Just(us), prop_oneof![0..HOUR_US, -2 * HOUR_US..-us - 1])),
    ) {
        let mut scene = Scene::new();
        prop_assert_eq!(None, scene.workers[0].at(scene.mono_us * 1_000));
        scene.batch(0);
        scene.set_us = set_us;
        scene.batch(0);
        scene.mono_us += pause_us;
        let between_us = scene.workers[0].at(scene.mono_us * 1_000);

        prop_assert_eq!(between_us, Some(scene.batch(0).now.now_us));
    }
}

/// What was recorded in an hour that never was stays recorded; nothing stands still for it.
#[test]
fn set_ahead_and_back_again_time_goes_on_at_its_own_pace() {
    let mut scene = Scene::new();
    scene.batch(0);
    scene.set_us = HOUR_US;
    let ahead = scene.batch(0);
    scene.set_us = 0;
    scene.mono_us += 1_000;
    let back = scene.batch(0);

    assert_eq!((0, HOUR_US), (ahead.behind_us, ahead.jumped_us));
    assert_eq!(ahead.now.now_us + 1_000, back.now.now_us);
    assert_eq!((HOUR_US, -HOUR_US), (back.behind_us, back.jumped_us));
}

/// No monotonic clock reaches over a restart: from what is recorded time goes on.
#[test]
fn a_restart_goes_on_from_what_was_recorded() {
    let mut fresh = Clock::default();
    let told = fresh.tell(START_US - HOUR_US, 9_000, START_US);
    let now = Moment { now_us: START_US, mono_ns: 9_000 };

    assert_eq!(Told { now, behind_us: HOUR_US, jumped_us: 0 }, told);
    assert_eq!(START_US + 1, fresh.tell(START_US - HOUR_US, 10_000, START_US).now.now_us);
}
