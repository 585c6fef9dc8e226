# A device gets exclusive access to a page of a process that has already exited. The folio stays in
# the swap cache, because only the end of a present mapping removes a folio from the swap cache. The
# oracle asked whether the page lost any present entry in the slice. It must ask which entry the
# page lost last.
threads 2
preempt 3 t1
preempt 9 t1
mmap p0 0 1 rw
exclusive d0 p0 0 1
t1: reclaim p0 0
t1: exit p0
