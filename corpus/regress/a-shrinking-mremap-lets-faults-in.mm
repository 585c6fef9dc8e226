# mremap that shrinks a range zaps its tail with mmap_lock held for reading only, as munmap does. So
# a fault does not wait for it. In the model, mremap once held the lock for writing.
geometry x86-64
threads 2
preempt 0 t1
preempt 1 t0
mmap p0 0 2 none
evict d0 0 1
read p0 0
t1: mremap p0 0 2 0 1 stay
