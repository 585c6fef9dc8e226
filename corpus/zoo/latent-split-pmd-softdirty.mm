# latent-split-pmd-softdirty (7.3.4 has it): the split of a dirty huge entry makes its pages
# soft-dirty.
thp always
mmap p0 0 8 rw
write p0 0
clear-soft-dirty p0
dontneed p0 0 1
