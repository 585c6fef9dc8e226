# latent-softdirty-readonly-pinned (7.3.4 has it): clearing soft-dirty does not see that a page is
# pinned if its entry is read-only, so writes through the pin are not seen.
mmap p0 0 1 rw
pin p0 0 w
mprotect p0 0 1 r
clear-soft-dirty p0
