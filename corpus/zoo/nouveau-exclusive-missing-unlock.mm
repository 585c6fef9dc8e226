# nouveau-exclusive-missing-unlock (b3fefbb30a16): the driver forgets to unlock an exclusive page if
# it has to start over.
# t1's MADV_DONTNEED drops the page before the driver of t0 maps it, so the driver starts over.
threads 2
preempt 7 t1
mmap p0 0 1 rw
exclusive d0 p0 0 1
t1: dontneed p0 0 1
