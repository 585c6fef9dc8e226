# stale-tlb-deferred (383c4613c67c): madvise skips entries that reclaim has cleared and not flushed
# (here: MADV_FREE).
# t0's reclaim has cleared p0's entry. t1's MADV_FREE returns while the CPU of t0 still has a stale
# TLB entry.
threads 2
preempt 14 t1
mmap p0 0 1 rw
write p0 0
fork p0
fork p0
read p0 0
reclaim p0 0
t1: lazyfree p0 0 1
