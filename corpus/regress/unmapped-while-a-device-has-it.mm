# A device gets exclusive access to a page of a process that has already exited. The folio stays in
# the swap cache, because the end of a device-exclusive entry does not remove it from there. The
# oracle asked whether the page lost any present entry in the slice. It must ask which entry the
# page lost last.
threads 2
preempt 3 t1
preempt 9 t1
mmap p0 0 1 rw
exclusive d0 p0 0 1
t1: reclaim p0 0
t1: exit p0
