//! Batch after batch, for as long as all goes as it should: what is told, and what comes back.

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use chenu_operation::command::Command;
use chenu_operation::rules::Rules;
use chenu_store::clock::Told;
use chenu_store::intake::{Intake, Limits, Waiting};
use chenu_store::serve::{Ended, Job, Serving, Within};
use chenu_store::sqlite::{Failure, Ran, Session};

use super::database::{Database, START, names, right};
use super::samples::{creates, rules, updates, violates};

/// Nothing here takes so long; and for so much longer nothing is due.
const LONG: Duration = Duration::from_secs(10);
const NEVER: Duration = Duration::from_hours(1);
const WITHIN: Within = Within { due: NEVER, doubt: NEVER, believed: NEVER };
const LIMITS: Limits = Limits {
    queue_max: 9,
    notes_max: 9,
    batch_max: 2,
    loop_within: Duration::ZERO,
    gather_within: Duration::ZERO,
};
/// So far may the clock be from what it should say.
const ODD_US: i64 = 1_000;

#[derive(Debug)]
struct Asking(Command, Rules);

impl Waiting for Asking {
    fn has_left(&self) -> bool {
        false
    }
}

impl Job for Asking {
    fn asked(&self) -> (&Command, &Rules) {
        (&self.0, &self.1)
    }
}

fn asked(commands: impl IntoIterator<Item = Command>) -> Intake<Asking> {
    let intake = Intake::new(LIMITS);
    for command in commands {
        assert!(intake.put(Asking(command, rules())));
    }
    intake
}

/// What came of it: why it ended, whom it has answered, and whether anything was committed.
struct Served {
    ended: Ended<Asking>,
    answered: Vec<(usize, Ran)>,
    is_proved: bool,
}

struct Way<'a> {
    time: &'a mut dyn FnMut(i64) -> Told,
    was_odd: bool,
    by_hand: bool,
    within: Within,
}

fn served_so(session: &mut Session, intake: &Intake<Asking>, way: &mut Way<'_>) -> Served {
    let mut answered = Vec::new();
    let serving = Serving {
        intake,
        names: names(""),
        time: &mut *way.time,
        odd: (way.was_odd, ODD_US),
        by_hand: &|| way.by_hand,
        answer: &mut |jobs, ran| answered.push((jobs.len(), ran)),
        within: way.within,
    };
    let (ended, proved) = serving.run(session);
    Served { ended, answered, is_proved: proved.is_some() }
}

fn served(session: &mut Session, intake: &Intake<Asking>) -> Served {
    let time = &mut |_| right(START);
    let mut way = Way { time, was_odd: false, by_hand: false, within: WITHIN };
    served_so(session, intake, &mut way)
}

/// With a clock that is this far behind and has jumped this far, at each batch in turn.
fn served_at(clocks: &[(i64, i64)], was_odd: bool) -> (Database, Served) {
    let (database, mut turns) = (Database::new(), clocks.iter());
    let commands = (0..2 * clocks.len()).map(|number| creates(&format!("budget {number}")));
    let intake = asked(commands);
    intake.close();
    let time = &mut |_: i64| {
        let (behind_us, jumped_us) = turns.next().copied().unwrap_or_default();
        Told { now: START, behind_us, jumped_us }
    };
    let mut way = Way { time, was_odd, by_hand: false, within: WITHIN };
    let served = served_so(&mut database.session(), &intake, &mut way);
    (database, served)
}

#[test]
fn all_that_comes_is_committed_and_answered_in_its_order() {
    let database = Database::new();
    let intake = asked(["one", "two", "three"].map(creates));
    intake.close();
    let served = served(&mut database.session(), &intake);
    let sizes: Vec<usize> = served.answered.iter().map(|(size, _)| *size).collect();
    let entries = served.answered.iter().flat_map(|(_, ran)| ran.batch.entries());
    let about: Vec<&str> = entries.map(|entry| entry.resource_id.as_str()).collect();
    let batches = database.found("SELECT DISTINCT batch_id FROM ledger_entries");

    assert!(matches!(served.ended, Ended::Closed), "{:?}", served.ended);
    assert_eq!((vec![2, 1], true), (sizes, served.is_proved));
    assert_eq!(["one", "two", "three"], about[..]);
    assert_eq!((3, 2), (database.count("budgets"), batches.len()));
}

/// Whoever has armed a failpoint meanwhile has it passed: nothing is begun before.
#[test]
fn what_is_to_go_by_hand_comes_back_unbegun() {
    let database = Database::new();
    let time = &mut |_| panic!("nothing is to be begun");
    let mut way = Way { time, was_odd: false, by_hand: true, within: WITHIN };
    let served = served_so(&mut database.session(), &asked([creates("one")]), &mut way);

    assert!(matches!(&served.ended, Ended::Handed(jobs) if jobs.len() == 1), "{:?}", served.ended);
    assert_eq!((false, 0), (served.is_proved, database.count("batches")));
}

/// A full disk would have answered it as well.
#[test]
fn what_leaves_nothing_does_not_prove_that_a_write_is_possible() {
    let database = Database::new();
    let intake = asked([updates("nowhere", 1)]);
    intake.close();
    let served = served(&mut database.session(), &intake);

    assert!(matches!(served.ended, Ended::Closed), "{:?}", served.ended);
    assert_eq!((1, false), (served.answered.len(), served.is_proved));
}

/// Those before it are answered, and those behind it wait: in what order it is mended is its
/// keeper's to say.
#[test]
fn a_batch_that_fails_comes_back_with_why() {
    let database = Database::new();
    let intake =
        asked([violates("one"), creates("x"), violates("one"), creates("y"), creates("z")]);
    let served = served(&mut database.session(), &intake);

    let Ended::Failed(jobs, Failure::StatementFailed(_)) = &served.ended else {
        panic!("{:?}", served.ended)
    };
    assert_eq!(2, jobs.len());
    assert_eq!((1, true, 1), (served.answered.len(), served.is_proved, intake.queued()));
    assert_eq!(1, database.count("budgets"));
}

/// It may have happened: nobody is answered before that is known.
#[test]
fn a_commit_whose_end_is_unknown_comes_back_with_its_batch() {
    let database = Database::new();
    let reader = database.connection();
    let mut session = database.session();
    // In this mode of the journal a reader keeps a COMMIT, and nothing before it.
    reader.execute_batch("BEGIN; SELECT count(*) FROM budgets").unwrap();
    let served = served(&mut session, &asked([creates("one")]));

    let Ended::Told(jobs, ran, names) = &served.ended else { panic!("{:?}", served.ended) };
    assert!(ran.unknown.is_some() && !names.batch_id.is_empty());
    assert_eq!((1, 0, false), (jobs.len(), served.answered.len(), served.is_proved));
}

/// Committed, each: who asked is answered, but by whoever tells of the clock first.
#[test]
fn a_clock_that_goes_wrong_is_told_once_and_once_when_it_is_right_again() {
    let (wrong, small) = ((ODD_US + 1, 0), (ODD_US, ODD_US));
    for (clocks, was_odd, answered) in [
        (vec![small, small, wrong], false, Some(2)),
        (vec![wrong, wrong, small], true, Some(2)),
        (vec![wrong, wrong], true, None),
        (vec![small, (0, ODD_US + 1)], false, Some(1)),
        (vec![wrong, (ODD_US + 1, ODD_US + 1)], true, Some(1)),
    ] {
        let (database, served) = served_at(&clocks, was_odd);
        let is_told = matches!(&served.ended, Ended::Told(_, ran, _) if ran.unknown.is_none());
        let seen = answered.unwrap_or(clocks.len());

        assert_eq!(answered.is_some(), is_told, "{clocks:?}: {:?}", served.ended);
        assert_eq!(seen, served.answered.len(), "{clocks:?}");
        assert_eq!(2 * clocks.len(), database.count("budgets"), "{clocks:?}");
    }
}

#[test]
fn something_else_is_due_in_time_whether_or_not_anything_comes() {
    for within in [
        Within { due: Duration::from_millis(1), ..WITHIN },
        Within { doubt: Duration::from_millis(1), ..WITHIN },
    ] {
        let database = Database::new();
        let time = &mut |_| panic!("nothing has come");
        let mut way = Way { time, was_odd: false, by_hand: false, within };
        let (intake, (done, waits)) = (asked([]), channel::<()>());
        let served = thread::scope(|scope| {
            // What would else be served for an hour ends otherwise.
            let watched = &intake;
            scope.spawn(move || {
                waits.recv_timeout(LONG) == Err(RecvTimeoutError::Timeout) && {
                    watched.close();
                    true
                }
            });
            let served = served_so(&mut database.session(), &intake, &mut way);
            drop(done); // the channel's end is what it waits for
            served
        });

        assert!(matches!(served.ended, Ended::Due), "{:?}", served.ended);
        assert!(!served.is_proved);
    }
}

/// Each commit proves that there can be one, for as long as it is believed.
#[test]
fn what_was_just_committed_is_believed() {
    let database = Database::new();
    let within = Within { believed: Duration::ZERO, ..WITHIN };
    let time = &mut |_| right(START);
    let mut way = Way { time, was_odd: false, by_hand: false, within };
    let intake = asked(["one", "two", "three"].map(creates));
    let served = served_so(&mut database.session(), &intake, &mut way);

    assert!(matches!(served.ended, Ended::Due), "{:?}", served.ended);
    assert_eq!((1, true, 1), (served.answered.len(), served.is_proved, intake.queued()));
}
