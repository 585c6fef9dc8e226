# latent-softdirty-pmd-pinned (7.3.4 has it): clearing soft-dirty of a huge entry does not look
# whether the page is pinned, so writes through the pin are not seen.
thp always
mmap p0 0 8 rw
pin p0 0 w
clear-soft-dirty p0
