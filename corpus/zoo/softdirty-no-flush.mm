# softdirty-no-flush (912efa17e512): clear_refs write-protects entries without a flush, so the next
# writes are not tracked.
# The CPU still has a writable TLB entry from its write.
mmap p0 0 1 rw
write p0 0
clear-soft-dirty p0
