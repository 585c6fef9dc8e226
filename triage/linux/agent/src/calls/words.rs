//! Turns the errors that the kernel prints and survives into breaches.

use crate::words::Words;
use mm_linux_calls::{Breach, BreachKind, CallsJob, CallsReply, without_numbers};

/// Adds an error to a reply that has no breach.
pub fn add(words: &mut Words, job: &CallsJob, reply: &mut CallsReply) {
    let starved = job.program.steps.iter().any(|step| step.fail > 0);
    let Some(said) = words.error(starved).filter(|_| reply.breach.is_none()) else {
        return;
    };
    let kind = without_numbers(&said);
    if job
        .known
        .iter()
        .any(|(known, at)| *known == BreachKind::Alert && *at == kind)
    {
        reply.passed_over += 1;
        return;
    }
    reply.breach = Some(Breach {
        kind: BreachKind::Alert,
        step: job.program.steps.len() as u16,
        process: 0,
        page: 0,
        memory: 0,
        count: 1,
        got: 0,
        wanted: 0,
    });
    reply.said = said;
}
