//! Batch after batch on a `SQLite` file, for as long as all goes as it should.
//!
//! What does not is handed back, with what is known of it: whoever serves has the patience, the
//! second connection and the words for it.

use std::time::Duration;

use chenu_operation::command::Command;
use chenu_operation::rules::Rules;
use uuid::Uuid;

use crate::clock::Told;
use crate::intake::{Intake, Waiting};
use crate::sqlite::{Asked, Failure, Names, Ran, Session};

/// A command with its caller.
pub trait Job: Waiting {
    /// The command, and the rules that it is decided by.
    fn asked(&self) -> (&Command, &Rules);
}

/// What serving needs.
pub struct Serving<'a, J> {
    /// What waits.
    pub intake: &'a Intake<J>,
    /// What batches are called; each has an id of its own.
    pub names: Names,
    /// The time, once the lock is held, of which the last batch's is given.
    pub time: &'a mut dyn FnMut(i64) -> Told,
    /// Whether the clock was odd when this began, and what is.
    pub odd: (bool, i64),
    /// Whether what is taken must be handed over before it is begun.
    pub by_hand: &'a dyn Fn() -> bool,
    /// Given each batch that was committed.
    pub answer: &'a mut dyn FnMut(Vec<J>, Ran),
    /// How long it may last.
    pub within: Within,
}

/// When something has to be done that is no batch.
#[derive(Debug, Clone, Copy)]
pub struct Within {
    /// Something else is due after this time.
    pub due: Duration,
    /// Without a commit it is doubtful after this time whether one is possible.
    pub doubt: Duration,
    /// As long is a commit believed.
    pub believed: Duration,
}

/// Why it ended.
#[derive(Debug)]
pub enum Ended<J> {
    /// The intake is closed and empty.
    Closed,
    /// Something else is due.
    Due,
    /// Taken, not begun.
    Handed(Vec<J>),
    /// Nothing of it happened.
    Failed(Vec<J>, Failure),
    /// It was run, and there is something to be told about it: its time is odd, or nobody knows
    /// whether it was committed.
    Told(Vec<J>, Box<Ran>, Names),
}

impl<J: Job> Serving<'_, J> {
    /// Commit what comes until something has to be done otherwise; and how long ago the last batch
    /// was committed, if one was.
    pub fn run(mut self, session: &mut Session) -> (Ended<J>, Option<Duration>) {
        let begun = self.intake.now();
        let mut proved: Option<Duration> = None;
        let ended = loop {
            let Within { due, doubt, believed } = self.within;
            // A commit of its own puts the doubt off, so that a busy database is never probed.
            let doubtful = proved.map_or(begun + doubt, |at| at + believed);
            let left = doubtful.min(begun + due).saturating_sub(self.intake.now());
            if left.is_zero() {
                break Ended::Due;
            }
            match self.intake.take(Some(left)) {
                None => break Ended::Closed,
                Some(jobs) if jobs.is_empty() => {}
                // Asked behind the wait and not before: a failpoint may have been armed while
                // nothing came.
                Some(jobs) if (self.by_hand)() => break Ended::Handed(jobs),
                Some(jobs) => match self.committed(session, jobs) {
                    Ok(true) => proved = Some(self.intake.now()),
                    // A batch that left nothing was not written, and says nothing of the disk.
                    Ok(false) => {}
                    Err(ended) => break ended,
                },
            }
        };
        (ended, proved.map(|at| self.intake.now().saturating_sub(at)))
    }

    /// Whether it has written anything.
    fn committed(&mut self, session: &mut Session, jobs: Vec<J>) -> Result<bool, Ended<J>> {
        // Made before the batch is begun: should its COMMIT give no answer, it is looked up
        // by this id.
        let names = Names { batch_id: Uuid::now_v7().to_string(), ..self.names.clone() };
        let commands: Vec<_> = jobs.iter().map(Job::asked).collect();
        let has_left = |place: usize| jobs.get(place).is_some_and(Waiting::has_left);
        let ran = session.run(
            &mut Asked {
                commands: &commands,
                has_left: &has_left,
                time: self.time,
                before_commit: &mut || Ok(()),
            },
            &names,
        );
        match ran {
            Err(failure) => Err(Ended::Failed(jobs, failure)),
            // Nobody is answered from here: what is unknown is looked up on another session first.
            Ok(ran) if ran.unknown.is_some() || self.is_odd(ran.told) => {
                Err(Ended::Told(jobs, Box::new(ran), names))
            }
            Ok(ran) => {
                let has_written = !ran.batch.has_left_nothing();
                (self.answer)(jobs, ran);
                Ok(has_written)
            }
        }
    }

    /// Whether somebody has to be told of this time: of what begins and ends once, of each jump.
    fn is_odd(&self, told: Told) -> bool {
        let (was_odd, odd_us) = self.odd;
        told.jumped_us > odd_us || (told.behind_us > odd_us) != was_odd
    }
}
