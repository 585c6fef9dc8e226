//! `anon_vma` and `anon_vma_chain`: from a page to the VMAs that may map it.
//!
//! Invariants:
//! - a VMA with an `anon_vma` is linked to it, and to every other anon_vma that may hold its pages;
//! - `num_active_vmas` counts the VMAs whose `anon_vma` is this one, and `num_children` the
//!   anon_vmas whose parent is this one (a root is its own child);
//! - all anon_vmas of a tree share the rwsem of the root, and each holds a reference to the root;
//! - an interval tree keeps VMAs with equal offsets in the order in which they were linked: a
//!   parent before the child of a fork.
//!
//! Lock order: inside `mmap_lock` and the folio lock, outside the page-table lock. Chains and trees
//! change only under the root's rwsem, held for writing.
//!
//! Corresponds to `mm/rmap.c`, `mm/interval_tree.c`.

use crate::arena::Slab;
use crate::ids::{AnonVmaId, AvcId, Folio, TaskId, VmaId};
use crate::lock::{Lock, RwSem, Site};
use crate::state::{Current, Enomem, State};
use alloc::vec::Vec;

/// The set of VMAs that may map the pages whose `->mapping` names it.
#[derive(Debug, Default, Hash)]
pub struct AnonVma {
    /// The root of its tree; a root names itself.
    pub root: AnonVmaId,
    /// The anon_vma of the parent's VMA at the fork; a root names itself.
    pub parent: AnonVmaId,
    /// References: one of its own while it is linked, one from each task that keeps it alive, and
    /// in a root one from each descendant.
    pub refcount: u32,
    /// Number of anon_vmas whose parent it is.
    pub num_children: u32,
    /// Number of VMAs whose `anon_vma` it is.
    pub num_active_vmas: u32,
    /// The rwsem of the tree; only that of a root is used.
    pub rwsem: RwSem,
    /// Links to VMAs, sorted by their first offset.
    pub tree: Vec<AvcId>,
}

impl Slab for AnonVma {
    fn renew(&mut self) {
        self.tree.clear();
        *self = Self {
            tree: core::mem::take(&mut self.tree),
            ..Self::default()
        };
    }
}

/// A link between a VMA and an anon_vma.
#[derive(Debug, Default, Clone, Copy, Hash)]
pub struct Avc {
    /// The VMA.
    pub vma: VmaId,
    /// The anon_vma.
    pub anon_vma: AnonVmaId,
}

impl Slab for Avc {
    fn renew(&mut self) {
        *self = Self::default();
    }
}

impl State {
    fn new_anon_vma(&mut self) -> Result<AnonVmaId, Enomem> {
        let id = self.alloc_anon_vma()?;
        let anon_vma = self.anon_vma_mut(id);
        anon_vma.refcount = 1;
        anon_vma.root = id;
        anon_vma.parent = id;
        Ok(id)
    }

    fn get_anon_vma(&mut self, id: AnonVmaId) {
        self.anon_vma_mut(id).refcount += 1;
    }

    /// Drops a reference; the last one frees the anon_vma (`put_anon_vma`).
    pub(crate) fn put_anon_vma(&mut self, id: AnonVmaId) {
        let anon_vma = self.anon_vma_mut(id);
        anon_vma.refcount = anon_vma.refcount.saturating_sub(1);
        if anon_vma.refcount > 0 {
            return;
        }
        let root = anon_vma.root;
        self.free_anon_vma(id);
        if root != id {
            self.put_anon_vma(root);
        }
    }

    /// Links a VMA to an anon_vma: appends to its chain, and inserts into the interval tree
    /// (`anon_vma_chain_link`).
    fn anon_vma_chain_link(&mut self, vma: VmaId, avc: AvcId, anon_vma: AnonVmaId) {
        *self.avc_mut(avc) = Avc { vma, anon_vma };
        self.vma_mut(vma).chain.push(avc);
        self.anon_vma_interval_tree_insert(avc);
    }

    pub(crate) fn anon_vma_interval_tree_insert(&mut self, avc: AvcId) {
        let Avc { vma, anon_vma } = *self.avc(avc);
        let pgoff = self.vma(vma).pgoff;
        let tree = &self.anon_vma(anon_vma).tree;
        let first = |other: &AvcId| self.vma(self.avc(*other).vma).pgoff;
        let at = tree.partition_point(|other| first(other) <= pgoff);
        zoo!(self, Bug::MremapVsMigrationRemoval =>
            let at = tree.partition_point(|other| first(other) < pgoff));
        self.anon_vma_mut(anon_vma).tree.insert(at, avc);
    }

    pub(crate) fn anon_vma_interval_tree_remove(&mut self, avc: AvcId) {
        let tree = &mut self.anon_vma_mut(self.avc(avc).anon_vma).tree;
        tree.retain(|other| *other != avc);
    }

    /// The root whose rwsem guards the chain of `vma`.
    pub(crate) fn anon_vma_root(&self, vma: VmaId) -> Option<AnonVmaId> {
        let anon_vma = self.vma(vma).anon_vma.or_else(|| {
            let first = self.vma(vma).chain.first()?;
            Some(self.avc(*first).anon_vma)
        })?;
        Some(self.anon_vma(anon_vma).root)
    }

    /// A neighbour's anon_vma that `vma` may share (`find_mergeable_anon_vma`). The two VMAs must
    /// be mergeable apart from their protection, and the neighbour must not come from a fork.
    fn find_mergeable_anon_vma(&self, vma: VmaId) -> Option<AnonVmaId> {
        let area = self.vma(vma);
        let vmas = &self.mm(area.mm).vmas;
        let at = vmas.iter().position(|v| *v == vma)?;
        let next = vmas.get(at + 1).map(|n| (vma, *n, *n));
        let prev = at.checked_sub(1).map(|p| (vmas[p], vma, vmas[p]));
        [next, prev]
            .into_iter()
            .flatten()
            .find_map(|(low, high, neighbour)| {
                let (low, high) = (self.vma(low), self.vma(high));
                let differ = (low.flags ^ high.flags)
                    - crate::vma::VmFlags::READ
                    - crate::vma::VmFlags::WRITE
                    - crate::vma::VmFlags::SOFTDIRTY;
                let linear = low.end == high.start && low.index(low.end) == high.pgoff;
                let neighbour = self.vma(neighbour);
                let singular = neighbour.chain.len() == 1;
                zoo!(self, Bug::AnonVmaReuseSimpleOnly => let singular = true);
                neighbour
                    .anon_vma
                    .filter(|_| linear && differ.is_empty() && singular)
            })
    }

    /// Links `dst` to everything that `src` is linked to, under the root's rwsem
    /// (`anon_vma_clone`). In a fork, `dst` has no anon_vma yet, and may reuse an inherited one
    /// that is the `anon_vma` of no VMA.
    pub(crate) fn anon_vma_clone(&mut self, dst: VmaId, src: VmaId) -> Result<(), Enomem> {
        let links = self.vma(src).chain.len();
        for i in 0..links {
            zoo!(self, Bug::AnonVmaCloneOrder => let i = links - 1 - i);
            let anon_vma = self.avc(self.vma(src).chain[i]).anon_vma;
            let Ok(avc) = self.alloc_avc() else {
                zoo!(self, Bug::AnonVmaEndlessGrowth => {
                    self.unlink_anon_vmas(dst);
                    return Err(Enomem);
                });
                // the count of dst->anon_vma has not been raised yet, so the unlink must not lower
                // it
                self.vma_mut(dst).anon_vma = None;
                zoo!(self, Bug::AnonVmaCloneError => return Err(Enomem));
                self.unlink_anon_vmas(dst);
                return Err(Enomem);
            };
            self.anon_vma_chain_link(dst, avc, anon_vma);
            let reusable = self.may_reuse(anon_vma);
            zoo!(self, Bug::AnonVmaDegreeAmbiguity =>
                let reusable = self.may_reuse_by_degree(anon_vma, src));
            if self.vma(dst).anon_vma.is_none() && self.vma(src).anon_vma.is_some() && reusable {
                self.vma_mut(dst).anon_vma = Some(anon_vma);
            }
        }
        if let Some(anon_vma) = self.vma(dst).anon_vma {
            self.anon_vma_mut(anon_vma).num_active_vmas += 1;
        }
        Ok(())
    }

    /// True if a child's VMA may take an inherited anon_vma as its own: no VMA uses it, and it has
    /// at most one child (a root counts itself).
    fn may_reuse(&self, anon_vma: AnonVmaId) -> bool {
        let a = self.anon_vma(anon_vma);
        a.num_active_vmas == 0 && a.num_children < 2
    }

    /// Allocates an anon_vma, and a link for it that is in no list yet.
    fn new_linked_anon_vma(&mut self) -> Result<(AnonVmaId, AvcId), Enomem> {
        let anon_vma = self.new_anon_vma()?;
        match self.alloc_avc() {
            Ok(avc) => Ok((anon_vma, avc)),
            Err(Enomem) => {
                self.put_anon_vma(anon_vma);
                Err(Enomem)
            }
        }
    }

    /// Links a child's VMA, under the root's rwsem, so that its shared pages are found, and gives
    /// it an anon_vma for its own pages (`anon_vma_fork`).
    fn anon_vma_fork_locked(&mut self, vma: VmaId, parent: VmaId) -> Result<(), Enomem> {
        self.vma_mut(vma).anon_vma = None;
        let Some(parent_av) = self.vma(parent).anon_vma else {
            return self.anon_vma_clone(vma, parent);
        };
        let early = if self.rules().fork_allocates_first {
            Some(self.new_linked_anon_vma()?)
        } else {
            None
        };
        let cloned = self.anon_vma_clone(vma, parent);
        if cloned.is_err() || self.vma(vma).anon_vma.is_some() {
            if let Some((anon_vma, avc)) = early {
                self.put_anon_vma(anon_vma);
                self.free_avc(avc);
            }
            return cloned;
        }
        let own = early.map_or_else(|| self.new_linked_anon_vma(), Ok);
        let Ok((anon_vma, avc)) = own else {
            self.unlink_anon_vmas(vma);
            return Err(Enomem);
        };
        let root = self.anon_vma(parent_av).root;
        self.get_anon_vma(root);
        let new = self.anon_vma_mut(anon_vma);
        new.num_active_vmas = 1;
        new.root = root;
        new.parent = parent_av;
        self.vma_mut(vma).anon_vma = Some(anon_vma);
        self.anon_vma_chain_link(vma, avc, anon_vma);
        self.anon_vma_mut(parent_av).num_children += 1;
        Ok(())
    }

    /// Unlinks a VMA from its anon_vmas, under the root's rwsem (`unlink_anon_vmas`).
    pub(crate) fn unlink_anon_vmas(&mut self, vma: VmaId) {
        let mut chain = core::mem::take(&mut self.vma_mut(vma).chain);
        let mut emptied = 0;
        // newest first, so that an anon_vma is emptied before its parent
        for i in (0..chain.len()).rev() {
            let avc = chain[i];
            let anon_vma = self.avc(avc).anon_vma;
            self.anon_vma_interval_tree_remove(avc);
            if self.anon_vma(anon_vma).tree.is_empty() {
                let parent = self.anon_vma(anon_vma).parent;
                let children = &mut self.anon_vma_mut(parent).num_children;
                *children = children.saturating_sub(1);
                emptied += 1;
            }
        }
        if let Some(anon_vma) = self.vma_mut(vma).anon_vma.take() {
            let active = &mut self.anon_vma_mut(anon_vma).num_active_vmas;
            *active = active.saturating_sub(1);
        }
        for &avc in chain.iter().rev() {
            let anon_vma = self.avc(avc).anon_vma;
            if emptied > 0 && self.anon_vma(anon_vma).tree.is_empty() {
                emptied -= 1;
                self.put_anon_vma(anon_vma);
            }
            self.free_avc(avc);
        }
        chain.clear();
        self.vma_mut(vma).chain = chain;
    }
}

impl Current<'_> {
    /// Gives `vma` an anon_vma for new pages (`__anon_vma_prepare`). The caller holds `mmap_lock`
    /// for reading only, so two tasks may do this at the same time; the second one frees its
    /// objects.
    pub(crate) async fn anon_vma_prepare(self, vma: VmaId) -> Result<(), Enomem> {
        let (root, anon_vma, fresh, avc) = {
            let s = &mut *self.state();
            if s.vma(vma).anon_vma.is_some() {
                return Ok(());
            }
            let avc = s.alloc_avc()?;
            let found = s.find_mergeable_anon_vma(vma);
            let anon_vma = match found {
                Some(shared) => shared,
                None => match s.new_anon_vma() {
                    Ok(new) => {
                        s.anon_vma_mut(new).num_children = 1;
                        new
                    }
                    Err(e) => {
                        s.free_avc(avc);
                        return Err(e);
                    }
                },
            };
            (s.anon_vma(anon_vma).root, anon_vma, found.is_none(), avc)
        };
        self.lock(Lock::AnonVmaWrite(root)).await;
        zoo!(self, Bug::AnonVmaPublishBarrier =>
            self.state().vma_mut(vma).anon_vma = Some(anon_vma));
        self.preempt(Site::AnonVmaPrepare).await;
        let s = &mut *self.state();
        let first = s.vma(vma).anon_vma.is_none();
        zoo!(s, Bug::DupAnonVmaNoLock => let first = true);
        zoo!(s, Bug::AnonVmaPublishBarrier => let first = true);
        if first {
            s.vma_mut(vma).anon_vma = Some(anon_vma);
            s.anon_vma_mut(anon_vma).num_active_vmas += 1;
            s.anon_vma_chain_link(vma, avc, anon_vma);
            s.unlock(self.task, Lock::AnonVmaWrite(root));
        } else {
            s.unlock(self.task, Lock::AnonVmaWrite(root));
            s.free_avc(avc);
            if fresh {
                s.anon_vma_mut(anon_vma).num_children = 0;
                s.put_anon_vma(anon_vma);
            }
        }
        Ok(())
    }

    /// Links the child's VMA `vma` to the anon_vmas of `parent` (`anon_vma_fork`).
    pub(crate) async fn anon_vma_fork(self, vma: VmaId, parent: VmaId) -> Result<(), Enomem> {
        let Some(root) = self.state().anon_vma_root(parent) else {
            return Ok(());
        };
        self.lock(Lock::AnonVmaWrite(root)).await;
        self.preempt(Site::AnonVmaFork).await;
        let s = &mut *self.state();
        let result = s.anon_vma_fork_locked(vma, parent);
        s.unlock(self.task, Lock::AnonVmaWrite(root));
        result
    }

    /// Takes the rwsem of the root, and unlinks a VMA from its anon_vmas (`unlink_anon_vmas`).
    pub(crate) async fn anon_vma_unlink(self, vma: VmaId) {
        let Some(root) = self.state().anon_vma_root(vma) else {
            return;
        };
        self.lock(Lock::AnonVmaWrite(root)).await;
        self.preempt(Site::AnonVmaUnlink).await;
        let s = &mut *self.state();
        s.unlink_anon_vmas(vma);
        // The kernel frees the emptied anon_vmas only after the unlock. No task runs in between
        // here, so the difference cannot be seen.
        s.unlock(self.task, Lock::AnonVmaWrite(root));
    }
}

impl State {
    /// Takes a reference for `task` to the anon_vma of a mapped folio (`folio_get_anon_vma`).
    pub(crate) fn folio_get_anon_vma(&mut self, task: TaskId, folio: Folio) -> Option<AnonVmaId> {
        let anon_vma = self
            .head(folio)
            .anon_vma()
            .filter(|_| self.folio_mapped(folio))?;
        self.anon_vma_mut(anon_vma).refcount += 1;
        self.tasks[task.ix()].anon_vma_refs.push(anon_vma);
        Some(anon_vma)
    }

    pub(crate) fn put_task_anon_vma(&mut self, task: TaskId, anon_vma: AnonVmaId) {
        let refs = &mut self.tasks[task.ix()].anon_vma_refs;
        if let Some(i) = refs.iter().rposition(|a| *a == anon_vma) {
            refs.swap_remove(i);
        }
        self.put_anon_vma(anon_vma);
    }
}
