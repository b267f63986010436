//! What waits for the thread that commits: commands with a caller, and notes without one. Bounded.
//!
//! The thread takes what waits once the event loop has taken in the last batch's answers, and where
//! several callers are at work it first lets more of them come, for as long as the last batch took.
//! The answers bring the next commands about: a thread that went on at once would find the few that
//! came while it committed, and pay for a commit of theirs. Who is alone never waits for others.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Callers of a batch that have brought nothing for so long are with their providers, or gone.
const JUST_NOW: Duration = Duration::from_millis(50);

/// How much waits, how much is taken at once, and how long the thread waits for others.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Commands that wait.
    pub queue_max: usize,
    /// Notes that wait.
    pub notes_max: usize,
    /// What is taken at once, of either.
    pub batch_max: usize,
    /// For the event loop to take in a batch's answers: it may be stuck.
    pub loop_within: Duration,
    /// For others to join a batch.
    pub gather_within: Duration,
}

/// What waits.
pub trait Waiting {
    /// Whether nobody waits for it any more.
    fn has_left(&self) -> bool;
}

/// A clock that goes on evenly, and a sleep on it.
pub trait Time {
    /// Since some moment in the past.
    fn now(&self) -> Duration;
    /// Let so much of it pass.
    fn sleep(&self, time: Duration);
}

/// The machine's.
#[derive(Debug)]
pub struct Machine(Instant);

impl Default for Machine {
    #[expect(clippy::disallowed_methods, reason = "what waits does so in real time; rows do not")]
    fn default() -> Self {
        Self(Instant::now())
    }
}

impl Time for Machine {
    fn now(&self) -> Duration {
        self.0.elapsed()
    }

    fn sleep(&self, time: Duration) {
        thread::sleep(time);
    }
}

/// Filled by the event loop, emptied by one thread.
#[derive(Debug)]
pub struct Intake<J, T = Machine> {
    state: Mutex<State<J>>,
    /// Something came, or it is closed.
    stirred: Condvar,
    /// Apart: woken by each command that comes, the thread would wait for answers in vain.
    taken_in: Condvar,
    limits: Limits,
    time: T,
}

#[derive(Debug)]
struct State<J> {
    queue: VecDeque<J>,
    notes: VecDeque<J>,
    notes_are_due: bool,
    is_closed: bool,
    is_answered: bool,
    last_count: usize,
    taken_at: Duration,
}

impl<J: Waiting> Intake<J> {
    /// An empty one.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self::timed(limits, Machine::default())
    }
}

impl<J: Waiting, T: Time> Intake<J, T> {
    /// An empty one on a clock of its own.
    #[must_use]
    pub fn timed(limits: Limits, time: T) -> Self {
        let state = State {
            queue: VecDeque::new(),
            notes: VecDeque::new(),
            notes_are_due: false,
            is_closed: false,
            is_answered: true,
            last_count: 0,
            taken_at: Duration::ZERO,
        };
        Self {
            state: Mutex::new(state),
            stirred: Condvar::new(),
            taken_in: Condvar::new(),
            limits,
            time,
        }
    }

    /// The time on its clock.
    pub fn now(&self) -> Duration {
        self.time.now()
    }

    /// How many commands wait.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.state().queue.len()
    }

    /// Queue a command; false when as many wait as may.
    #[must_use]
    pub fn put(&self, job: J) -> bool {
        let mut state = self.state();
        // Told at once and not made to wait: a queue that grows without a bound is one in which all
        // run out of time.
        if state.queue.len() >= self.limits.queue_max {
            return false;
        }
        state.queue.push_back(job);
        self.stirred.notify_one();
        true
    }

    /// Queue a note for the next batch; false when as many wait as may, and this one is lost.
    #[must_use]
    pub fn put_note(&self, job: J) -> bool {
        let mut state = self.state();
        let has_room = state.notes.len() < self.limits.notes_max;
        // Nobody is woken: a note rides with the next batch, or is called for by `wake_for_notes`.
        if has_room {
            state.notes.push_back(job);
        }
        has_room
    }

    /// Take the notes that still wait, in a batch of their own if need be.
    pub fn wake_for_notes(&self) {
        let mut state = self.state();
        // They may have ridden with a batch since: a turn of their own is for those still here.
        state.notes_are_due = !state.notes.is_empty();
        self.stirred.notify_one();
    }

    /// The event loop has taken in the last batch's answers; a loop that is stuck never says.
    pub fn answered(&self) {
        // Said of no batch in particular: should a loop that was stuck say it late, the next batch
        // begins a little early, and nothing worse.
        self.state().is_answered = true;
        self.taken_in.notify_one();
    }

    /// Let [`Self::take`] end once everything queued before has been taken.
    pub fn close(&self) {
        self.state().is_closed = true;
        self.stirred.notify_one();
    }

    /// Whatever waits now, notes first; blocks while nothing does. None: closed and empty.
    ///
    /// Nothing is in it when `within` passed.
    pub fn take(&self, within: Option<Duration>) -> Option<Vec<J>> {
        // Before any wait, for the last batch took until now; what is waited for below is no
        // part of it.
        let free_at = self.time.now();
        let within_loop = Some(self.limits.loop_within);
        let state = until(&self.taken_in, self.state(), within_loop, |it| it.is_answered);
        // Once it is closed nothing more comes: what is left is taken, and nothing waited for.
        let comes = |it: &State<J>| !it.queue.is_empty() || it.notes_are_due || it.is_closed;
        let mut state = self.gathered(until(&self.stirred, state, within, comes), free_at);
        if state.is_closed && state.queue.is_empty() && state.notes.is_empty() {
            return None;
        }
        Some(self.taken(&mut state))
    }

    /// Let more come, if others came together with this one, or with its predecessor just now.
    fn gathered<'a>(
        &'a self,
        mut state: MutexGuard<'a, State<J>>,
        free_at: Duration,
    ) -> MutexGuard<'a, State<J>> {
        // How long there was nothing to take: behind a quiet moment the first who comes is
        // served at once.
        let idle = self.time.now().saturating_sub(free_at);
        let waiting = state.queue.len();
        let is_followed = waiting > 0 && state.last_count > 1 && idle < JUST_NOW;
        if (waiting > 1 || is_followed) && waiting < self.limits.batch_max && !state.is_closed {
            let batch = free_at.saturating_sub(state.taken_at);
            drop(state);
            // Asleep, not at the queue: woken by each command it would run beside the very calls
            // that bring them.
            self.time.sleep(batch.min(self.limits.gather_within));
            state = self.state();
        }
        state
    }

    fn taken(&self, state: &mut State<J>) -> Vec<J> {
        let most = self.limits.batch_max;
        // Ahead of the commands, which then find each slot at the true time of its call.
        let notes = most.min(state.notes.len());
        let mut taken: Vec<J> = state.notes.drain(..notes).collect();
        let count = most.min(state.queue.len());
        // Who has left was told that nothing is recorded, and must not find it recorded.
        taken.extend(state.queue.drain(..count).filter(|job| !job.has_left()));
        state.notes_are_due &= !state.notes.is_empty();
        if !taken.is_empty() {
            // Only what was taken is answered: behind an empty turn this would wait for an answer
            // that nobody gives.
            state.is_answered = false;
        }
        state.last_count = count;
        state.taken_at = self.time.now();
        taken
    }

    fn state(&self) -> MutexGuard<'_, State<J>> {
        // Nothing panics while it holds the lock, so a poisoned state is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn until<'a, S>(
    told: &Condvar,
    state: MutexGuard<'a, S>,
    within: Option<Duration>,
    holds: impl Fn(&S) -> bool,
) -> MutexGuard<'a, S> {
    let goes_on = |state: &mut S| !holds(state);
    match within {
        None => told.wait_while(state, goes_on).unwrap_or_else(PoisonError::into_inner),
        Some(within) => {
            let waited = told.wait_timeout_while(state, within, goes_on);
            waited.unwrap_or_else(PoisonError::into_inner).0
        }
    }
}
