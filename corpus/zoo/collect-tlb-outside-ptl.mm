# collect-tlb-outside-ptl (60bae7370896): migrate_vma_collect drops the page-table lock before it
# flushes the entries that it cleared.
# The thread is preempted between the two, while its CPU still has a writable TLB entry.
threads 2
preempt 4 t0
mmap p0 0 1 rw
write p0 0
migrate p0 0 1 d0
