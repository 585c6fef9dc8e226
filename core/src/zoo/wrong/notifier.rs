use crate::driver::{DevicePte, Mirror};
use crate::ids::DevId;
use crate::lock::Lock;
use crate::notifier::NotifierRange;
use crate::state::Current;
use alloc::vec::Vec;

impl Current<'_> {
    /// Takes and releases the lock of each folio that a device maps in `range`, which a driver's
    /// callback must not do.
    pub(crate) async fn lock_mirrored(self, range: &NotifierRange) {
        let mut mirrored = Vec::new();
        let mut note = |(dev, mm, addr): Mirror, _| {
            if mm == range.mm && range.range.contains(&addr) {
                mirrored.push((addr, dev.0));
            }
        };
        self.state().driver().for_each_mapping(&mut note);
        // the driver's table has no order
        mirrored.sort_unstable();
        for (addr, dev) in mirrored {
            let mapped = { self.state().driver().lookup((DevId(dev), range.mm, addr)) };
            if let Some(DevicePte { pfn, .. }) = mapped {
                let folio = { self.state().folio(pfn) };
                self.lock(Lock::Folio(folio)).await;
                self.unlock(Lock::Folio(folio));
            }
        }
    }
}
