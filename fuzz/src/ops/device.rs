//! Operations of a driver: eviction, release, snapshots, exclusive access.

use super::bench::{OpResult, Running, dev};
use super::outcome::{self, Outcome};
use super::world::Process;
use crate::call::{self, Invocation, Ioctl, Pages, RangeResult};
use crate::contract::Contract;
use crate::oracle::contents;
use crate::oracle::{At, Check};
use crate::program::{self, Op, OpKind};
use crate::reference::AccessEnd;
use crate::shown::Shown;
use mm_core::{DevId, FaultError, Folio, PageFlags, Pfn, State};
use std::ops::Range;

fn call(op: Op) -> Invocation {
    match op {
        Op::Evict { dev, first, len } => {
            Invocation::Evict(Ioctl::Evict, dev, [first.get(), len.get()])
        }
        Op::Release { dev } => Invocation::Evict(Ioctl::Release, dev, [0, 0]),
        Op::Snapshot { dev, addr, len, .. } => Invocation::Snapshot(dev, Pages::of(addr, len)),
        Op::Exclusive { dev, addr, len, .. } => Invocation::Range(call::RangeCall {
            dev: dev.get(),
            ..call::RangeCall::new(
                Ioctl::Exclusive,
                Pages::of(addr, len),
                RangeResult::Exclusive,
            )
        }),
        _ => Invocation::Outside,
    }
}

pub(super) const EVICT: Contract = Contract::of(OpKind::Evict, call);

pub(super) const RELEASE: Contract = Contract::of(OpKind::Release, call);

pub(super) const SNAPSHOT: Contract = Contract::of(OpKind::Snapshot, call);

pub(super) const EXCLUSIVE: Contract = Contract {
    dirties_folios: true,
    ..Contract::of(OpKind::Exclusive, call)
};

pub(super) async fn evict(
    on: Running<'_, '_>,
    of: program::Dev,
    first: program::Addr,
    len: program::Len,
) -> OpResult {
    let first = u32::from(first.get());
    let limit = on.bench.kernel.state().geometry().device_frames();
    let frames = first..(first + u32::from(len.get())).min(limit);
    let wanted = movable(&on.bench.kernel.state(), dev(of), frames.clone());
    let moved = mm_core::dmirror::evict(on.cur(), dev(of), frames).await;
    if on.failed_allocations() == 0 {
        on.frees(wanted);
    }
    Ok(Outcome::Moved(moved))
}

/// The folios in a range of device frames that an eviction must move: those that lie in the range
/// as a whole, that are not locked, and that only their mappings hold.
fn movable(s: &State, dev: DevId, frames: Range<u32>) -> Vec<Folio> {
    let folios = frames.clone().map(|frame| {
        let page = Pfn::new(u32::from(dev.0) + 1, frame);
        (frame, page, s.folio(page))
    });
    let heads = folios.filter(|(_, page, folio)| folio.head() == *page);
    let whole = heads.filter(|(frame, _, folio)| {
        let head = s.head(*folio);
        let free = head.refcount == 0 || head.has(PageFlags::LOCKED);
        let held = head.refcount != head.folio_mapcount();
        !free && !held && frame + (1 << head.order) <= frames.end
    });
    whole.map(|(_, _, folio)| folio).collect()
}

/// An eviction moves all folios that it can move. The oracles of slices run before this check,
/// because the finding of such an oracle says better what went wrong.
pub fn check_evicted(at: At, s: &State, wanted: &[Folio]) -> Check {
    let left = wanted
        .iter()
        .find(|folio| !s.head(**folio).has(PageFlags::FREE));
    match left {
        None => Ok(()),
        Some(folio) => {
            let detail = format!("{folio:?} is still on the device, though nobody holds it");
            contents::check_outcome(at, detail)
        }
    }
}

pub(super) async fn release(on: Running<'_, '_>, of: program::Dev) -> OpResult {
    Ok(Outcome::Moved(
        mm_core::dmirror::release(on.cur(), dev(of)).await,
    ))
}

pub(super) async fn run(on: Running<'_, '_>, process: Process, op: Op) -> OpResult {
    match op {
        Op::Snapshot {
            dev: of, addr, len, ..
        } => snapshot(on, process, dev(of), on.range(addr, len)).await,
        Op::Exclusive {
            dev: of, addr, len, ..
        } => exclusive(on, process, dev(of), on.range(addr, len)).await,
        _ => Ok(Outcome::Nothing),
    }
}

async fn snapshot(
    on: Running<'_, '_>,
    process: Process,
    dev: DevId,
    range: Range<u64>,
) -> OpResult {
    let cur = on.cur();
    let seen = mm_core::dmirror::snapshot(cur, dev, process.mm, range.clone()).await;
    let shown = seen.iter().map(|pfn| Shown::Snapshot(dev, *pfn));
    on.shown(process, range, shown)?;
    let seen = seen.iter().map(|pfn| outcome::seen(*pfn).into());
    Ok(Outcome::seen(seen))
}

/// Gives a device exclusive access to pages, which the process must be allowed to write to.
async fn exclusive(
    on: Running<'_, '_>,
    process: Process,
    dev: DevId,
    range: Range<u64>,
) -> OpResult {
    let made = mm_core::dmirror::exclusive(on.cur(), dev, process.mm, range).await;
    let (pages, Err((addr, fault))) = made else {
        return Ok(Outcome::Exclusive(made.0));
    };
    let (access, outcome) = match fault {
        FaultError::UffdWp => (AccessEnd::WriteProtected, Outcome::WriteProtected),
        FaultError::Sigsegv => (AccessEnd::Denied, Outcome::Segv),
        fault => (AccessEnd::Denied, on.fault_failed(fault)?),
    };
    if fault != FaultError::Oom {
        on.accessed(process, addr, Some(0), access)?;
    }
    Ok(match pages {
        0 => outcome,
        pages => Outcome::Exclusive(pages),
    })
}
