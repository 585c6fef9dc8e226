# A process has exited when a device gets exclusive access to its page. The folio stays in the swap
# cache, because only the end of a present mapping removes it. The oracle asked whether the page
# lost any present entry in the slice, and not which entry it lost last.
threads 2
preempt 3 t1
preempt 9 t1
mmap p0 0 1 rw
exclusive d0 p0 0 1
t1: reclaim p0 0
t1: exit p0
