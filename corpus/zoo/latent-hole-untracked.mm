# latent-hole-untracked (not fixed in 7.3.4: migrate_vma_insert_page): a hole that is filled on a
# device becomes writable and not soft-dirty, so writes to it are not tracked.
# The hole migrates to the device after soft-dirty was cleared.
mmap p0 0 1 rw
clear-soft-dirty p0
migrate p0 0 1 d0
