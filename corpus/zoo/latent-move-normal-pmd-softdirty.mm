# latent-move-normal-pmd-softdirty (7.3.4 has it): mremap moves a page table as a whole, so its
# entries do not become soft-dirty. The move is not aligned, but nothing is mapped in front of it.
thp always
mmap p0 4 4 rw
read p0 4
clear-soft-dirty p0
mremap p0 4 4 12 4 fixed
