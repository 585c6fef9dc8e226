//! Moving a folio within system memory, as compaction does. Compaction finds the folio by its frame
//! number and knows no address space that maps it.
//!
//! Locks: the folio lock, by trylock. `mmap_lock` is not held, so a reference keeps the anon_vma
//! alive.
//!
//! Corresponds to `migrate_pages` in `mm/migrate.c`, for one folio and in `MIGRATE_ASYNC` mode, as
//! `mm/compaction.c` calls it.

use crate::ids::{AnonVmaId, Folio};
use crate::lock::Site;
use crate::page::PageFlags;
use crate::rmap::{RmapLock, Ttu, Zeroes};
use crate::state::{Current, State};

impl State {
    /// Moves the identity and contents of `src`, and its place in the swap cache, to `dst`
    /// (`move_to_new_folio`).
    fn move_to_new_folio(&mut self, src: Folio, dst: Folio) -> bool {
        let page = *self.head(src);
        if !self.folio_migrate_mapping(src, dst, 0) {
            return false;
        }
        if page.has(PageFlags::SWAPCACHE) {
            // replaced in one step: a slot that has neither an entry nor a folio would be freed
            self.replace_in_swap_cache(page.swap, dst);
            self.head_mut(src).flags.remove(PageFlags::SWAPCACHE);
            self.folio_ref_sub(src, 1);
            self.folio_ref_add(dst, 1);
            let to = self.head_mut(dst);
            to.flags.insert(PageFlags::SWAPCACHE);
            to.swap = page.swap;
        }
        self.head_mut(dst).word = page.word;
        self.folio_add_lru(dst);
        true
    }
}

impl Current<'_> {
    /// Moves `folio` to another frame if nobody else holds it. Returns true if it moved.
    pub async fn migrate_pages(self, folio: Folio) -> bool {
        // the kernel skips folios as large as a pageblock; every large folio of the model is that
        // large
        if self.state().head(folio).order > 0 {
            return false;
        }
        let isolated = self.state().folio_isolate_lru(self.task, folio);
        if !isolated {
            return false;
        }
        let dst = { self.state().folio_alloc(self.task, 0) };
        let moved = match dst {
            Ok(dst) => self.unmap_and_move(folio, dst).await,
            Err(_) => false,
        };
        let s = &mut *self.state();
        if let Ok(dst) = dst {
            s.folio_put(self.task, dst);
        }
        if moved {
            s.folio_put(self.task, folio);
        } else {
            s.folio_putback_lru(self.task, folio);
        }
        moved
    }

    async fn unmap_and_move(self, src: Folio, dst: Folio) -> bool {
        let anon_vma: Option<AnonVmaId> = {
            let s = &mut *self.state();
            if !s.folio_trylock(self.task, src) {
                return false;
            }
            if s.head(src).has(PageFlags::WRITEBACK) {
                s.folio_unlock(self.task, src);
                return false;
            }
            s.folio_trylock(self.task, dst);
            s.folio_get_anon_vma(self.task, src)
        };
        // if the folio was mlocked, the kernel drains the LRU batch before it restores the
        // mappings, so their mlock counts are not lost
        let was_mlocked = self.state().head(src).has(PageFlags::MLOCKED);
        self.preempt(Site::MigratePages).await;
        // In 6.12, device-exclusive entries do not count in the mapcount (f495bd7e0d9b), so this
        // test misses them there. The model always counts them.
        let was_mapped = self.state().folio_mapped(src);
        if was_mapped {
            self.try_to_migrate(src, Ttu::COMPACT).await;
        }
        let moved = {
            let s = &mut *self.state();
            s.try_to_unmap_flush(self.task);
            !s.folio_mapped(src) && s.move_to_new_folio(src, dst)
        };
        if was_mapped {
            let target = if moved { dst } else { src };
            self.remove_migration_ptes(src, target, RmapLock::Take, Zeroes::Mapped)
                .await;
            if !was_mlocked {
                self.state().drain_lru_batch(dst);
            }
        }
        let s = &mut *self.state();
        if let Some(anon_vma) = anon_vma {
            s.put_task_anon_vma(self.task, anon_vma);
        }
        s.folio_unlock(self.task, dst);
        s.folio_unlock(self.task, src);
        moved
    }
}
