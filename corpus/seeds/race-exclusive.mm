# A fault and MADV_DONTNEED race with make_device_exclusive on the same page. Afterwards a migration
# skips the pages to which a device has exclusive access, and compaction moves one of them.
threads 3
preempt 12 t1
preempt 20 t2
preempt 26 t0
mmap p0 0 2 rw
write p0 0
exclusive d0 p0 0 2
t1: read p0 0
t1: exclusive d1 p0 0 2
t2: dontneed p0 0 1
t2: migrate p0 0 2 d0
t1: compact p0 1
dev-write d0 p0 0
