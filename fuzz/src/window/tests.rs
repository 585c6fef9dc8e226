use super::*;
use mm_core::{Current, Dmirror, Kernel, MmId, State, TaskId, VmFlags};

const GEOMETRIES: [Geometry; 2] = [Geometry::Tiny, Geometry::X86_64];

/// Both layouts of each geometry.
fn windows() -> impl Iterator<Item = Window> {
    let layouts = |geometry| {
        [
            Window::of_geometry(geometry),
            Window::with_huge_pages(geometry),
        ]
    };
    GEOMETRIES.into_iter().flat_map(layouts)
}

/// The digests of the corpus and the messages of findings depend on the place of the window.
#[test]
fn the_window_of_today_stays_where_it_is() {
    let [tiny, x86_64] = GEOMETRIES.map(Window::of_geometry);
    assert_eq!((tiny.all(), tiny.scale()), (48..80, 1));
    assert_eq!(
        (x86_64.all(), x86_64.scale()),
        ((1 << 27) - 16..(1 << 27) + 16, 1)
    );
    assert_eq!(Window::GUEST.start_byte(), 0x7f_ffff_0000);
}

#[test]
fn a_page_becomes_an_address_and_comes_back() {
    for window in windows() {
        let mut next = window.all().start;
        for (page, addr) in window.each() {
            assert_eq!((addr, window.page(addr)), (next, Some(page.into())));
            assert_eq!(window.byte(Addr::new(page)), addr * Window::PAGE_BYTES);
            next += window.scale();
            assert_eq!(window.page(next - 1), Some(page.into()), "{window:?}");
        }
        assert_eq!(next, window.all().end);
        assert_eq!(window.page(next), None);
        assert_eq!(window.page(window.all().start - 1), None);
        assert_eq!(window.page(0), None);
        assert_eq!(window.page(u64::MAX), None);
        assert_eq!(window.offset(window.all().start - window.scale()), -1);
    }
}

#[test]
fn the_end_of_the_window_ends_a_range() {
    for window in windows() {
        let all = window.all();
        let whole = window.range(Addr::MIN, Len::MAX);
        assert_eq!(whole, all);
        assert_eq!(window.range(Addr::new(30), Len::MAX).end, all.end);
        assert_eq!(
            window.range(Addr::new(4), Len::new(2)).end,
            window.addr(Addr::new(6))
        );
        let bytes = window.bytes(WINDOW_PAGES);
        assert_eq!(bytes, (all.end - all.start) * Window::PAGE_BYTES);
        assert_eq!(u64::from(window.count(WINDOW_PAGES)), all.end - all.start);
    }
}

/// For each table of the lowest level: its first address, and the number of entries in use.
fn leaf_tables(s: &State, mm: MmId, addrs: Range<u64>) -> Vec<(u64, usize)> {
    let span = s.geometry().span(0);
    let starts = addrs.step_by(span as usize);
    let used = |start: &u64| {
        let entry = |addr| s.tables().pte_offset(s.mm(mm).pgd, addr);
        let entries = (*start..*start + span).filter_map(entry);
        entries.filter(|at| !s.tables().get(*at).is_none()).count()
    };
    starts.map(|start| (start, used(&start))).collect()
}

/// Eight pages of a program fill one aligned huge page. As base pages, they fill one table of the
/// lowest level.
#[test]
fn two_huge_pages_lie_in_the_window_of_each_geometry() {
    for geometry in GEOMETRIES {
        let window = Window::with_huge_pages(geometry);
        let machine = geometry.machine();
        let huge = machine.span(0);
        let ranges = [0, 8].map(|page| window.range(Addr::new(page), Len::new(8)));
        for range in &ranges {
            assert_eq!(
                (range.start % huge, range.end),
                (0, range.start + huge),
                "{geometry}"
            );
        }
        let kernel = Kernel::new(machine, Box::new(Dmirror::new(machine.device_frames())));
        let ended = kernel.run(TaskId(0), async |cur: Current<'_>| {
            let mm = cur.mm_create().expect("memory");
            for range in ranges.clone() {
                let access = VmFlags::READ | VmFlags::WRITE;
                cur.mmap(mm, range.clone(), access).await.expect("memory");
                for addr in range {
                    cur.user_access(mm, addr, Some(addr)).await.expect("mapped");
                }
            }
            mm
        });
        let mm = ended.expect("one task alone never waits");
        let full = ranges.each_ref().map(|range| (range.start, huge as usize));
        let all = ranges[0].start..ranges[1].end;
        assert_eq!(leaf_tables(&kernel.state(), mm, all), full, "{geometry}");
    }
}

/// Huge pages lie on both sides of the boundary, and each has a page of the program at its start.
#[test]
fn the_layout_with_huge_pages_still_crosses_the_boundary() {
    for geometry in GEOMETRIES {
        let machine = geometry.machine();
        let boundary = machine.span(machine.levels() - 2);
        let window = Window::with_huge_pages(geometry);
        let huge_pages = window.all().step_by(machine.span(0) as usize);
        let pages: Vec<_> = huge_pages.map(|addr| window.page(addr)).collect();
        assert_eq!(pages, [Some(0), Some(8), Some(16), Some(24)], "{geometry}");
        assert_eq!(window.page(boundary), Some(16));
    }
}
