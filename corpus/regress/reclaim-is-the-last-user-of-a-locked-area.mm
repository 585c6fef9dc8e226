# Reclaim is the last user of an address space and frees it. Its pages then go with the address
# space, which does not count as reclaim of a page of an mlocked VMA. Found by fuzzing.
threads 2
preempt 6 t1
preempt 7 t0
mmap p0 0 1 rw
exclusive d0 p0 0 1
mlock p0 0 1 on
exit p0
t1: reclaim p0 0
