//! The window: the pages that a program can name, and their addresses.
//!
//! No other module turns a page of a program into an address of the model or of the guest, or back.
//! The exception is emitted C, which has to do it when it runs: `at(page)` in
//! `triage/src/emit/runtime.c`, and the macro `at` in `triage/src/emit/stock/write.rs`. Their
//! numbers come from here, and a test in `triage/src/emit/c.rs` compares each page with
//! [`Window::byte`].
//!
//! There are two layouts. In both, half of the window lies on each side of a boundary of the
//! second-highest tables, so a program crosses a boundary of every kind of table.
//!
//! - [`Window::of_geometry`], the layout of all programs in the model, and of programs with
//!   `thp never` in the guest. A page of the program is one page of the machine. In the tiny
//!   geometry, four huge pages fit in the window. With the tables of x86-64, the window is a
//!   sixteenth of a huge page, so no fault can map one. The digests of the corpus depend on this
//!   layout.
//! - [`Window::with_huge_pages`], the layout of programs with `thp always` or `thp madvise` in the
//!   guest. Eight pages of the program fill a huge page, so four fit in each geometry. In the tiny
//!   geometry both layouts are the same. With the tables of x86-64, a page of the program stands
//!   for 64 pages.
//!
//! The guest has the tables of x86-64, whatever the geometry of the program. So in the second
//! layout a program for the tiny model names the same parts of the same huge pages in the guest.

use crate::limits::WINDOW_PAGES;
use crate::program::{Addr, Geometry, Len, Program, Thp};
use std::ops::Range;

/// Pages of the window, cut off at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pages {
    /// The first one.
    pub first: Addr,
    /// The number of pages.
    pub count: u32,
}

impl Pages {
    /// The pages of a range, cut off at the end of the window.
    pub fn of(first: Addr, len: Len) -> Self {
        let room = WINDOW_PAGES - u32::from(first.get());
        let count = u32::from(len.get()).min(room);
        Self { first, count }
    }

    /// One page.
    pub fn one(first: Addr) -> Self {
        Self { first, count: 1 }
    }
}

/// Where the pages of a program lie in an address space.
///
/// An address counts pages, as everywhere in the core. The functions that speak of bytes are for
/// the guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The address of the first page.
    first: u64,
    /// log2 of the number of pages that a page of the program stands for.
    scale_bits: u32,
}

impl Window {
    /// Bytes of a page of the guest.
    pub const PAGE_BYTES: u64 = 4096;

    /// The window of every process of the guest if the program has `thp never`, whatever its
    /// geometry. The address is that of an x86-64 program; a program cannot see it.
    pub const GUEST: Self = Self::of_geometry(Geometry::X86_64);

    /// The window of every process of the guest if the program has huge pages.
    pub const GUEST_HUGE: Self = Self::with_huge_pages(Geometry::X86_64);

    /// Pages of a program that fill a huge page, in the layout with huge pages.
    pub const HUGE_PAGE: u32 = 8;

    /// The window of a program.
    pub const fn of(program: &Program) -> Self {
        Self::of_geometry(program.geometry)
    }

    /// The window of a program in the guest.
    pub fn in_guest(program: &Program) -> Self {
        match program.thp {
            Thp::Never => Self::GUEST,
            _ => Self::GUEST_HUGE,
        }
    }

    /// The window in which a page of the program is one page of the machine.
    pub const fn of_geometry(geometry: Geometry) -> Self {
        Self::laid(geometry, 0)
    }

    /// The window in which [`HUGE_PAGE`](Self::HUGE_PAGE) pages of the program fill a huge page. It
    /// starts at the start of a huge page.
    pub const fn with_huge_pages(geometry: Geometry) -> Self {
        let huge = geometry.machine().table_bits();
        Self::laid(geometry, huge.saturating_sub(Self::HUGE_PAGE.ilog2()))
    }

    const fn laid(geometry: Geometry, scale_bits: u32) -> Self {
        let machine = geometry.machine();
        let boundary = machine.span(machine.levels() - 2);
        Self {
            first: boundary - ((WINDOW_PAGES as u64 / 2) << scale_bits),
            scale_bits,
        }
    }

    /// The number of pages that a page of the program stands for.
    pub const fn scale(self) -> u64 {
        1 << self.scale_bits
    }

    /// The address of a page of the program. If that page stands for several pages, this is the
    /// address of the first.
    pub fn addr(self, addr: Addr) -> u64 {
        self.first + (u64::from(addr.get()) << self.scale_bits)
    }

    /// The addresses of a range, cut off at the end of the window.
    pub fn range(self, addr: Addr, len: Len) -> Range<u64> {
        self.pages(Pages::of(addr, len))
    }

    /// The addresses of some pages.
    pub fn pages(self, pages: Pages) -> Range<u64> {
        let first = self.addr(pages.first);
        first..first + u64::from(self.count(pages.count))
    }

    /// The number of pages that `pages` of the program stand for.
    pub const fn count(self, pages: u32) -> u32 {
        pages << self.scale_bits
    }

    /// All addresses of the window.
    pub const fn all(self) -> Range<u64> {
        self.first..self.first + ((WINDOW_PAGES as u64) << self.scale_bits)
    }

    /// Each page, with its address.
    pub fn each(self) -> impl Iterator<Item = (u8, u64)> {
        (0..WINDOW_PAGES as u8).map(move |page| (page, self.addr(Addr::new(page))))
    }

    /// The page of the program that an address belongs to; `None` outside the window.
    pub const fn page(self, addr: u64) -> Option<u32> {
        match self.offset(addr) {
            page @ 0.. if page < WINDOW_PAGES as i64 => Some(page as u32),
            _ => None,
        }
    }

    /// How many pages of the program lie between the start of the window and an address, which may
    /// be anywhere.
    pub const fn offset(self, addr: u64) -> i64 {
        (addr.wrapping_sub(self.first) as i64) >> self.scale_bits
    }

    /// The address of the first byte of a page.
    pub fn byte(self, addr: Addr) -> u64 {
        self.addr(addr) * Self::PAGE_BYTES
    }

    /// The address of the first byte of the window.
    pub const fn start_byte(self) -> u64 {
        self.first * Self::PAGE_BYTES
    }

    /// The size of `pages` pages of the program, in bytes.
    pub const fn bytes(self, pages: u32) -> u64 {
        (pages as u64 * Self::PAGE_BYTES) << self.scale_bits
    }
}

#[cfg(test)]
mod tests;
