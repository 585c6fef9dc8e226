//! A driver of your own: it moves memory to the device and back in aligned blocks of four pages.
//! `cargo run -p mm-core --example own_driver`

use mm_core::{dmirror::alloc_and_copy, *};

const BLOCK: u64 = 4;
const GPU: DevId = DevId(0);

#[derive(Debug)]
struct Blocks(Devices);

/// Moves a block. Returns the number of pages moved. The caller holds `mmap_lock` for reading.
async fn move_block(cur: Current<'_>, to: Direction, mut args: MigrateVma) -> usize {
    cur.migrate_vma_setup(&mut args).await;
    // an incomplete block does not go to the device; the way back takes whatever is there
    if to == Direction::ToSystem || u64::from(args.cpages) == BLOCK {
        for i in (0..args.src.len()).filter(|i| args.src[*i].migrates()) {
            let folio = alloc_and_copy(&mut cur.state(), cur, GPU, to, args.src[i], 0);
            args.dst[i] = folio.map_or(MigratePfn::NONE, |f| MigratePfn::new(f.head()));
        }
    }
    cur.migrate_vma_pages(&mut args).await;
    cur.migrate_vma_finalize(&mut args).await;
    args.migrating()
}

/// The block around an address, cut at the bounds of its VMA.
fn block(s: &State, mm: MmId, addr: u64, select: Select) -> Option<MigrateVma> {
    let vma = s.find_vma(mm, addr)?;
    let (area, first) = (s.vma(vma).range(), addr / BLOCK * BLOCK);
    let range = first.max(area.start)..(first + BLOCK).min(area.end);
    let area = MigrateRange { mm, vma, range };
    Some(MigrateVma::new(area, select, GPU))
}

impl Driver for Blocks {
    fn devices(&self) -> &Devices {
        &self.0
    }
    fn devices_mut(&mut self) -> &mut Devices {
        &mut self.0
    }
    fn migrate_to_ram<'k>(&self, cur: Current<'k>, at: DeviceFault) -> DriverFuture<'k> {
        Box::pin(async move {
            let home = block(&cur.state(), at.mm, at.addr, Select::DevicePrivate);
            let mut home = home.ok_or(FaultError::Sigsegv)?;
            home.fault_page = at.fault_page;
            let moved = move_block(cur, Direction::ToSystem, home).await;
            match moved == 0 && cur.state().frames().exhausted() {
                true => Err(FaultError::Oom),
                false => Ok(()),
            }
        })
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let driver = Blocks(Devices::new(Geometry::TINY.device_frames()));
    let kernel = Kernel::new(Geometry::TINY, Box::new(driver));
    kernel.run(TaskId(0), async |cur| {
        let mm = cur.mm_create()?;
        cur.mmap(mm, 0..10, VmFlags::READ | VmFlags::WRITE).await?;
        cur.user_access(mm, 5, Some(42)).await?;
        cur.lock(Lock::MmapRead(mm)).await;
        for (addr, pages) in [(6, 4), (1, 4), (9, 0)] {
            let block = block(&cur.state(), mm, addr, Select::System).expect("a VMA");
            assert_eq!(move_block(cur, Direction::ToDevice, block).await, pages);
        }
        cur.unlock(Lock::MmapRead(mm));
        assert_eq!(cur.user_access(mm, 5, None).await?, 42);
        assert_eq!(cur.state().driver().memory(GPU).in_use(), 4);
        Ok(())
    })?
}

#[test]
fn it_runs() -> Result<(), Box<dyn std::error::Error>> {
    main()
}
