use super::*;
use mm_fuzz::exec::{Options, Outcome};
use mm_linux_protocol::{Hint, Place, Stage, StopPoint};

fn of(text: &str) -> Result<Plan, Refusal> {
    let program: Program = text.parse().expect("a program");
    let mut executor = Executor::new(Options {
        unchecked: true,
        ..Options::default()
    });
    plan(1, &program, &mut executor)
}

#[test]
fn an_operation_that_waits_ends_after_what_it_waits_for() {
    let plan = of("mmap p0 0 1 rw\nwrite p0 0\nsetup p0 0 1 d0 to-dev\nread p0 0").expect("a plan");
    let behind = plan.job.plan.iter().skip_while(|a| **a != Action::Start(3));
    let behind: Vec<_> = behind.copied().collect();
    let run = Action::RunMigration(0);
    assert_eq!(
        behind,
        [Action::Start(3), run, run, Action::End(3), Action::Observe]
    );
    let hint = plan.job.hints.iter().find(|(step, _)| *step == 2);
    let slots = Hint {
        ok: true,
        open: 1,
        child: None,
    };
    assert_eq!(hint, Some(&(2, slots)));
}

#[test]
fn nothing_is_looked_at_while_an_operation_could_run() {
    let text = "threads 2\nmmap p0 0 1 rw\nwrite p0 0\nsetup p0 0 1 d0 to-dev\nt1: read p0 0\n\
                pages m0\nfinalize m0\nread p0 0";
    let plan = of(text).expect("a plan").job.plan;
    let behind = |end| {
        plan[plan
            .iter()
            .position(|a| *a == Action::End(end))
            .expect("an end")
            + 1]
    };
    assert_eq!(behind(4), Action::Observe, "the reader waits");
    assert_eq!(behind(5), Action::End(3), "the reader was woken");
}

#[test]
fn a_preemption_is_a_stop_at_a_place_of_the_kernel() {
    let text = "threads 2\npreempt 0 t1\nmmap p0 0 1 rw\nwrite p0 0\nt1: write p0 0";
    let job = of(text).expect("a plan").job;
    let behind = job.plan.iter().skip_while(|a| **a != Action::Start(1));
    let behind: Vec<_> = behind.copied().collect();
    let (stopped, other) = (Action::Stopped(1), [Action::Start(2), Action::End(2)]);
    let end = [Action::GoOn(1), Action::End(1), Action::Observe];
    let plan = [&[Action::Start(1), stopped][..], &other, &end].concat();
    assert_eq!(behind, plan, "nothing is looked at while it is stopped");
    let stages = vec![Stage::new(&[Place::PrepareLock], 1)];
    assert_eq!(job.stops, [(1, vec![StopPoint { stages }])]);
    // If a preemption names the thread that runs, that thread goes on, and nothing stops.
    let own = text.replace("0 t1\n", "0 t0\n");
    assert_eq!(of(&own).expect("a plan").job.stops, []);
}

/// A change of protection is announced to drivers only where there are page tables.
#[test]
fn a_change_without_page_tables_is_announced_to_nobody() {
    let text = "threads 2\npreempt 0 t1\nmmap p0 0 1 r\nmprotect p0 0 1 none\nt1: read p0 0";
    assert!(matches!(of(text), Err(Refusal::Place(site, _)) if site == "notifier_start"));
    // point 0 is that of the read, which maps the zero page
    let text = "threads 2\npreempt 1 t1\nmmap p0 0 1 r\nread p0 0\nmprotect p0 0 1 none\n\
                t1: read p0 0";
    let stages = vec![Stage::new(&[Place::Invalidated], 2)];
    assert_eq!(
        of(text).expect("a plan").job.stops,
        [(2, vec![StopPoint { stages }])]
    );
}

/// A thread that retries a fault would run until it waits, which is never.
#[test]
fn nobody_is_stopped_beside_a_fault_that_is_retried() {
    let text = |preempted| {
        format!(
            "threads 2\n{preempted}mmap p0 0 2 rw\nwrite p0 0\nmigrate p0 0 1 d0\nhold p0 0\n\
             write p0 1\nwrite p0 0"
        )
    };
    of(&text("")).expect("the reference is dropped in time");
    assert_eq!(
        of(&text("preempt 0 t1\n")).expect_err("it retries"),
        Refusal::Retries
    );
}

/// mmap is woken when the first access drops `mmap_lock`, and Linux runs it before the second.
#[test]
fn nothing_starts_beside_an_operation_that_was_woken() {
    let woken = "threads 2\nmmap p0 0 1 r\nmigrate p0 0 1 d0\nhold p0 0\nget p0 0 r\nread p0 0\n\
                 t1: mmap p0 0 1 r";
    assert_eq!(of(woken).expect_err("woken"), Refusal::Order);
}

#[test]
fn a_stale_tlb_entry_is_of_no_use_in_the_guest() {
    let stale = "geometry x86-64\nthreads 2\npreempt 3 t0\nmmap p0 0 1 r\nread p0 0\n\
                 t1: mmap p0 0 1 none\nread p0 0";
    assert_eq!(of(stale).expect_err("it reads"), Refusal::StaleTranslation);
}

#[test]
fn two_forks_do_not_compete_for_the_last_process() {
    let forks = "fork p0\n".repeat(6);
    let text = |last| {
        format!("threads 2\n{forks}mmap p0 0 1 r\nsetup p0 0 1 d0 to-dev\nfork p0\nt1: {last}")
    };
    assert_eq!(
        of(&text("fork p1")).expect_err("one is too many"),
        Refusal::NoProcess
    );
    of(&text("read p1 0")).expect("one fits");
}

/// The kernel looks for a page table before it calls the function in which a walk can be stopped.
#[test]
fn a_walk_does_not_see_a_page_table_that_is_made_while_it_is_stopped() {
    let stopped = |before: &str, at: &str| {
        of(&format!(
            "threads 2\npreempt {at} t1\nmmap p0 0 1 rw\n{before}migrate p0 0 1 d0\nt1: write p0 0"
        ))
    };
    let in_a_hole = stopped("", "1");
    assert!(matches!(in_a_hole, Err(Refusal::Place(site, _)) if site == "migrate_vma_collect"));
    let stops = stopped("read p0 0\n", "2")
        .expect("the table is there")
        .job
        .stops;
    let stages = vec![Stage::new(&[Place::CollectTable, Place::CollectHole], 1)];
    assert_eq!(stops, [(2, vec![StopPoint { stages }])]);
}

#[test]
fn failures_are_planned_for_the_operation_that_meets_them() {
    let planned = |text: &str, step| {
        let plan = of(text).expect("a plan").job.plan;
        let start = plan.iter().position(|a| *a == Action::Start(step));
        plan[start.expect("a start") - 1]
    };
    let text = "mmap p0 0 2 rw\nwrite p0 0\nfail device-page 2\nmigrate p0 0 2 d0";
    assert_eq!(planned(text, 3), Action::Fail([0, 0, 0, 0, 0, 2, 0, 0]));
    let text =
        "geometry x86-64\nmmap p0 0 2 rw\nfail avc 2\nfail page-table 3\nwrite p0 0\nfork p0";
    assert_eq!(planned(text, 3), Action::Fail([0, 3, 0, 0, 0, 0, 0, 0]));
    assert_eq!(planned(text, 4), Action::Fail([0, 0, 0, 0, 1, 0, 0, 0]));
    let tiny = "mmap p0 0 2 rw\nfail page-table 2\nwrite p0 0";
    assert_eq!(planned(tiny, 2), Action::Fail([0, 2, 0, 0, 0, 0, 0, 0]));
    let frames = of(tiny).expect("a plan").job.device_frames;
    assert_eq!(frames, 0, "the tables are those of x86-64");
}

#[test]
fn what_nothing_outside_the_kernel_can_do_is_refused() {
    let preempted =
        "threads 2\npreempt 2 t1\nmmap p0 0 1 rw\nwrite p0 0\nget-fast p0 0 r\nt1: read p0 0";
    assert!(matches!(of(preempted), Err(Refusal::Place(site, _)) if site == "gup_fast"));
    let busy =
        "threads 2\nmmap p0 0 1 rw\nwrite p0 0\nsetup p0 0 1 d0 to-dev\nread p0 0\nt1: exit p0";
    assert_eq!(of(busy).expect_err("busy"), Refusal::ExitWhileBusy);
    let stays = "mmap p0 0 1 rw\nmlock p0 0 1 on\nmigrate p0 0 1 d0\nread p0 1";
    of(stays).expect("it stays on the device");
    let late =
        "mmap p0 0 2 rw\nwrite p0 0\nwrite p0 1\nmlock p0 0 1 on\nmigrate p0 0 2 d0\nmunmap p0 0 2";
    assert_eq!(of(late).expect_err("freed late"), Refusal::LockedDevicePage);
    let areas = "mmap p0 0 2 rw\nwrite p0 0\nwrite p0 1\nmprotect p0 1 1 r\nsetup p0 0 2 d0 to-dev\nread p0 0";
    assert_eq!(of(areas).expect_err("two areas"), Refusal::Order);
    let beside = "mmap p0 0 1 rw\nsetup p0 0 1 d0 to-dev\nfail avc 1\nmunmap p0 0 1";
    assert_eq!(of(beside).expect_err("beside"), Refusal::FailureAside);
    let armed_meanwhile =
        "threads 2\nmmap p0 0 1 r\nsetup p0 0 1 d0 to-dev\nfork p0\nt1: fail vma 1";
    assert_eq!(
        of(armed_meanwhile).expect_err("armed meanwhile"),
        Refusal::FailureAside
    );
    // At the last points at which the release holds the lock of the anon_vma, the fork waits.
    let waits_first = |point: usize| {
        let text = format!(
            "geometry x86-64\nthreads 2\npreempt {point} t1\nmmap p0 0 4 r\nmigrate p0 0 4 d0\n\
             fail anon-vma 1\nrelease d0\nt1: fork p0"
        );
        of(&text).err()
    };
    assert!((25..60).any(|point| waits_first(point) == Some(Refusal::FailureAside)));
    let overtaking =
        "threads 2\nmmap p0 0 1 rw\nsetup p0 0 1 d0 to-dev\nmunmap p0 0 1\nt1: read p0 0";
    assert_eq!(
        of(overtaking).expect_err("overtaking"),
        Refusal::QueuedWriter
    );
}

#[test]
fn a_reader_that_passes_a_waiting_writer_of_an_anon_vma_is_refused() {
    // The fault takes the lock of the anon_vma twice. In between, the fork of another process gets
    // it on Linux.
    let refusal = |point: usize| {
        let text = format!(
            "threads 2\npreempt {point} t1\nmmap p0 0 1 rw\nwrite p0 0\nmigrate p0 0 1 d0\nfork p0\n\
             read p0 0\nt1: fork p1"
        );
        of(&text).err()
    };
    let refusals: Vec<_> = (0..80).filter_map(refusal).collect();
    assert!(refusals.contains(&Refusal::QueuedWriter), "{refusals:?}");
}

#[test]
fn references_to_parts_of_a_shared_huge_page_are_refused() {
    let refused = |text: &str| matches!(of(text), Err(Refusal::HugePages(_)));
    let huge = "thp always\nmmap p0 0 8 rw\nwrite p0 0";
    assert!(!refused(&format!("{huge}\npin p0 0 r\nget p0 1 w")));
    assert!(!refused(&format!("{huge}\nfork p0\nread p0 0\nget p0 0 r")));
    assert!(refused(&format!("{huge}\nfork p0\npin p0 0 r")));
    assert!(refused(&format!("{huge}\nfork p0\nget p1 3 w")));
    let small = "mmap p0 0 8 rw\nwrite p0 0";
    assert!(!refused(&format!("{small}\nfork p0\npin p0 0 r")));
}

#[test]
fn what_handles_a_part_of_a_unit_is_refused() {
    let refused = |text: &str| matches!(of(text), Err(Refusal::HugePages(_)));
    let moving = "mmap p0 0 8 rw\nwrite p0 0\nsetup p0 0 1 d0 to-dev";
    assert!(refused(&format!("thp always\n{moving}\ncollapse p0 0 8")));
    assert!(!refused(&format!("{moving}\ncollapse p0 0 8")));
    assert!(!refused(&format!("thp always\n{moving}\nread p0 0")));
    let protected = "mmap p0 0 1 rw\nwrite p0 0\nuffd-register p0 0 1\nuffd-wp p0 0 1 on\nfork p0";
    for call in [
        "mlock p0 0 1 on",
        "populate p0 0 1 w",
        "exclusive d0 p0 0 1",
    ] {
        let swapped = format!("{protected}\nreclaim p0 0\n{call}");
        assert!(refused(&format!("thp madvise\n{swapped}")), "{call}");
        assert!(!refused(&swapped), "{call}");
        let present = format!("thp madvise\n{protected}\n{call}");
        assert!(!refused(&present), "{call}");
    }
    let swapped = "mmap p0 0 1 rw\nwrite p0 0\nreclaim p0 0";
    let shared = format!("thp madvise\n{swapped}\nfork p0\nexit p0\nmlock p1 0 1 on");
    assert!(refused(&shared));
    assert!(!refused(&format!(
        "thp madvise\n{swapped}\nmlock p0 0 1 on"
    )));
}

#[test]
fn a_device_page_of_a_locked_area_is_freed_in_order() {
    for last in ["munmap p0 0 2", "exit p0", "mmap p0 0 2 rw", "read p0 0"] {
        let text = "mmap p0 0 2 rw\nwrite p0 0\nwrite p0 1\nmlock p0 0 2 on\nmigrate p0 0 2 d0";
        of(&format!("{text}\n{last}")).expect(last);
    }
    // The page of the mlocked VMA goes last.
    of("mmap p0 0 2 rw\nwrite p0 0\nwrite p0 1\nmlock p0 1 1 on\nmigrate p0 0 2 d0\nmunmap p0 0 2")
        .expect("a plan");
    // A fork takes no page away.
    of("mmap p0 0 1 rw\nwrite p0 0\nmlock p0 0 1 on\nmigrate p0 0 1 d0\nfork p0").expect("a plan");
}

#[test]
fn a_migration_that_an_operation_waits_for_goes_on_behind_who_was_let_go() {
    let behind = |text: &str, step| {
        let plan = of(text).expect("a plan").job.plan;
        let start = plan.iter().position(|a| *a == Action::Start(step));
        plan[start.expect("a start")..].to_vec()
    };
    let run = Action::RunMigration(0);
    let (locks, end) = (Action::ReleaseLocks, [Action::End(4), Action::Observe]);
    // Nobody waits for the folio that is unlocked.
    let writer = "mmap p0 0 2 rw\nwrite p0 0\nlock p0 0\nsetup p0 1 1 d0 to-dev\nmunmap p0 0 2";
    let plan = [&[Action::Start(4), locks, run, run][..], &end].concat();
    assert_eq!(behind(writer, 4), plan);
    // An allocation of the migration fails, in the model as in Linux.
    let fails =
        "mmap p0 0 1 rw\nwrite p0 0\nsetup p0 0 1 d0 to-dev\nfail device-page 1\nmunmap p0 0 1";
    let plan = [&[Action::Start(4), run, run][..], &end].concat();
    assert_eq!(behind(fails, 4), plan);
}

#[test]
fn a_device_that_runs_out_of_memory_is_told_so_since_7_3() {
    use mm_core::KernelVersion;
    let seen = |release: KernelVersion| {
        let program = "mmap p0 0 1 rw\nfail page 1\ndev-write d0 p0 0";
        let mut executor = Executor::new(Options {
            unchecked: true,
            release,
            ..Options::default()
        });
        let plan = plan(1, &program.parse().expect("a program"), &mut executor);
        let expected = plan.expect("a plan").expected;
        let last = expected
            .into_iter()
            .rev()
            .find_map(|expected| match expected {
                Expected::End(_, outcome) => Some(outcome),
                Expected::Seen(..) => None,
            });
        last.expect("an end")
    };
    let all = KernelVersion::ALL.map(seen);
    assert_eq!(all, [Outcome::Segv, Outcome::Segv, Outcome::Enomem]);
}

#[cfg(feature = "zoo")]
#[test]
fn a_page_that_munlock_misses_on_a_device_stays_mlocked() {
    let bugs = crate::bugs::Bugs::parse("latent-munlock-nonpresent").expect("a bug");
    let mut executor = Executor::new(Options {
        unchecked: true,
        ..Options::default()
    });
    bugs.set(&mut executor);
    let mut left = |text: &str| {
        let program = text.parse().expect("a program");
        let planned = plan(1, &program, &mut executor);
        planned.expect("a plan").stay_mlocked
    };
    let locked = "mmap p0 0 1 rw\nmlock p0 0 1 on\nmigrate p0 0 1 d0";
    assert_eq!(left(locked), 0, "the end of the process munlocks it");
    let missed = format!("{locked}\nmlock p0 0 1 off");
    assert_eq!(left(&missed), 1);
    assert_eq!(left(&format!("{missed}\nmunmap p0 0 1")), 1);
    let again = "read p0 0\nmlock p0 0 1 on\nmigrate p0 0 1 d1\nmlock p0 0 1 off\nread p0 0";
    assert_eq!(left(&format!("{missed}\n{again}")), 2);
    let home = format!("{locked}\nread p0 0\nmlock p0 0 1 off");
    assert_eq!(left(&home), 0, "munlock sees a page of system memory");
}
