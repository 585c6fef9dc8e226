//! What the ledger promises of a memfd that changes its size, of a file that may be full, of secret
//! memory, and of what is in memory.

use crate::common::{apply, kind_of, ledger, map};
use mm_linux_calls::{
    AccessPromise, Advice, BreachKind, Call, FileKind, Ledger, MapKind, Performed, Program, Range,
    Resource, parse,
};

fn of(file: FileKind) -> Ledger {
    ledger(&Program {
        file,
        ..Program::default()
    })
}

/// The kind of the breach if a page of the memfd contains 7.
fn file_word(ledger: &Ledger, page: usize) -> Option<BreachKind> {
    kind_of(ledger.check_file_word(page, 7))
}

#[test]
fn what_a_memfd_gains_is_zero() {
    for gains in [
        Call::FileSize(4),
        Call::Allocate(Range::new(3, 1), false),
        Call::FileWrite(Range::new(3, 1)),
        Call::Truncate(Range::new(4, 1)),
    ] {
        let mut ledger = of(FileKind::Plain);
        map(&mut ledger, 0, 4, MapKind::SharedFile);
        apply(&mut ledger, Call::FileSize(1));
        // a write behind the end goes through if a huge page lies there, and is gone later
        assert_eq!(ledger.has_written(0, 2, 7, true, false), None);
        assert_eq!(file_word(&ledger, 2), None);
        apply(&mut ledger, gains);
        assert_eq!(
            file_word(&ledger, 2),
            Some(BreachKind::Contents),
            "{gains:?}"
        );
        // the mapping maps the page again
        assert_eq!(ledger.has_written(0, 2, 7, true, false), None);
        assert_eq!(file_word(&ledger, 2), None);
        assert_eq!(file_word(&ledger, 1), Some(BreachKind::Contents));
    }
}

#[test]
fn what_does_not_make_a_memfd_longer_says_nothing_of_its_end() {
    let mut ledger = of(FileKind::Plain);
    apply(&mut ledger, Call::FileSize(1));
    apply(&mut ledger, Call::Allocate(Range::new(3, 1), true));
    assert_eq!(file_word(&ledger, 2), None);
    // nor does a call that failed
    ledger.apply(0, &Call::FileWrite(Range::new(3, 1)), -28, 9, 0);
    apply(&mut ledger, Call::Allocate(Range::new(3, 1), false));
    assert_eq!(file_word(&ledger, 2), None);
    apply(&mut ledger, Call::Truncate(Range::new(2, 1)));
    assert_eq!(file_word(&ledger, 2), Some(BreachKind::Contents));
}

#[test]
fn a_write_to_a_page_of_which_nothing_is_claimed_may_change_the_memfd() {
    let mut ledger = of(FileKind::Plain);
    map(&mut ledger, 0, 2, MapKind::SharedFile);
    ledger.apply(0, &Call::Unmap(Range::new(0, 1)), -12, 9, 0);
    apply(&mut ledger, Call::FileWrite(Range::new(0, 2)));
    assert_eq!(file_word(&ledger, 0), Some(BreachKind::Contents));
    assert_eq!(ledger.has_written(0, 0, 7, true, false), None);
    assert_eq!(file_word(&ledger, 0), None);
}

#[test]
fn a_tmpfs_may_be_full() {
    for (file, promise) in [
        (FileKind::Plain, AccessPromise::Allowed),
        (FileKind::Anonymous, AccessPromise::Allowed),
        (FileKind::Tmpfs, AccessPromise::Either),
    ] {
        let mut ledger = of(file);
        map(&mut ledger, 0, 1, MapKind::SharedFile);
        map(&mut ledger, 1, 1, MapKind::Shared);
        assert_eq!(ledger.access(0, 0, true), promise);
        assert_eq!(ledger.access(0, 1, true), AccessPromise::Allowed);
    }
}

#[test]
fn secret_memory_is_given_to_nobody() {
    let mut ledger = of(FileKind::Plain);
    map(&mut ledger, 0, 1, MapKind::Shared);
    map(&mut ledger, 1, 1, MapKind::Secret);
    let both = Range::new(0, 2);
    assert_eq!(ledger.exposed(0, &Call::Pin(both), true), Some(1));
    assert_eq!(ledger.exposed(0, &Call::Pin(both), false), None);
    assert_eq!(ledger.exposed(0, &Call::Pin(Range::new(0, 1)), true), None);
    // it takes what it can
    assert_eq!(ledger.exposed(0, &Call::Splice(both), true), None);
    assert_eq!(ledger.exposed(0, &Call::Read(both), true), None);
    assert_eq!(ledger.access(0, 1, true), AccessPromise::Allowed);
    apply(&mut ledger, Call::Limit(Resource::Locked));
    assert_eq!(ledger.access(0, 1, true), AccessPromise::Either);
}

#[test]
fn mlock_may_fail_only_where_an_access_may() {
    let mut ledger = of(FileKind::Plain);
    map(&mut ledger, 0, 2, MapKind::Private);
    assert!(ledger.is_lockable(0, Range::new(0, 2)));
    assert!(!ledger.is_lockable(0, Range::new(0, 3)));
    apply(
        &mut ledger,
        Call::Advise(Range::new(1, 1), Advice::GuardInstall),
    );
    assert!(!ledger.is_lockable(0, Range::new(0, 2)));
    assert!(ledger.is_lockable(0, Range::new(0, 1)));
    apply(&mut ledger, Call::Limit(Resource::Locked));
    assert!(!ledger.is_lockable(0, Range::new(0, 1)));
}

#[test]
fn shared_hugetlb_keeps_what_was_written() {
    let mut ledger = of(FileKind::Plain);
    map(&mut ledger, 0, 512, MapKind::SharedHugetlb);
    map(&mut ledger, 512, 1, MapKind::Shared);
    for page in [0, 512] {
        assert!(!ledger.is_kept(0, page));
        assert_eq!(ledger.has_written(0, page, 7, true, false), None);
    }
    assert!(ledger.is_kept(0, 0));
    assert!(!ledger.is_kept(0, 512), "it may be swapped");
    apply(
        &mut ledger,
        Call::Advise(Range::new(0, 512), Advice::DontNeed),
    );
    assert!(ledger.is_kept(0, 0));
    apply(
        &mut ledger,
        Call::Advise(Range::new(0, 512), Advice::Remove),
    );
    assert!(!ledger.is_kept(0, 0));
}

#[test]
fn shmdt_unmaps_what_begins_there() {
    let mut ledger = of(FileKind::Plain);
    map(&mut ledger, 4, 2, MapKind::Shm);
    map(&mut ledger, 8, 1, MapKind::SharedFile);
    ledger.apply(0, &Call::Detach(Range::new(4, 1)), -22, 9, 0);
    assert_eq!(ledger.access(0, 4, true), AccessPromise::Either);
    map(&mut ledger, 4, 2, MapKind::Shm);
    apply(&mut ledger, Call::Detach(Range::new(4, 1)));
    assert_eq!(ledger.access(0, 4, true), AccessPromise::Faults);
    assert_eq!(ledger.access(0, 5, true), AccessPromise::Either);
    assert_eq!(ledger.access(0, 8, true), AccessPromise::Allowed);
}

#[test]
fn what_a_call_that_failed_may_have_changed_is_not_known() {
    const ENOMEM: i32 = -12;
    let page = Range::new(0, 1);
    for call in [Call::Punch(page), Call::DirectWrite(page)] {
        let mut ledger = of(FileKind::Ext4);
        assert_eq!(file_word(&ledger, 0), Some(BreachKind::Contents));
        ledger.apply(0, &call, ENOMEM, 9, 0);
        assert_eq!(file_word(&ledger, 0), None, "{call:?}");
        assert_eq!(file_word(&ledger, 1), Some(BreachKind::Contents));
    }
    // a direct read may have filled its first page, which is mapped anew before anything else
    let mut ledger = of(FileKind::Plain);
    map(&mut ledger, 0, 1, MapKind::SharedFile);
    let done = Performed {
        result: -5,
        pages: 0,
        accesses: Vec::new(),
    };
    let read = Call::DirectRead(Range::new(0, 2));
    assert_eq!(ledger.tell(0, &read, 9, &done, false), []);
    map(&mut ledger, 0, 1, MapKind::File);
    assert_eq!(ledger.has_read(0, 0, Some(7)), None);
}

#[test]
fn a_file_on_a_disk_keeps_its_contents_unless_a_sync_fails() {
    for (file, result, claimed) in [
        (FileKind::Ext4, 0, true),
        (FileKind::Ext4, -5, false),
        (FileKind::Plain, -5, true),
    ] {
        for call in [Call::DropCache, Call::Sync(Range::new(0, 1))] {
            let mut ledger = of(file);
            map(&mut ledger, 0, 1, MapKind::SharedFile);
            assert_eq!(ledger.has_written(0, 0, 5, true, false), None);
            ledger.apply(0, &call, result, 9, 0);
            let contents = Some(BreachKind::Contents);
            assert_eq!(file_word(&ledger, 0), contents.filter(|_| claimed));
            let read = kind_of(ledger.has_read(0, 0, Some(7)));
            assert_eq!(read, contents.filter(|_| claimed), "{file:?} {call:?}");
        }
    }
}

#[test]
fn a_program_that_does_without_whole_needs_no_such_kernel() {
    for text in [
        "ext4-file\nmmap p0 0 1 rw shared-file\n",
        "zswap\nmmap p0 0 1 rw\n",
        "mmap p0 0 1 rw\nreclaim p0\nwrite p0 0 1\n",
        "mmap p0 0 1 rw\ndirect-read p0 0 1\nwrite p0 0 1\n",
    ] {
        let mut program = parse(text).expect("a program");
        assert!(program.needs_whole(), "{text}");
        program.do_without_whole();
        assert!(!program.needs_whole(), "{program}");
        assert!(program.to_string().starts_with("mmap p0 0 1 rw"));
    }
    assert!(
        !parse("ext4-file\nmmap p0 0 1 rw\n")
            .expect("a program")
            .needs_whole()
    );
}

#[test]
fn a_direct_write_may_take_its_pages_from_a_pin_and_no_others() {
    let mut ledger = of(FileKind::Ext4);
    map(&mut ledger, 0, 2, MapKind::SharedFile);
    apply(&mut ledger, Call::FileWrite(Range::new(0, 2)));
    apply(&mut ledger, Call::PinRead(Range::new(0, 2)));
    apply(&mut ledger, Call::DirectWrite(Range::new(0, 1)));
    assert_eq!(ledger.pinned_word(0, 0), None);
    assert_eq!(ledger.pinned_word(0, 1), Some(Range::word(9, 1)));
}
