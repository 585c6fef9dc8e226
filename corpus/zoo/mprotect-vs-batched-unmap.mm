# mprotect-vs-batched-unmap (3ea277194daa): mprotect skips entries that reclaim has cleared, and
# returns while a CPU still uses the old translations.
# t0's reclaim has cleared p0's entry and not flushed. t1's mprotect returns while the CPU of t0
# still has a stale TLB entry.
threads 2
preempt 14 t1
mmap p0 0 1 rw
write p0 0
fork p0
fork p0
read p0 0
reclaim p0 0
t1: mprotect p0 0 1 none
