//! Every order of up to three of the commands that can reach the same rows at the same time.
//!
//! Each command is made before any of them runs, as concurrent callers make them: it knows the rows
//! of the start and nothing of the others. `World::act` checks the laws after each; here, who won.

use std::collections::BTreeMap;
use std::rc::Rc;

use chenu_engine::vocabulary::CheckpointState;
use chenu_operation::answer::Answer;
use chenu_operation::command::Command;
use chenu_operation::decide::Effects;
use chenu_operation::rows::{Checkpoint, OperationKey, ToolCall};

use crate::starts::{Made, Start, starts};
use crate::world::World;
use crate::{call_starts, spend_starts};

/// So many commands meet.
const MEET: usize = 3;

/// Where an order has come to.
#[derive(Clone)]
struct Point {
    world: World,
    /// How often the start's question was decided, and its approval used or withdrawn.
    decided: usize,
    used: usize,
    /// How often each operation was let run, further attempts not counted, or was redeemed.
    let_run: BTreeMap<OperationKey, usize>,
    /// The release that somebody was given of q; nobody is given another.
    release: Option<ToolCall>,
    /// What each command left, and when.
    left: Vec<(i64, Rc<Effects>)>,
}

/// Tells the order in which a law was broken.
struct Told<'a> {
    start: &'a Start,
    order: &'a [usize],
}

impl Drop for Told<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let names: Vec<&str> = self.order.iter().map(|at| self.start.made[*at].name).collect();
            eprintln!("from {:?} in the order {names:?}:", self.start.name);
        }
    }
}

fn question(world: &World) -> Option<&Checkpoint> {
    let id = "checkpoint-of-q";
    world.checkpoints().find(|checkpoint| checkpoint.checkpoint_id == id)
}

/// Where a question stands: its state, and whether its approval is used.
fn stand(world: &World) -> Option<(CheckpointState, bool)> {
    question(world).map(|it| (it.state, it.consumed_us != 0))
}

impl Point {
    fn act(&mut self, made: &Made) {
        let before = stand(&self.world);
        let late_us = (made.at_us - self.world.now_us).max(0);
        self.world.pass(late_us);
        let effects = self.world.take(&made.command);
        let after = stand(&self.world);
        match before {
            Some((CheckpointState::Pending, _)) => self.decided += usize::from(before != after),
            Some((CheckpointState::Approved, false)) => self.used += usize::from(before != after),
            _ => {}
        }
        if before.is_some() {
            assert_eq!(
                before != after,
                claims(&made.command, &effects.answer, before),
                "{}",
                made.name
            );
        }
        let repeated = matches!(made.command, Command::Retry(_));
        if let (Answer::Admitted { operation, .. }, false) = (&effects.answer, repeated) {
            *self.let_run.entry(operation.key()).or_insert(0) += 1;
        }
        self.release(&effects.answer);
        self.left.push((self.world.now_us, Rc::new(effects)));
    }

    /// All who take it are given the same, and one of those who redeem it executes it.
    fn release(&mut self, answer: &Answer) {
        match answer {
            Answer::Taken { call, .. } => {
                let given = ToolCall { redeemed_us: 0, ..(**call).clone() };
                assert_eq!(&given, self.release.get_or_insert_with(|| given.clone()));
            }
            Answer::Redeemed { operation, .. } => {
                *self.let_run.entry(operation.key()).or_insert(0) += 1;
            }
            _ => {}
        }
    }

    /// One of those who would have decided it has, and what was approved has run once at most.
    fn check(&self, start: &Start, order: &[usize]) {
        let pending = |world| matches!(stand(world), Some((CheckpointState::Pending, _)));
        let decides = order.iter().any(|at| start.made[*at].decides);
        assert_eq!(usize::from(pending(&start.world) && !pending(&self.world)), self.decided);
        assert!(!decides || !pending(&self.world), "nobody has won");
        assert!(self.used <= 1, "an approval is used or withdrawn once");
        assert!(self.let_run.values().all(|times| *times == 1), "{:?}", self.let_run);
    }

    /// In one batch the commands leave what they have left in a batch of their own each.
    fn check_batch(&self, start: &Start, order: &[usize]) {
        let (first_us, last_us) = (self.left[0].0, self.world.now_us);
        if order.len() < MEET || first_us != last_us {
            return;
        }
        let made = order.iter().map(|at| start.made[*at].command.clone());
        let mut world = start.world.clone();
        world.pass(last_us - world.now_us);
        for (effects, (_, left)) in world.batch(&made.collect::<Vec<_>>()).iter().zip(&self.left) {
            assert_eq!(&**left, effects, "a batch sees the writes of those before");
        }
    }
}

/// Whether a command says that it has decided the question of q, or used or ended its approval.
fn claims(command: &Command, answer: &Answer, before: Option<(CheckpointState, bool)>) -> bool {
    let open =
        matches!(before, Some((CheckpointState::Pending | CheckpointState::Approved, false)));
    match (command, answer) {
        (Command::Expire(_), Answer::Done(done)) => *done,
        (Command::Resolve(_), answer) => {
            matches!(answer, Answer::Resolved(_) | Answer::Lapsed(_))
        }
        (Command::ResolveAll(_), answer) => {
            matches!(answer, Answer::AllResolved { is_new, .. } if is_new.contains(&true))
        }
        (Command::Consume(_), answer) => {
            matches!(answer, Answer::Admitted { .. } | Answer::Closed(_))
        }
        (Command::Cancel(_), _)
        | (Command::Void(_), Answer::Reservation { .. })
        | (Command::Take(_), Answer::Taken { .. } | Answer::Closed(_)) => open,
        (Command::Reserve(_), Answer::Reservation { .. }) => {
            before == Some((CheckpointState::Approved, false))
        }
        _ => false,
    }
}

/// All orders that begin as this one has. Gives how many there are.
fn go_on(start: &Start, point: &Point, order: &mut Vec<usize>) -> usize {
    if order.len() == MEET {
        return 0;
    }
    let mut orders = 0;
    for next in 0..start.made.len() {
        if order.contains(&next) {
            continue;
        }
        order.push(next);
        let mut point = point.clone();
        let told = Told { start, order };
        point.act(&start.made[next]);
        point.check(start, order);
        point.check_batch(start, order);
        drop(told);
        orders += 1 + go_on(start, &point, order);
        order.pop();
    }
    orders
}

#[test]
fn the_laws_hold_in_every_order() {
    let all = starts().into_iter().chain(spend_starts::starts()).chain(call_starts::starts());
    for start in all {
        let world = start.world.clone();
        let let_run = BTreeMap::new();
        let (release, left) = (None, Vec::new());
        let point = Point { world, decided: 0, used: 0, let_run, release, left };
        let orders = go_on(&start, &point, &mut Vec::new());

        let n = start.made.len();
        assert_eq!(n + n * (n - 1) + n * (n - 1) * (n - 2), orders, "{}", start.name);
    }
}
