# latent-softdirty-keeps-write (not fixed in 7.3.4: clear_soft_dirty): clearing soft-dirty leaves a
# non-present entry writable, so it is restored writable and untracked.
# The page is on a device when soft-dirty is cleared.
mmap p0 0 1 rw
migrate p0 0 1 d0
clear-soft-dirty p0
