//! The statements of both processes, in the order of the program.

use super::beside;
use super::check::{check, waits_for_ever};
use super::emitted_check::EmittedCheck;
use super::fails::{Fails, failing};
use super::lines::add;
use super::needs::{Needs, needs};
use super::setup::setup;
use super::statement::{other, statement, with_personality};
use mm_linux_calls::{Breach, Call, Program, Step};

/// What happens, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    /// A step.
    Step(usize),
    /// The check.
    Check,
}

/// Writes the statements of both processes.
pub struct Writer<'a> {
    program: &'a Program,
    results: &'a [i32],
    breach: Option<&'a Breach>,
    pub check: EmittedCheck,
    /// The events, each with its process.
    events: Vec<(u8, Event)>,
    /// For each process, what it has declared.
    declared: [Vec<Needs>; 2],
    /// The step whose allocations fail one after the other, in one run of the program each.
    tried: Option<usize>,
    /// The program runs more than once, each time in a process of its own.
    pub is_tried: bool,
    /// The statements of a call during which the next call begins.
    first: String,
}

impl<'a> Writer<'a> {
    pub fn new(program: &'a Program, results: &'a [i32], breach: Option<&'a Breach>) -> Self {
        let mut events = Vec::new();
        let mut both = false;
        let mut is_checked = false;
        for (at, step) in program.steps.iter().enumerate() {
            let is_void = match step.call {
                Call::Exit => step.process == 0,
                Call::Fork => both,
                _ => step.process == 1 && !both,
            };
            if is_void {
                continue;
            }
            both = both && step.call != Call::Exit || step.call == Call::Fork;
            events.push((step.process, Event::Step(at)));
            if breach.is_some_and(|breach| usize::from(breach.step) == at) {
                is_checked = true;
                break;
            }
        }
        let is_tried = breach.is_none_or(|breach| !waits_for_ever(program, breach));
        let mut made = events.iter().rev().filter_map(|(_, event)| match event {
            Event::Step(at) => Some(*at),
            Event::Check => None,
        });
        let tried = made.find(|at| is_tried && program.steps[*at].fail > 0);
        if let Some(breach) = breach {
            let process = if is_checked || both {
                breach.process
            } else {
                0
            };
            events.push((process, Event::Check));
        }
        Self {
            program,
            results,
            breach,
            check: breach.map_or_else(EmittedCheck::default, |breach| check(program, breach)),
            events,
            declared: [Vec::new(), Vec::new()],
            tried,
            is_tried: tried.is_some() || program.makes_two_at_once(),
            first: String::new(),
        }
    }

    /// Which allocation of a step fails. What the kernel has cached decides which number shows a
    /// bug, so the program tries all numbers for one of its steps.
    fn fails(&self, at: usize) -> Fails {
        match self.program.steps[at].fail {
            0 => Fails::Never,
            _ if self.tried == Some(at) => Fails::AtN,
            number => Fails::At(number),
        }
    }

    fn call(&self, number: usize) -> Option<&'a Call> {
        match self.events.get(number)?.1 {
            Event::Step(at) => Some(&self.program.steps[at].call),
            Event::Check => None,
        }
    }

    /// True if the process of an event must wait until the event before it has ended.
    fn waits(&self, number: usize) -> bool {
        number > 0
            && self.events[number - 1].0 != self.events[number].0
            && !matches!(self.call(number - 1), Some(Call::Fork))
    }

    fn takes_turns(&self) -> bool {
        (0..self.events.len())
            .any(|number| self.waits(number) && self.call(number - 1) != Some(&Call::Exit))
    }

    /// True if the second process is there at the end.
    fn stays(&self) -> bool {
        let mut calls = (0..self.events.len()).filter_map(|number| self.call(number));
        let last = calls.rfind(|call| matches!(call, Call::Fork | Call::Exit));
        last == Some(&Call::Fork)
    }

    /// The statement by which the second process stays for a while after its last step.
    fn rest(&self) -> String {
        let steps = self.program.steps.iter();
        let waits = |step: &&Step| matches!(step.call, Call::Ksm | Call::Khugepaged);
        match steps.filter(waits).count() {
            0 if self.is_tried => "usleep(100000), _exit(0);".to_owned(),
            count => format!("sleep({}), _exit(0);", 5 + 3 * count),
        }
    }

    fn declare(&mut self, text: &mut String, depth: usize, process: u8, needs: Option<Needs>) {
        let declared = &mut self.declared[usize::from(process)];
        if let Some(needs) = needs.filter(|needs| !declared.contains(needs)) {
            declared.push(needs);
            add(text, depth, &needs.declaration(self.program));
        }
    }

    /// The events of a process from `first` on.
    fn process(&mut self, text: &mut String, depth: usize, process: u8, first: usize) {
        for number in first..self.events.len() {
            let (whose, event) = self.events[number];
            if process == 1 && number > first && self.call(number) == Some(&Call::Fork) {
                // the next life of the second process
                break;
            }
            if whose != process {
                continue;
            }
            if self.waits(number) {
                if self.call(number - 1) == Some(&Call::Exit) {
                    add(text, depth, "wait(0);");
                } else {
                    add(text, depth, &format!("WAIT({number});"));
                }
            }
            match event {
                Event::Check => self.checked(text, depth, process),
                Event::Step(at) => self.step(text, depth, number, at),
            }
            let is_over = matches!(self.call(number), Some(Call::Exit)) || event == Event::Check;
            if is_over && process == 1 {
                return;
            }
            let hands_over = number + 1 < self.events.len() && self.waits(number + 1);
            if hands_over && self.call(number) != Some(&Call::Exit) {
                add(text, depth, &format!("*turn = {};", number + 1));
            }
        }
        if process == 1 {
            add(text, depth, &self.rest());
        }
    }

    fn step(&mut self, text: &mut String, depth: usize, number: usize, at: usize) {
        let step = &self.program.steps[at];
        let watched = self.breach.filter(|breach| usize::from(breach.step) == at);
        if step.fail > 0 && step.call != Call::Exit {
            self.declare(text, depth, step.process, Some(Needs::Failure));
        }
        match step.call {
            Call::Exit => return add(text, depth, "_exit(0);"),
            Call::Fork => return self.fork(text, depth, number, at),
            _ => {}
        }
        let instead = watched.and_then(|_| self.check.instead.clone());
        if let Some(instead) = instead.filter(|_| !step.beside) {
            self.declare(text, depth, step.process, needs(&step.call, false));
            self.declare(text, depth, step.process, self.check.needs);
            return add(text, depth, &instead);
        }
        let faulted = self.results.get(at).is_some_and(|result| *result < 0);
        self.declare(text, depth, step.process, needs(&step.call, faulted));
        let other = other(self.program, at);
        let made = statement(&step.call, at, faulted, other);
        let made = with_personality(self.program, &step.call, made);
        let made = failing(made, self.fails(at));
        if self.program.has_beside(at) {
            self.first = made;
        } else if step.beside {
            // if the first call is a fork, its statements have made this call, too
            let first = std::mem::take(&mut self.first);
            if !first.is_empty() {
                add(text, depth, &beside::start(at));
                add(text, depth, &first);
                add(text, depth, &beside::join(at));
            }
        } else {
            add(text, depth, &made);
        }
    }

    /// The fork, and the life of the second process.
    fn fork(&mut self, text: &mut String, depth: usize, number: usize, at: usize) {
        let step = &self.program.steps[at];
        let mut life = String::new();
        self.declared[1].clear();
        self.process(&mut life, depth + 1, 1, number + 1);
        if step.fail > 0 {
            add(text, depth, &self.fails(at).begin());
        }
        let is_first = self.program.has_beside(at);
        if is_first {
            add(text, depth, &beside::start(at + 1));
        }
        let is_short = life.lines().count() == 1;
        let writes = |step: &Step| {
            step.process == 0
                && matches!(
                    step.call,
                    Call::VmWrite(_) | Call::VmRead(_) | Call::FarRead(_)
                )
        };
        let fork = if self.program.steps[at..].iter().any(writes) {
            let declares = if text.contains("pid_t child") {
                ""
            } else {
                "pid_t "
            };
            add(text, depth, &format!("{declares}child = fork();"));
            "if (!child)"
        } else {
            "if (!fork())"
        };
        add(
            text,
            depth,
            &format!("{fork}{}", if is_short { "" } else { " {" }),
        );
        text.push_str(&life);
        if !is_short {
            add(text, depth, "}");
        }
        if step.fail > 0 {
            add(text, depth, "dprintf(fail, \"0\");");
        }
        if is_first {
            add(text, depth, &beside::join(at + 1));
        }
    }

    fn checked(&mut self, text: &mut String, depth: usize, process: u8) {
        let check = self.check.clone();
        if check.broken.is_empty() {
            return;
        }
        self.declare(text, depth, process, check.needs);
        let says = self.breach.map_or("", |breach| breach.kind.says());
        add(text, depth, &check.after);
        add(text, depth, &format!("int broken = {};", check.broken));
        let said = format!("puts(broken ? \"BROKEN: {says}\" : \"ok\")");
        let end = match (process, self.is_tried) {
            // the process that starts each run prints the line
            (0, true) => "return broken;".to_owned(),
            (_, true) => "exit(broken);".to_owned(),
            (0, false) => format!("return {said}, broken;"),
            (_, false) => format!("{said};\nexit(broken);"),
        };
        add(text, depth, &end);
    }

    /// The statements of the whole program.
    pub fn body(mut self, depth: usize) -> String {
        let mut text = String::new();
        let program = self.program;
        add(&mut text, depth, &setup(program));
        if self.takes_turns() {
            add(
                &mut text,
                depth,
                "volatile int *turn = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);",
            );
        }
        let before = self.check.before.clone();
        add(&mut text, depth, &before);
        self.process(&mut text, depth, 0, 0);
        let ends = match self.breach {
            Some(_) if self.events.last() == Some(&(0, Event::Check)) => {
                !self.check.broken.is_empty()
            }
            _ => false,
        };
        if !ends {
            let child_checks =
                self.events.last() == Some(&(1, Event::Check)) && !self.check.broken.is_empty();
            if child_checks {
                add(
                    &mut text,
                    depth,
                    "int broken;\nwait(&broken);\nreturn broken != 0;",
                );
            } else if self.stays() {
                add(&mut text, depth, "wait(0);");
            }
        }
        text
    }
}
