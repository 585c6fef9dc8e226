//! Every program up to a length: bounded model checking.
//!
//! A [`Search`] goes over all canonical programs of an [`alphabet`], the shorter ones first. What it finds is a
//! shortest program for each signature, and what it does not find is not there within the bound.
//!
//! **What need not be run.** An operation with a finding is the last one: what is appended is not reached. Two
//! programs that reach the same state go on alike, so one of them, the first, is continued for both; an
//! operation without an effect is a case of it. What the same state is, [`Executor::identity`] says; it is
//! *not* the executor's digest, which leaves out whatever no user sees (TLBs, free lists, locks, what devices
//! map, allocations that are to fail) and so would merge what goes on differently. Programs with an open
//! migration have no identity and are all continued.
//!
//! **Layers.** Programs are kept by length, and a layer is finished before the next one begins: so the first
//! program of a signature is a shortest one, no program of one thread is run twice, and an interrupted search can
//! say what it has covered. A depth-first search would have to keep the states as well, and would meet most of them
//! first at a depth at which they cannot be continued far enough.
//!
//! **Two threads.** See `burst.rs`.
//!
//! The search has no threads of its own. Whoever drives it takes the [`Task`]s of a layer, [`expand`]s each
//! wherever they like, and gives the results back in the order of the tasks: so what comes out does not depend
//! on who was first.
//!
//! [`Executor::identity`]: crate::exec::Executor::identity

pub mod alphabet;
mod burst;

use crate::exec::{Observer, Outcome, Released};
use crate::program::{Preemption, Program, Step};
use alphabet::{Alphabet, Used};
use mm_core::State;
use std::collections::{BTreeMap, HashMap};

/// What is searched.
#[derive(Clone, Debug)]
pub struct Bound {
    /// The operations.
    pub alphabet: Alphabet,
    /// The most operations of a program.
    pub depth: usize,
    /// The most preemptions of a program; 0 with one thread.
    pub preemptions: u8,
    /// The most operations in a row that overlap.
    pub overlap: usize,
    /// Continue one program of those that reach the same state. Without it every program is run.
    pub merge: bool,
}

/// How a run ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ran {
    /// The signature of its finding.
    pub found: Option<String>,
    /// All operations came to their end: there was no finding, or one when everything is given back. So the
    /// program can be continued.
    pub is_whole: bool,
    /// The identity of the state after the last operation, if it has one and that was asked for.
    pub identity: Option<u128>,
}

/// What runs programs.
pub trait Machine {
    /// Runs a program; `identity` asks for that of its state.
    fn run(&mut self, program: &Program, identity: bool, observer: &mut dyn Observer) -> Ran;

    /// Nobody wants the result any more.
    fn is_stopped(&self) -> bool {
        false
    }
}

/// A program that is to be continued.
#[derive(Clone, Debug)]
struct Node {
    steps: Box<[Step]>,
    preemptions: Box<[Preemption]>,
    /// Where the run last was at rest.
    rest: Rest,
    used: Used,
}

/// A moment at which no operation is under way, and none will be because of what comes later.
#[derive(Clone, Copy, Debug)]
struct Rest {
    /// Operations so far.
    steps: usize,
    /// Scheduling points so far.
    points: u32,
}

/// A part of the work on a layer: to continue a program by some of the operations that can come next.
#[derive(Clone, Debug)]
pub struct Task {
    node: Node,
    /// Of what can come next, from here …
    from: usize,
    /// … so many.
    count: usize,
}

/// A program that was run, and what became of it.
#[derive(Clone, Debug)]
struct Child {
    node: Node,
    /// How many runs of the node it was made from came before.
    runs: u64,
    ran: Ran,
}

/// What came out of a task.
#[derive(Debug, Default)]
pub struct Expansion {
    runs: u64,
    children: Vec<Child>,
}

/// A signature, and the first program that has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct First {
    /// The program.
    pub program: Program,
    /// Runs up to it, and with it.
    pub runs: u64,
}

/// A state, and what else decides how programs that reach it can go on. What is not here does not matter: in a
/// state that was reached without devices or pages they can still be renamed, and a process that does not
/// live is another name for one that does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Reached {
    identity: u128,
    has_far: bool,
    is_canonical: bool,
    preemptions: usize,
}

/// A search under way.
#[derive(Debug)]
pub struct Search {
    layers: Vec<Vec<Node>>,
    /// The length at which a state was first reached, by what else its continuation depends on.
    reached: HashMap<Reached, usize>,
    /// Programs run.
    pub runs: u64,
    /// States that are continued, by length.
    pub states: Vec<u64>,
    /// The findings, by signature.
    pub found: BTreeMap<String, First>,
}

impl Node {
    /// The program without operations.
    fn empty() -> Self {
        Self {
            steps: Box::default(),
            preemptions: Box::default(),
            rest: Rest {
                steps: 0,
                points: 0,
            },
            used: Used::default(),
        }
    }

    /// No operation waits.
    fn is_at_rest(&self) -> bool {
        self.rest.steps == self.steps.len()
    }

    /// The program.
    fn program(&self, threads: u8) -> Program {
        Program {
            threads,
            ops: self.steps.to_vec(),
            preemptions: self.preemptions.to_vec(),
            ..Program::default()
        }
    }
}

/// Notes how a run comes to rest.
#[derive(Default)]
struct Settling {
    points: u32,
    released: bool,
    waited: bool,
}

impl Settling {
    /// Notes that something was released, for want of anything else that could run.
    const fn released(&mut self) {
        self.released = true;
    }

    /// An operation ended. If something was released before, it, or another one, had waited for that; if the
    /// other thread had had something to do, it would have done that first.
    fn ended(&mut self, s: &State) {
        self.points = s.points();
        self.waited |= self.released;
    }

    /// Where the run of `program` is at rest, when it was at `before` earlier.
    fn rest(&self, program: &Program, before: Rest) -> Rest {
        if self.waited && program.threads > 1 {
            return before;
        }
        Rest {
            steps: program.ops.len(),
            points: self.points,
        }
    }
}

impl Observer for Settling {
    fn released(&mut self, _: Released) {
        self.released();
    }

    fn operation(&mut self, _: usize, _: &Step, _: Outcome, s: &State) {
        self.ended(s);
    }
}

/// Runs every program of a task; `None` if the machine was stopped.
pub fn expand(bound: &Bound, task: &Task, machine: &mut impl Machine) -> Option<Expansion> {
    let Task { node, from, count } = task;
    let mut expansion = Expansion::default();
    let mut program = node.program(bound.alphabet.threads());
    let is_last = node.steps.len() + 1 == bound.depth;
    let next = bound.alphabet.next(node.used).skip(*from).take(*count);
    for (thread, op, used) in next {
        if is_last && !used.is_canonical() {
            continue;
        }
        program.ops.push(Step { thread, op });
        let mut settling = Settling::default();
        let ran = machine.run(&program, bound.merge && !is_last, &mut settling);
        let rest = settling.rest(&program, node.rest);
        // nothing can come in between where there is no scheduling point
        let has_points = rest.points > node.rest.points || !ran.is_whole;
        expansion.add(bound, &program, rest, used, ran);
        if has_points || !node.is_at_rest() {
            burst::expand(bound, node, &mut program, used, machine, &mut expansion);
        }
        program.ops.pop();
    }
    (!machine.is_stopped()).then_some(expansion)
}

impl Expansion {
    /// Notes a run; of one that neither finds anything nor can be continued only that it was.
    fn add(&mut self, bound: &Bound, program: &Program, rest: Rest, used: Used, mut ran: Ran) {
        self.runs += 1;
        ran.is_whole &= program.ops.len() < bound.depth;
        if rest.steps < program.ops.len() {
            ran.identity = None;
        }
        if ran.found.is_none() && !ran.is_whole {
            return;
        }
        self.children.push(Child {
            node: Node {
                steps: program.ops.as_slice().into(),
                preemptions: program.preemptions.as_slice().into(),
                rest,
                used,
            },
            runs: self.runs,
            ran,
        });
    }
}

impl Search {
    /// A search that has not begun.
    #[must_use]
    pub fn new(bound: &Bound) -> Self {
        let mut layers = vec![Vec::new(); bound.depth + 1];
        layers[0].push(Node::empty());
        Self {
            layers,
            reached: HashMap::new(),
            runs: 0,
            states: vec![0; bound.depth + 1],
            found: BTreeMap::new(),
        }
    }

    /// The tasks that continue programs of `length` operations. Layers come in their order, each when the one
    /// before has been absorbed.
    pub fn layer(&mut self, bound: &Bound, length: usize) -> Vec<Task> {
        let nodes = std::mem::take(&mut self.layers[length]);
        self.states[length] = nodes.len() as u64;
        let tasks = nodes.into_iter().flat_map(|node| {
            let next = bound.alphabet.next(node.used).count();
            // bursts make each operation much work
            let count = if bound.alphabet.threads() == 1 {
                next.max(1)
            } else {
                1
            };
            (0..next).step_by(count).map(move |from| Task {
                node: node.clone(),
                from,
                count,
            })
        });
        tasks.collect()
    }

    /// Takes in what came out of the next task of the layer.
    pub fn absorb(&mut self, bound: &Bound, expansion: Expansion) {
        for Child { node, runs, ran } in expansion.children {
            if let Some(signature) = ran.found {
                let known = self.found.get(&signature);
                let length = known.map_or(usize::MAX, |known| known.program.ops.len());
                // a burst may come earlier than a shorter program
                if node.steps.len() < length {
                    let first = First {
                        program: node.program(bound.alphabet.threads()),
                        runs: self.runs + runs,
                    };
                    self.found.insert(signature, first);
                }
            }
            if ran.is_whole {
                self.keep(node, ran.identity);
            }
        }
        self.runs += expansion.runs;
    }

    /// Continues a program unless another one stands for it.
    fn keep(&mut self, node: Node, identity: Option<u128>) {
        let length = node.steps.len();
        if let Some(identity) = identity {
            let own = Reached {
                identity,
                has_far: node.used.has_far(),
                is_canonical: node.used.is_canonical(),
                preemptions: node.preemptions.len(),
            };
            if self.is_known(own, length) {
                return;
            }
            self.reached.insert(own, length);
        }
        self.layers[length].push(node);
    }

    /// A program that is as short, has as many preemptions left, and can go on with as much, has reached it.
    fn is_known(&self, state: Reached, length: usize) -> bool {
        (0..=state.preemptions).any(|preemptions| {
            let reached = |is_canonical| {
                let known = Reached {
                    preemptions,
                    is_canonical,
                    ..state
                };
                self.reached
                    .get(&known)
                    .is_some_and(|known| *known <= length)
            };
            reached(true) || !state.is_canonical && reached(false)
        })
    }
}
