# dirty-cow (19be0eaffa3a): once a fault has broken COW, gup no longer asks for write permission,
# and writes to whatever page is mapped by then.
# t1's MADV_DONTNEED comes between the fault that breaks COW and the next lookup, so t0 gets the
# zero page for writing.
threads 2
preempt 3 t1
mmap p0 0 1 rw
get p0 0 w
t1: dontneed p0 0 1
