# softdirty-no-flush (912efa17e512): the CPU goes on writing through a translation that clear_refs has write-protected.
mmap p0 0 1 rw
write p0 0
clear-soft-dirty p0
