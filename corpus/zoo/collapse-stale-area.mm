# collapse-stale-area: t1 unmaps a part of the range while the collapse of t0 does not hold mmap_lock.
thp madvise
threads 2
preempt 3 t1
mmap p0 0 8 rw
write p0 0
collapse p0 0 8
t1: munmap p0 4 4
