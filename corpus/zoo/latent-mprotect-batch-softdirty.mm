# latent-mprotect-batch-softdirty (not fixed in 7.3.4): if a large folio is mapped by small
# entries, mprotect makes its dirty pages soft-dirty.
thp always
mmap p0 0 8 rw
write p0 0
munmap p0 7 1
clear-soft-dirty p0
mprotect p0 0 2 r
