# pmd-devpriv-softdirty-as-write (43e7f189769c): a soft-dirty device-private entry is mistaken for a
# writable one (here at the lowest level).
# The entry is read-only, and eviction gives it a writable migration entry.
mmap p0 0 1 rw
write p0 0
mprotect p0 0 1 r
migrate p0 0 1 d0
evict d0 0 1
