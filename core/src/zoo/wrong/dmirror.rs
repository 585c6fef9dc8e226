use crate::dmirror::{Direction, alloc_and_copy};
use crate::migrate_vma::{MigratePfn, MigrateVma};
use crate::state::{Current, State};

impl State {
    /// Supplies a destination for a page that does not migrate. The driver frees the destination
    /// again, and leaves it in the array.
    pub(crate) fn leave_destination(
        &mut self,
        cur: Current<'_>,
        args: &mut MigrateVma,
        direction: Direction,
        i: usize,
    ) {
        if let (Some(area), Direction::ToSystem) = (&args.area, direction) {
            let addr = area.range.start + i as u64;
            self.driver_mut().unmap((args.owner, area.mm, addr));
        }
        if let Ok(dst) = alloc_and_copy(self, cur, args.owner, direction, args.src[i], 0) {
            args.dst[i] = MigratePfn::new(dst.head());
            self.folio_unlock(cur.task, dst);
            self.folio_put(cur.task, dst);
        }
    }
}
