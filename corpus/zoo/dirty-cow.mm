# dirty-cow (19be0eaffa3a): MADV_DONTNEED between the fault that breaks COW and the second look.
threads 2
preempt 3 t1
mmap p0 0 1 rw
get p0 0 w
t1: dontneed p0 0 1
