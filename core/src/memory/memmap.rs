//! The array of struct pages, with one section for each memory.
//!
//! Corresponds to `mm/sparse.c`, `mm/memremap.c`.

use crate::geometry::Geometry;
use crate::identity::Identity;
use crate::ids::Pfn;
use crate::limits::DEVICES;
use crate::page::Page;
use alloc::vec::Vec;
use core::hash::Hash;

#[derive(Debug, Default)]
struct Section {
    capacity: usize,
    /// Struct pages up to the highest one used since the last reset; pristine ones may follow.
    pages: Vec<Page>,
    high: usize,
}

/// All struct pages, and the list of those that changed.
#[derive(Debug)]
pub struct Memmap {
    sections: [Section; 1 + DEVICES],
    touched: Vec<Pfn>,
    /// Writes outside the map go here. Reads outside it see `Page::BLANK`.
    nowhere: Page,
    wild: Option<Pfn>,
}

impl Memmap {
    pub(crate) fn new(geometry: &Geometry) -> Self {
        let section = |capacity| Section {
            capacity: capacity as usize,
            ..Section::default()
        };
        let mut map = Self {
            sections: core::array::from_fn(|zone| {
                section(if zone == 0 {
                    geometry.system_frames()
                } else {
                    geometry.device_frames()
                })
            }),
            touched: Vec::new(),
            nowhere: Page::default(),
            wild: None,
        };
        map.init_zero_page();
        map
    }

    fn init_zero_page(&mut self) {
        self.page_mut(Pfn::ZERO).refcount = 1;
    }

    /// The struct page of `pfn`; a blank one if there is none.
    #[inline]
    pub fn page(&self, pfn: Pfn) -> &Page {
        const BLANK: &Page = &Page::BLANK;
        let section = self.sections.get(pfn.zone());
        section
            .and_then(|s| s.pages.get(pfn.index()))
            .unwrap_or(BLANK)
    }

    /// The struct page of `pfn`, mutable. If `pfn` is outside the map, it is recorded as wild, and
    /// the write goes to a page that belongs to nobody.
    #[inline]
    pub(crate) fn page_mut(&mut self, pfn: Pfn) -> &mut Page {
        let section = self.sections.get(pfn.zone());
        // above `high`, every `touched` is false, so the bound need not be checked
        let touched = section.and_then(|s| s.pages.get(pfn.index()));
        if touched.is_some_and(|page| page.touched) {
            return &mut self.sections[pfn.zone()].pages[pfn.index()];
        }
        self.touch(pfn)
    }

    /// Records a change of a page that has not changed yet, or that does not exist.
    fn touch(&mut self, pfn: Pfn) -> &mut Page {
        let Some(section) = self.sections.get_mut(pfn.zone()) else {
            self.wild.get_or_insert(pfn);
            return &mut self.nowhere;
        };
        let index = pfn.index();
        if index >= section.high {
            if index >= section.capacity {
                self.wild.get_or_insert(pfn);
                return &mut self.nowhere;
            }
            section.high = index + 1;
            if index >= section.pages.len() {
                section.pages.resize(index + 1, Page::default());
            }
        }
        let page = &mut section.pages[index];
        if !page.touched {
            page.touched = true;
            self.touched.push(pfn);
        }
        page
    }

    /// The pages that changed since [`State::observed`](crate::State::observed).
    pub fn touched(&self) -> &[Pfn] {
        &self.touched
    }

    /// True if `pfn` is one of the pages [`touched`](Self::touched).
    #[inline]
    pub fn is_touched(&self, pfn: Pfn) -> bool {
        self.page(pfn).touched
    }

    /// The frame of the first write outside the map, if there was one. On hardware this would be a
    /// wild pointer.
    pub fn wild(&self) -> Option<Pfn> {
        self.wild
    }

    /// The pages of each memory up to the highest one used since the last reset, with their frame
    /// numbers.
    pub fn iter(&self) -> impl Iterator<Item = (Pfn, &Page)> {
        self.sections
            .iter()
            .enumerate()
            .flat_map(|(zone, section)| {
                let used = section.pages[..section.high].iter().enumerate();
                used.map(move |(i, page)| (Pfn::new(zone as u32, i as u32), page))
            })
    }

    pub(crate) fn identify(&self, id: &mut impl Identity) {
        let Self {
            sections,
            touched,
            nowhere,
            wild,
        } = self;
        for Section {
            capacity: _,
            pages,
            high,
        } in sections
        {
            high.hash(id);
            pages[..*high].iter().for_each(|page| page.identify(id));
        }
        nowhere.identify(id);
        (touched, wild).hash(id);
    }

    /// Forgets which pages have changed.
    pub(crate) fn observed(&mut self) {
        while let Some(pfn) = self.touched.pop() {
            self.sections[pfn.zone()].pages[pfn.index()].touched = false;
        }
    }

    pub(crate) fn reset(&mut self) {
        for section in &mut self.sections {
            section.pages[..section.high].fill(Page::default());
            section.high = 0;
        }
        self.touched.clear();
        self.wild = None;
        self.nowhere = Page::default();
        self.init_zero_page();
    }
}
