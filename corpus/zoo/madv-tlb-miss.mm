# madv-tlb-miss (99baac21e458): the second MADV_DONTNEED finds nothing left, returns without a flush, and the page still reads as before.
threads 2
preempt 5 t1
preempt 9 t1
mmap p0 7 2 rw
t1: write p0 7
write p0 8
dontneed p0 7 2
t1: dontneed p0 7 1
t1: read p0 7
