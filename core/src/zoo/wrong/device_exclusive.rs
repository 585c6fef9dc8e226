use crate::fault::VmFault;
use crate::ids::{DevId, MmId, Pfn, VmaId};
use crate::limits::DEVICES;
use crate::notifier::{NotifierEvent, NotifierRange};
use crate::pte::{PresentPte, Pte, Softleaf, SwapPte};
use crate::state::{Current, State};

impl Pte {
    /// True for a device-exclusive entry.
    pub(crate) const fn is_exclusive(self) -> bool {
        matches!(self.leaf(), Some(Softleaf::DeviceExclusive { .. }))
    }
}

impl State {
    /// Uncounts the mapping of the device-exclusive entry at `addr`.
    pub(crate) fn uncount_exclusive(&mut self, mm: MmId, addr: u64, page: Pfn) {
        if let Some(vma) = self.find_vma(mm, addr) {
            self.folio_remove_rmap(self.unit(page), vma);
        }
    }

    /// Changes the restored entry `bare` if the device-exclusive entry is writable and has no
    /// uffd-wp. The result is then dirty, and writable if the VMA is.
    pub(crate) fn writable_by_vma_flag(
        &self,
        vma: VmaId,
        swap: SwapPte,
        bare: PresentPte,
    ) -> PresentPte {
        let write = matches!(
            swap.softleaf(),
            Some(Softleaf::DeviceExclusive { write: true, .. })
        );
        if write && !bare.uffd_wp() {
            self.maybe_mkwrite(vma, bare.mkdirty())
        } else {
            bare
        }
    }
}

impl Current<'_> {
    /// The invalidation for a page that a device loses, which names that device as owner.
    pub(crate) fn restore_event(self, vmf: &VmFault) -> NotifierRange {
        let (mm, addr) = (vmf.mm, vmf.addr);
        let s = &*self.state();
        let devices = (0..DEVICES as u8).map(DevId);
        let mut mapped = devices.filter(|dev| s.driver().lookup((*dev, mm, addr)).is_some());
        let owner = mapped.next();
        NotifierRange::new(mm, addr..addr + 1, NotifierEvent::Exclusive, owner)
    }
}
