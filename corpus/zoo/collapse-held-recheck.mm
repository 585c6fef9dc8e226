# collapse-held-recheck: t1 pins a page while the collapse of t0 does not hold mmap_lock.
thp madvise
threads 2
preempt 2 t1
mmap p0 0 8 rw
write p0 0
collapse p0 0 8
t1: pin p0 0 w
