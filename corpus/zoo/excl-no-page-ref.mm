# excl-no-page-ref (7c7b962938dd): a fault on a device-exclusive entry locks the folio without a
# reference to it.
# t1's MADV_DONTNEED frees the folio while the fault of t0 holds its lock.
threads 2
preempt 9 t1
mmap p0 0 1 rw
exclusive d0 p0 0 1
read p0 0
t1: dontneed p0 0 1
