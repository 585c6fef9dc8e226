# nouveau-exclusive-missing-unlock (b3fefbb30a16): the driver forgets a page that was made exclusive when it has to start over.
threads 2
preempt 7 t1
mmap p0 0 1 rw
exclusive d0 p0 0 1
t1: dontneed p0 0 1
