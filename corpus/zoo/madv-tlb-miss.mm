# madv-tlb-miss (99baac21e458): the second MADV_DONTNEED finds nothing left and returns without a flush; the first one still owes it.
threads 2
preempt 4 t1
mmap p0 0 1 rw
write p0 0
dontneed p0 0 1
t1: dontneed p0 0 1
