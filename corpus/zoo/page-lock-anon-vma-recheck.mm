# page-lock-anon-vma-recheck: the page is unmapped between the look at its anon_vma and the lock.
threads 2
preempt 3 t1
mmap p0 0 1 rw
write p0 0
reclaim p0 0
t1: munmap p0 0 1
