# madv-tlb-miss (99baac21e458): when two zaps run concurrently, the one that finds no entry left
# does not flush, and returns before the other flushes.
# t1's MADV_DONTNEED returns while the CPU of t0 still has a stale TLB entry.
threads 2
preempt 4 t1
mmap p0 0 1 rw
write p0 0
dontneed p0 0 1
t1: dontneed p0 0 1
