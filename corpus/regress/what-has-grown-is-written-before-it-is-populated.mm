# mremap grows an mlocked VMA and populates it. Another thread writes to the new part before mremap
# returns. The reference model lost that write.
threads 2
preempt 7 t0
mmap p0 1 2 rw
mlock p0 1 2 on
t1: mremap p0 2 1 0 2 stay
write p0 3
