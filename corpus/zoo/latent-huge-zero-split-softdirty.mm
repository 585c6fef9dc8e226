# latent-huge-zero-split-softdirty (7.3.4 has it): the split of a huge zero page drops soft-dirty.
# The move makes the entry soft-dirty.
thp always
mmap p0 0 8 rw
read p0 0
mremap p0 0 8 8 8 fixed
dontneed p0 8 1
