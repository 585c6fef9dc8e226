# The first write to a page races with UFFDIO_WRITEPROTECT of its range. The page may come too late
# to be protected.
threads 2
preempt 0 t1
preempt 3 t0
mmap p0 0 1 rw
uffd-register p0 0 1
write p0 0
t1: uffd-wp p0 0 1 on
write p0 0
