# hmm-tests anon_teardown: one thread's device reads a page, and another thread unmaps that page and
# then the whole range. The first munmap comes between the device's fault and its use of the result.
threads 2
preempt 4 t1
preempt 9 t1
mmap p0 0 8 rw
write p0 1
write p0 2
dev-read d0 p0 1
t1: munmap p0 1 1
dev-read d0 p0 2
t1: munmap p0 0 8
dev-read d0 p0 2
t1: mmap p0 0 4 rw
dev-read d0 p0 2
