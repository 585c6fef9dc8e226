use crate::ids::{AnonVmaId, VmaId};
use crate::state::State;

impl State {
    /// 2555283eb40d: one number counted the children of an anon_vma and the VMAs that use it.
    pub(crate) fn may_reuse_by_degree(&self, anon_vma: AnonVmaId, src: VmaId) -> bool {
        let a = self.anon_vma(anon_vma);
        let itself = u32::from(a.root == anon_vma);
        let degree = a.num_children - itself + a.num_active_vmas;
        self.vma(src).anon_vma != Some(anon_vma) && degree < 2
    }
}
