//! Callers of the core can pass its errors on: as an error number, or with `?` as a message.

use mm_core::{Advice, Current, Dmirror, Geometry, Kernel, Remap, TaskId, VmFlags, errno};
use std::collections::BTreeSet;
use std::error::Error;
use std::fs;
use std::path::Path;

const WRITABLE: VmFlags = VmFlags::READ.union(VmFlags::WRITE);

fn alone<T>(program: impl AsyncFnOnce(Current<'_>) -> T) -> T {
    let driver = Dmirror::new(Geometry::TINY.device_frames());
    let kernel = Kernel::new(Geometry::TINY, Box::new(driver));
    let ended = kernel.run(TaskId(0), program);
    ended.expect("one task alone never waits")
}

#[test]
fn an_error_has_the_number_that_linux_has() {
    alone(async |cur| {
        let mm = cur.mm_create().expect("memory");
        cur.mmap(mm, 0..4, WRITABLE).await.expect("memory");
        let overlaps = cur.mremap(mm, 0..4, 4, Remap::Fixed(2)).await;
        assert_eq!(overlaps.map_err(|e| e.errno()), Err(errno::EINVAL));
        let gap = cur.mprotect(mm, 2..6, VmFlags::READ).await;
        assert_eq!(gap.map_err(|e| e.errno()), Err(errno::ENOMEM));
        let unregistered = cur.uffd_writeprotect(mm, 0..1, true).await;
        assert_eq!(unregistered.map_err(|e| e.errno()), Err(errno::ENOENT));
        let beyond = cur.madvise_populate(mm, 0..6, false).await;
        assert_eq!(beyond.map_err(|e| e.errno()), Err(errno::ENOMEM));
        cur.mmap(mm, 8..9, VmFlags::READ).await.expect("memory");
        let denied = cur.madvise_populate(mm, 8..9, true).await;
        assert_eq!(denied.map_err(|e| e.errno()), Err(errno::EINVAL));
        let unmapped = cur.user_access(mm, 10, None).await;
        assert_eq!(unmapped.map_err(|e| e.errno()), Err(errno::EFAULT));
    });
}

#[test]
fn an_error_goes_up_as_a_sentence() {
    let said: Result<(), Box<dyn Error>> = alone(async |cur| {
        let mm = cur.mm_create()?;
        cur.mmap(mm, 0..4, WRITABLE).await?;
        cur.mlock(mm, 0..4).await?;
        cur.madvise(mm, 0..4, Advice::DontNeed).await?;
        Ok(())
    });
    let said = said.expect_err("the range is mlocked").to_string();
    assert!(said.contains("munlock"), "{said}");
}

/// The names of the public error types that the sources in a folder declare, and the names of the
/// types that have texts: `impl Error for NAME`, or a row of `errors!`, which adds error numbers.
fn errors_in(dir: &Path, declared: &mut BTreeSet<String>, told: &mut BTreeSet<String>) {
    let name = |text: &str| {
        let end = text.find(|c: char| !c.is_alphanumeric());
        text[..end.unwrap_or(text.len())].to_owned()
    };
    for entry in fs::read_dir(dir).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            errors_in(&path, declared, told);
            continue;
        }
        let source = fs::read_to_string(&path).expect("a source");
        for line in source.lines() {
            let kinds = ["pub enum ", "pub struct "];
            let item = kinds.iter().find_map(|kind| line.strip_prefix(kind));
            declared.extend(item.map(name).filter(|name| name.ends_with("Error")));
            told.extend(line.strip_prefix("impl Error for ").map(name));
        }
        let rows = source.split("\nerrors! {\n").nth(1).unwrap_or_default();
        let rows = rows.lines().filter_map(|line| line.strip_prefix("    "));
        told.extend(rows.filter(|row| row.ends_with(" {")).map(name));
    }
}

#[test]
fn every_public_error_has_a_text() {
    let (mut declared, mut told) = (BTreeSet::new(), BTreeSet::new());
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    errors_in(&src, &mut declared, &mut told);
    assert!(declared.len() >= 9, "{declared:?}");
    let without: Vec<_> = declared.difference(&told).collect();
    assert!(without.is_empty(), "implement Error for {without:?}");
}
