# contents/kept checked a folio in the swap cache before another thread's fault had read its
# contents in.
threads 2
preempt 8 t1
preempt 18 t0
mmap p0 0 2 rw
write p0 1
pageout p0 0 2
t1: exclusive d0 p0 0 2
