# collect-tlb-outside-ptl (60bae7370896): the collected entry is gone, its translation is not, and the page-table lock is free.
threads 2
preempt 4 t0
mmap p0 0 1 rw
write p0 0
migrate p0 0 1 d0
