//! The model and a guest of the same kernel, for one program after the other.
//! `minimize --linux` runs each smaller program on both.

use super::accepted;
use super::compare;
use super::guest::{Death, Guest};
use super::image::Image;
use super::plan::{self, Refusal};
use super::schedule;
use crate::bugs::Bugs;
use mm_fuzz::exec::{Executor, Observer, Options};
use mm_fuzz::program::Program;

/// A model with the rules of a kernel, and the bugs that are known in it.
pub fn model(image: &Image, bugs: &Bugs) -> Executor {
    let mut executor = Executor::new(Options {
        unchecked: true,
        release: image.release(),
        ..Options::default()
    });
    bugs.set(&mut executor);
    executor
}

/// The kind of a finding in which the kernel died: the line that says why, without time stamp, CPU,
/// task, addresses and offsets.
pub fn kind_of_death(why: &str) -> String {
    let said = match why.strip_prefix('[') {
        Some(stamped) => stamped.split_once("] ").map_or(why, |(_, said)| said),
        None => why,
    };
    // 6.12: "WARNING: CPU: 0 PID: 63 at mm/memory.c:1"
    // 7.3: "WARNING: mm/memory.c:1 at f, CPU#0: init/63"
    let said = said.split(", CPU#").next().unwrap_or(said);
    let mut words = Vec::new();
    let mut all = said.split_whitespace();
    while let Some(word) = all.next() {
        match word {
            "CPU:" | "PID:" => drop(all.next()),
            _ => words.push(without_numbers(word)),
        }
    }
    format!("kernel: {}", words.join(" "))
}

/// Removes the offset in a function from a word, and replaces an address by "N".
fn without_numbers(word: &str) -> String {
    let word = word.split("+0x").next().unwrap_or(word);
    let digits = word.trim_end_matches([',', ':', '.']);
    let digits = digits.strip_prefix("0x").unwrap_or(digits);
    let is_address = digits.len() >= 12 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_address {
        "N".to_owned()
    } else {
        word.to_owned()
    }
}

/// The model and, once it is needed, a guest.
#[derive(Debug)]
pub struct Lab {
    image: Image,
    model: Executor,
    guest: Option<Guest>,
}

impl Lab {
    /// For programs on the kernel of `image`, with these bugs in the model.
    pub fn new(image: &Image, bugs: &Bugs) -> Self {
        Self {
            model: model(image, bugs),
            image: image.clone(),
            guest: None,
        }
    }

    /// The program with the page tables of the guest, if it preempts: a preemption names a point by
    /// its number, which depends on the tables.
    ///
    /// # Errors
    ///
    /// Why the guest cannot carry it out.
    pub fn on_guest(&mut self, program: &Program) -> Result<Program, Refusal> {
        plan::plan(1, program, &mut self.model)?;
        if program.preemptions.is_empty() {
            return Ok(program.clone());
        }
        schedule::on_x86_64(program, &mut self.model).ok_or(Refusal::Geometry)
    }

    /// Runs a program on both. Returns the kind of its finding, if it has one. A program that the
    /// guest cannot carry out has none.
    ///
    /// # Errors
    ///
    /// The guest does not come up.
    pub fn run(
        &mut self,
        program: &Program,
        watch: &mut dyn Observer,
    ) -> Result<Option<String>, Death> {
        let Ok(mut plan) = plan::plan_watched(1, program, &mut self.model, watch) else {
            return Ok(None);
        };
        plan.job.closely = true;
        let mut guest = match self.guest.take() {
            Some(guest) => guest,
            None => Guest::boot(&self.image)?,
        };
        let id = plan.job.id;
        match guest
            .send(&plan.job)
            .and_then(|()| guest.reply::<mm_linux_protocol::Reply>(id))
        {
            Ok(reply) => {
                self.guest = (!reply.stuck).then_some(guest);
                let all = compare::compare(&plan, &reply, accepted::ACCEPTED);
                let first = all.iter().find(|difference| difference.accepted.is_none());
                Ok(first.map(|first| first.what.clone()))
            }
            Err(error) => {
                let why = guest.death(&error).why;
                let kernel = self.image.kernel();
                let known = accepted::death(accepted::ACCEPTED, kernel, program, &why);
                Ok(known.is_none().then(|| kind_of_death(&why)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_death_is_told_by_what_the_kernel_says_and_where() {
        let said = [
            "[    3.141592] WARNING: mm/page_table_check.c:206 at __page_table_check_ptes_set+0x1a/0x50, CPU#0: init/63",
            "[   27.000001] WARNING: mm/page_table_check.c:206 at __page_table_check_ptes_set+0x1a/0x50, CPU#1: init/64",
        ];
        let kind = "kernel: WARNING: mm/page_table_check.c:206 at __page_table_check_ptes_set";
        assert_eq!(said.map(kind_of_death), [kind, kind]);
        let older = "[ 1.2] WARNING: CPU: 0 PID: 63 at mm/vma.c:91 vma_iter_store+0x1/0x2";
        let kind = "kernel: WARNING: at mm/vma.c:91 vma_iter_store";
        assert_eq!(kind_of_death(older), kind);
        let fault = "[ 1.2] BUG: unable to handle page fault for address: ffffea0000123456";
        let kind = "kernel: BUG: unable to handle page fault for address: N";
        assert_eq!(kind_of_death(fault), kind);
        assert_eq!(kind_of_death("the guest hangs"), "kernel: the guest hangs");
    }
}
