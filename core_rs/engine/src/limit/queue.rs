//! Who waits for one provider, and in which order.
//!
//! Start-time fair queuing (Goyal, Vin, Cheng, 1996) with one unit for each served call. An
//! identity's k-th waiting call has the tag `start + k`; calls are served by tag. An identity that
//! was idle starts at the current virtual time, before all others with the same tag: a light
//! identity's first waiting call is served next, whatever the others have waiting.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::Arc;

/// Place in the order of service: the tag, not first after idling, the arrival.
type Turn = (u64, bool, u64);

/// The calls that wait for one provider.
#[derive(Debug)]
pub struct FairQueue {
    waiting_max: usize,
    virtual_time: u64,
    arrivals: u64,
    tickets: HashMap<i64, Arc<str>>,
    lines: HashMap<Arc<str>, Line>,
    heads: BTreeSet<(Turn, Arc<str>)>,
    /// Who was served at this virtual time and has nothing waiting: goes on one later.
    served: HashSet<Arc<str>>,
}

/// The waiting calls of one identity, oldest first.
#[derive(Debug)]
struct Line {
    start: u64,
    fresh: bool,
    calls: VecDeque<Call>,
}

#[derive(Debug, Clone, Copy)]
struct Call {
    arrival: u64,
    ticket: i64,
}

impl Line {
    fn turn_at(&self, place: usize) -> Option<Turn> {
        let call = self.calls.get(place)?;
        let tag = u64::try_from(place).ok()?.saturating_add(self.start);
        Some((tag, place > 0 || !self.fresh, call.arrival))
    }

    fn turn_of(&self, ticket: i64) -> Option<Turn> {
        self.turn_at(self.calls.iter().position(|call| call.ticket == ticket)?)
    }

    /// How many calls come before `turn`: those with a smaller tag, and perhaps the next one.
    fn before(&self, turn: Turn) -> usize {
        let smaller = usize::try_from(turn.0.saturating_sub(self.start)).unwrap_or(usize::MAX);
        // Tags of a line grow by one from call to call, so they are counted and not looked at: a
        // place costs as many steps as identities wait.
        let surely = smaller.min(self.calls.len());
        surely + usize::from(self.turn_at(surely).is_some_and(|next| next < turn))
    }
}

impl FairQueue {
    /// Starts empty; at most `waiting_max` calls wait.
    #[must_use]
    pub fn new(waiting_max: usize) -> Self {
        Self {
            waiting_max,
            virtual_time: 0,
            arrivals: 0,
            tickets: HashMap::new(),
            lines: HashMap::new(),
            heads: BTreeSet::new(),
            served: HashSet::new(),
        }
    }

    /// Lets a call of `identity` wait; its place from 0, or `None` when the queue is full.
    ///
    /// `ticket` names the call; one that waits already keeps its place.
    pub fn join(&mut self, identity: &str, ticket: i64) -> Option<usize> {
        if !self.tickets.contains_key(&ticket) {
            if self.tickets.len() >= self.waiting_max {
                return None;
            }
            self.append(identity, ticket);
        }
        self.place(ticket)
    }

    /// Lets a call go without service; the identity's later calls move up.
    pub fn leave(&mut self, ticket: i64) {
        let Some(identity) = self.tickets.remove(&ticket) else {
            return;
        };
        self.change(&identity, |line| line.calls.retain(|call| call.ticket != ticket));
    }

    /// The call whose turn it is.
    #[must_use]
    pub fn next(&self) -> Option<i64> {
        let (_, identity) = self.heads.first()?;
        self.lines.get(identity)?.calls.front().map(|call| call.ticket)
    }

    /// Serves the call whose turn it is.
    pub fn take(&mut self) -> Option<i64> {
        let ((tag, ..), identity) = self.heads.first().cloned()?;
        let ticket = self.next()?;
        self.tickets.remove(&ticket);
        // Before the line is changed, which may note this identity as served: a new virtual time
        // forgets all who were.
        self.advance(tag);
        self.change(&identity, |line| {
            line.calls.pop_front();
            // Its next call waits until everybody who came before it at this tag was served once.
            (line.start, line.fresh) = (tag.saturating_add(1), false);
        });
        Some(ticket)
    }

    /// How many calls are served before this one if nobody else comes or leaves.
    #[must_use]
    pub fn place(&self, ticket: i64) -> Option<usize> {
        let turn = self.lines.get(self.tickets.get(&ticket)?)?.turn_of(ticket)?;
        Some(self.lines.values().map(|line| line.before(turn)).sum())
    }

    /// How many calls wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.tickets.len()
    }

    /// Whether nobody waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tickets.is_empty()
    }

    fn append(&mut self, identity: &str, ticket: i64) {
        let identity: Arc<str> = identity.into();
        let arrival = self.arrivals;
        // At a million calls a second it takes half a million years until two are the same.
        self.arrivals = arrival.saturating_add(1);
        self.tickets.insert(ticket, Arc::clone(&identity));
        if !self.lines.contains_key(&identity) {
            self.open(Arc::clone(&identity));
        }
        self.change(&identity, |line| line.calls.push_back(Call { arrival, ticket }));
    }

    fn open(&mut self, identity: Arc<str>) {
        let start = self.virtual_time.saturating_add(self.served.remove(&identity).into());
        self.lines.insert(identity, Line { start, fresh: true, calls: VecDeque::new() });
    }

    /// Changes an identity's line and lists its head anew; an empty line is closed.
    fn change(&mut self, identity: &Arc<str>, change: impl FnOnce(&mut Line)) {
        let Some(line) = self.lines.get_mut(identity) else {
            return;
        };
        if let Some(turn) = line.turn_at(0) {
            self.heads.remove(&(turn, Arc::clone(identity)));
        }
        change(line);
        match line.turn_at(0) {
            Some(turn) => _ = self.heads.insert((turn, Arc::clone(identity))),
            None => self.close(identity),
        }
    }

    /// Remembers where the identity goes on; no more of these than calls may wait.
    fn close(&mut self, identity: &Arc<str>) {
        let Some(line) = self.lines.remove(identity) else {
            return;
        };
        // A bound on memory: who is forgotten starts level with all others, which costs one round
        // of fairness.
        if self.served.len() >= self.waiting_max {
            self.served.clear();
        }
        // Only who was served at this very time would gain by leaving and coming back; for all
        // others a new line begins no earlier.
        if line.start > self.virtual_time {
            self.served.insert(Arc::clone(identity));
        }
    }

    fn advance(&mut self, tag: u64) {
        // A round has passed, and with it the turn of whoever was served in the last one.
        if tag > self.virtual_time {
            self.virtual_time = tag;
            self.served.clear();
        }
    }
}
