use crate::fault::VmFault;
use crate::ids::{DevId, MmId, Pfn, VmaId};
use crate::memmap::DEVICES;
use crate::notifier::{NotifierEvent, NotifierRange};
use crate::pte::{PresentPte, Pte, Softleaf, SwapPte};
use crate::state::{Current, State};

impl Pte {
    /// The entry says that a device has the page for itself.
    pub(crate) const fn is_exclusive(self) -> bool {
        matches!(self.leaf(), Some(Softleaf::DeviceExclusive { .. }))
    }
}

impl State {
    /// An entry at `addr` that is exclusive is no mapping.
    pub(crate) fn uncount_exclusive(&mut self, mm: MmId, addr: u64, page: Pfn) {
        if let Some(vma) = self.find_vma(mm, addr) {
            self.folio_remove_rmap_pte(page, vma);
        }
    }

    /// The mapping that comes back, `bare`, with the write permission that the entry remembers and the area has.
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
    /// The loss of a page, announced as on behalf of the device that loses it.
    pub(crate) fn restore_event(self, vmf: &VmFault) -> NotifierRange {
        let (mm, addr) = (vmf.mm, vmf.addr);
        let s = &*self.state();
        let devices = (0..DEVICES as u8).map(DevId);
        let mut mapped = devices.filter(|dev| s.driver.lookup((*dev, mm, addr)).is_some());
        let owner = mapped.next();
        NotifierRange::new(mm, addr..addr + 1, NotifierEvent::Exclusive, owner)
    }
}
