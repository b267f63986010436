//! When the thread takes what waits: never before the loop has had its turn, never late.

#![expect(clippy::expect_used, reason = "a test ends where it meets what it does not expect")]

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use chenu_store::intake::{Intake, Limits, Time, Waiting};

const LONG: Duration = Duration::from_secs(10);
const LIMITS: Limits = Limits {
    queue_max: 4,
    notes_max: 2,
    batch_max: 3,
    loop_within: Duration::ZERO,
    gather_within: LONG,
};

/// A command by its number, and whether its caller has left.
#[derive(Debug, PartialEq, Eq)]
struct Job(u32, bool);

impl Waiting for Job {
    fn has_left(&self) -> bool {
        self.1
    }
}

fn job(number: u32) -> Job {
    Job(number, false)
}

fn numbers(taken: Option<Vec<Job>>) -> Vec<u32> {
    taken.expect("it is open").into_iter().map(|Job(number, _)| number).collect()
}

/// Time that passes when somebody sleeps, and what comes meanwhile.
#[derive(Clone, Default)]
struct Clock(Rc<Hands>);

#[derive(Default)]
struct Hands {
    now: Cell<Duration>,
    slept: RefCell<Vec<Duration>>,
    /// Goes by at each look: a command was waited for.
    at_each_look: Cell<Duration>,
    /// What happens while somebody sleeps.
    meanwhile: RefCell<Option<Box<dyn Fn()>>>,
}

impl Clock {
    fn pass(&self, time: Duration) {
        self.0.now.set(self.0.now.get() + time);
    }

    fn slept(&self) -> Vec<Duration> {
        self.0.slept.take()
    }
}

impl Time for Clock {
    fn now(&self) -> Duration {
        let now = self.0.now.get();
        self.pass(self.0.at_each_look.get());
        now
    }

    fn sleep(&self, time: Duration) {
        self.0.slept.borrow_mut().push(time);
        self.pass(time);
        if let Some(meanwhile) = &*self.0.meanwhile.borrow() {
            meanwhile();
        }
    }
}

fn gathering(gather_within: Duration) -> (Intake<Job, Clock>, Clock) {
    let clock = Clock::default();
    clock.pass(Duration::from_secs(100));
    (Intake::timed(Limits { gather_within, ..LIMITS }, clock.clone()), clock)
}

/// How many are taken once so many more have come.
fn take(intake: &Intake<Job, Clock>, more: u32) -> usize {
    (0..more).for_each(|number| assert!(intake.put(job(number))));
    intake.take(Some(Duration::ZERO)).map_or(0, |taken| taken.len())
}

#[test]
fn a_batch_waits_until_the_loop_has_taken_in_the_last_ones_answers() {
    let limits = Limits { loop_within: LONG, gather_within: Duration::ZERO, ..LIMITS };
    let intake = Intake::new(limits);
    assert!(intake.put(job(1)));
    assert_eq!(numbers(intake.take(None)), [1]);
    assert!(intake.put(job(2)));

    let (sender, taken) = channel();
    thread::scope(|scope| {
        let thread = scope.spawn(|| sender.send(numbers(intake.take(None))));
        let before = taken.recv_timeout(Duration::from_millis(50));
        assert!(intake.put(job(3)));
        intake.answered();

        assert_eq!(before, Err(RecvTimeoutError::Timeout));
        assert_eq!(taken.recv_timeout(LONG), Ok(vec![2, 3]));
        thread.join().expect("it has ended").expect("somebody listens");
    });
}

#[test]
fn a_loop_that_never_answers_holds_nothing_up() {
    let intake = Intake::new(Limits { loop_within: Duration::from_millis(1), ..LIMITS });
    for number in 0..2 {
        assert!(intake.put(job(number)));
        assert_eq!(numbers(intake.take(None)), [number]);
    }
}

#[test]
fn what_was_not_taken_owes_no_answer() {
    let intake = Intake::new(Limits { loop_within: LONG, ..LIMITS });
    assert_eq!(numbers(intake.take(Some(Duration::from_millis(1)))), [0; 0]);
    assert!(intake.put(Job(1, true)));
    assert_eq!(numbers(intake.take(None)), [0; 0], "its caller has left");
    assert!(intake.put(job(2)));

    assert_eq!(numbers(intake.take(None)), [2]);
}

#[test]
fn what_comes_wakes_who_waits() {
    let intake = Intake::new(LIMITS);
    let (sender, taken) = channel();
    thread::scope(|scope| {
        let thread = scope.spawn(|| sender.send(numbers(intake.take(Some(LONG)))));
        let before = taken.recv_timeout(Duration::from_millis(20));
        assert!(intake.put(job(1)));

        assert_eq!(before, Err(RecvTimeoutError::Timeout));
        assert_eq!(taken.recv_timeout(LONG), Ok(vec![1]));
        thread.join().expect("it has ended").expect("somebody listens");
    });
}

#[test]
fn as_many_wait_as_may_and_no_more() {
    let intake = Intake::new(LIMITS);
    let put: Vec<bool> = (0..5).map(|number| intake.put(job(number))).collect();
    let noted: Vec<bool> = (0..3).map(|number| intake.put_note(job(number))).collect();

    assert_eq!(put, [true, true, true, true, false]);
    assert_eq!(noted, [true, true, false]);
    assert_eq!(intake.queued(), 4);
}

#[test]
fn notes_ride_with_the_next_batch_ahead_of_it() {
    let intake = Intake::new(LIMITS);
    assert!(intake.put_note(job(9)));
    assert!(intake.put(job(1)));
    assert_eq!(numbers(intake.take(None)), [9, 1]);

    intake.wake_for_notes();
    assert_eq!(numbers(intake.take(Some(Duration::ZERO))), [0; 0], "they have gone along");
}

#[test]
fn notes_that_nobody_takes_along_have_a_batch_of_their_own() {
    let intake = Intake::new(LIMITS);
    assert!(intake.put_note(job(9)));
    intake.wake_for_notes();

    assert_eq!(numbers(intake.take(None)), [9]);
}

#[test]
fn closed_it_gives_out_what_waits_and_then_ends() {
    let intake = Intake::new(LIMITS);
    (0..4).for_each(|number| assert!(intake.put(job(number))));
    assert!(intake.put_note(job(9)));
    intake.close();

    assert_eq!(numbers(intake.take(None)), [9, 0, 1, 2]);
    assert_eq!(numbers(intake.take(None)), [3]);
    assert_eq!(intake.take(None), None);
}

#[test]
fn who_comes_alone_never_waits_for_others() {
    let (intake, clock) = gathering(LONG);
    for _ in 0..3 {
        assert_eq!(take(&intake, 1), 1);
        clock.pass(Duration::from_secs(1));
    }

    assert_eq!(clock.slept(), [Duration::ZERO; 0]);
}

#[test]
fn those_that_come_together_let_others_join_for_as_long_as_a_batch_takes() {
    let (intake, clock) = gathering(LONG);
    let (intake, joined) = (Rc::new(intake), Rc::new(Cell::new(false)));
    take(&intake, 1);
    clock.pass(Duration::from_millis(500));
    let (joining, joins) = (Rc::clone(&intake), Rc::clone(&joined));
    let join = move || joins.set(joining.put(job(9)));
    *clock.0.meanwhile.borrow_mut() = Some(Box::new(join));

    assert_eq!(take(&intake, 2), 3);
    assert!(joined.get());
    assert_eq!(clock.slept(), [Duration::from_millis(500)]);
}

#[test]
fn the_callers_of_the_last_batch_are_waited_for() {
    let (intake, clock) = gathering(LONG);
    take(&intake, 1);
    take(&intake, 2);
    clock.slept();
    clock.pass(Duration::from_millis(500));

    assert_eq!(take(&intake, 1), 1);
    assert_eq!(take(&intake, 1), 1);
    assert_eq!(clock.slept(), [Duration::from_millis(500)], "the second was alone before");
}

#[test]
fn callers_that_have_gone_are_not_waited_for() {
    let (intake, clock) = gathering(LONG);
    take(&intake, 2);
    clock.slept();
    clock.0.at_each_look.set(Duration::from_millis(60));

    assert_eq!(take(&intake, 1), 1);
    assert_eq!(clock.slept(), [Duration::ZERO; 0]);
}

#[test]
fn nobody_waits_longer_for_others_than_the_limit() {
    let (intake, clock) = gathering(Duration::from_millis(5));
    take(&intake, 1);
    clock.pass(Duration::from_mins(1));

    assert_eq!(take(&intake, 2), 2);
    assert_eq!(clock.slept(), [Duration::from_millis(5)]);
}

#[test]
fn a_full_batch_waits_for_nobody() {
    let (intake, clock) = gathering(LONG);

    assert_eq!(take(&intake, 3), 3);
    assert_eq!(take(&intake, 4), 3);
    assert_eq!(clock.slept(), [Duration::ZERO; 0]);
}
