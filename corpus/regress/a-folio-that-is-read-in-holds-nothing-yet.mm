# contents/kept looked at a folio in the swap cache that a fault of another thread was about to read in.
threads 2
preempt 8 t1
preempt 18 t0
mmap p0 0 2 rw
write p0 1
pageout p0 0 2
t1: exclusive d0 p0 0 2
