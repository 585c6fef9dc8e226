# latent-split-shared-pmd (7.3.4 has it): if a source folio is split in the middle of a
# migration, other processes keep their huge migration entries for it. The device has no huge page.
thp always
mmap p0 0 8 rw
write p0 0
fork p0
fail device-page 1
migrate p0 0 8 d0
