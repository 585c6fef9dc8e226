//! Bounded model checking: every program up to a length.
//!
//! An [`ExhaustiveSearch`] enumerates all canonical programs of an [`alphabet`], the shorter
//! programs first. For each signature that the search finds, it keeps a shortest program. The
//! search finds every bug that a program within the bound shows.
//!
//! **Programs that need not run.** No program is continued after an operation with a finding:
//! appended operations would not run. Two programs that reach the same state behave alike from
//! there, so only the first of them is continued. In particular, a program whose last operation has
//! no effect is not continued: the program without that operation reaches the same state.
//! [`Executor::identity`] defines when two states are the same. The executor's digest does *not*:
//! it leaves out TLBs, free lists, locks, device mappings and allocations armed to fail, so it
//! would merge states that behave differently later. A program with an open migration has no
//! identity and is always continued.
//!
//! **Layers.** Programs are kept by length, and one layer is finished before the next begins. So
//! with one thread the first program of a signature is a shortest one. With two threads, a program
//! with a burst may run before a shorter program, which then replaces it. No program of one thread
//! runs twice, and an interrupted search can say what it has covered. A depth-first search would
//! have to keep the states as well. It would reach most states by a long program first, and would
//! have to continue them again when a shorter program reaches them, with more operations left.
//!
//! **Two threads.** `burst.rs` explains how the search enumerates overlapping operations.
//!
//! The search has no threads of its own. Its driver takes the [`WorkItem`]s of a layer, [`expand`]s
//! each on any thread, and hands the results back in the order of the work items. So the result
//! does not depend on which thread finished first.
//!
//! [`Executor::identity`]: crate::exec::Executor::identity

pub mod alphabet;
mod burst;

use crate::exec::{Observer, Outcome, Released};
use crate::invariant::Invariant;
use crate::program::{Preemption, Program, Step};
use alphabet::{Alphabet, Used};
use mm_core::State;
use std::collections::{BTreeMap, HashMap};

/// The bound of a search.
#[derive(Clone, Debug)]
pub struct Bound {
    /// The operations to enumerate.
    pub alphabet: Alphabet,
    /// Maximum number of operations in a program.
    pub depth: usize,
    /// Maximum number of preemptions in a program; 0 with one thread.
    pub preemptions: u8,
    /// Maximum number of operations in a burst.
    pub overlap: usize,
    /// Continue only one of the programs that reach the same state. If false, every program runs.
    pub merge: bool,
}

/// How a run ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ran {
    /// The signature of the finding, if there was one.
    pub found: Option<String>,
    /// The invariant of the finding; `None` if there was no finding, or if it is a panic.
    pub invariant: Option<Invariant>,
    /// All operations ended: there was no finding, or only one in the teardown. So the program can
    /// be continued.
    pub is_whole: bool,
    /// The identity of the state after the last operation, if it has one and the caller asked for
    /// it.
    pub identity: Option<u128>,
}

/// Runs programs for a search.
pub trait Machine {
    /// Runs a program. If `identity` is true, the result has the identity of the final state.
    fn run(&mut self, program: &Program, identity: bool, observer: &mut dyn Observer) -> Ran;

    /// True once the search is to stop: nobody wants the result.
    fn is_stopped(&self) -> bool {
        false
    }
}

/// A program to continue.
#[derive(Clone, Debug)]
struct Node {
    steps: Box<[Step]>,
    preemptions: Box<[Preemption]>,
    /// The last point at which the run was at rest.
    rest: Rest,
    used: Used,
}

/// A moment of a run at which no operation is under way. This stays true if operations are appended
/// to the program.
#[derive(Clone, Copy, Debug)]
struct Rest {
    /// Number of operations up to this moment.
    steps: usize,
    /// Number of scheduling points up to this moment.
    points: u32,
}

/// A part of the work on a layer: continue a program by some of the operations that can come next.
#[derive(Clone, Debug)]
pub struct WorkItem {
    node: Node,
    /// Index of the first operation of this part among the operations that can come next.
    from: usize,
    /// Number of operations of this part.
    count: usize,
}

/// A program that ran, and its result.
#[derive(Clone, Debug)]
struct Child {
    node: Node,
    /// Position of this run among the runs of the work item, counted from 1.
    runs: u64,
    ran: Ran,
}

/// The result of a work item.
#[derive(Debug, Default)]
pub struct Expansion {
    runs: u64,
    children: Vec<Child>,
}

/// The first of the shortest programs that have a signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FirstProgram {
    /// The program.
    pub program: Program,
    /// The invariant of the signature; `None` for a panic.
    pub invariant: Option<Invariant>,
    /// Number of runs of the search up to and including this program.
    pub runs: u64,
}

/// A state, and everything else that decides how a program which reaches it can go on.
///
/// The two `bool` fields are all that matters of the names that the program has used. If two
/// programs agree in these fields and reach the same state, they have the same continuations, up to
/// a renaming: a device or page that a program has not named yet can still be renamed, and the
/// number of a missing process stands for a live process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Reached {
    identity: u128,
    has_far: bool,
    is_canonical: bool,
    preemptions: usize,
}

/// A search under way.
#[derive(Debug)]
pub struct ExhaustiveSearch {
    layers: Vec<Vec<Node>>,
    /// The length at which each state was first reached.
    reached: HashMap<Reached, usize>,
    /// Number of programs run.
    pub runs: u64,
    /// Number of states that are continued, by length.
    pub states: Vec<u64>,
    /// The findings, by signature.
    pub found: BTreeMap<String, FirstProgram>,
}

impl Node {
    /// The empty program.
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

    /// True if no operation waits.
    fn is_at_rest(&self) -> bool {
        self.rest.steps == self.steps.len()
    }

    /// The program.
    fn program(&self, alphabet: &Alphabet) -> Program {
        Program {
            threads: alphabet.threads(),
            thp: alphabet.thp(),
            ops: self.steps.to_vec(),
            preemptions: self.preemptions.to_vec(),
            ..Program::default()
        }
    }
}

/// Observes how a run comes to rest.
#[derive(Default)]
struct Settling {
    points: u32,
    released: bool,
    waited: bool,
}

impl Settling {
    /// The executor released something because nothing else could run.
    const fn released(&mut self) {
        self.released = true;
    }

    /// An operation ended. If something was released before, some operation had waited for the
    /// release. An operation appended to the other thread would run before the release, so the run
    /// did not come to rest.
    fn ended(&mut self, s: &State) {
        self.points = s.points();
        self.waited |= self.released;
    }

    /// The last point at which the run of `program` was at rest. The program extends a shorter one;
    /// `before` is the last such point in the run of the shorter program.
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

/// Runs every program of a work item. Returns `None` if the machine was stopped.
pub fn expand(bound: &Bound, task: &WorkItem, machine: &mut impl Machine) -> Option<Expansion> {
    let WorkItem { node, from, count } = task;
    let mut expansion = Expansion::default();
    let mut program = node.program(&bound.alphabet);
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
        // an operation without a scheduling point cannot be preempted
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
    /// Counts a run. Keeps its program if it has a finding or can be continued.
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

impl ExhaustiveSearch {
    /// A new search.
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

    /// The work items that continue programs of `length` operations. Call this for each layer in
    /// turn, once all results of the layer before have been absorbed.
    pub fn layer(&mut self, bound: &Bound, length: usize) -> Vec<WorkItem> {
        let nodes = std::mem::take(&mut self.layers[length]);
        self.states[length] = nodes.len() as u64;
        let tasks = nodes.into_iter().flat_map(|node| {
            let next = bound.alphabet.next(node.used).count();
            // bursts make each operation expensive, so it gets a work item of its own
            let count = if bound.alphabet.threads() == 1 {
                next.max(1)
            } else {
                1
            };
            (0..next).step_by(count).map(move |from| WorkItem {
                node: node.clone(),
                from,
                count,
            })
        });
        tasks.collect()
    }

    /// Takes in the result of the next work item of the layer.
    pub fn absorb(&mut self, bound: &Bound, expansion: Expansion) {
        for Child { node, runs, ran } in expansion.children {
            if let Some(signature) = ran.found {
                let known = self.found.get(&signature);
                let length = known.map_or(usize::MAX, |known| known.program.ops.len());
                // a program with a burst may be absorbed before a shorter program, which then
                // replaces it
                if node.steps.len() < length {
                    let first = FirstProgram {
                        program: node.program(&bound.alphabet),
                        invariant: ran.invariant,
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

    /// Keeps a program for continuation, unless another program reached the same state and stands
    /// for it.
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

    /// True if another program has reached the state with at most this length, with at least as
    /// many preemptions left, and with at least as many ways to continue.
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
