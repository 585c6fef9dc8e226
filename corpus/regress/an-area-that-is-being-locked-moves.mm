# A VMA moves after mlock has marked it and before mlock returns. The reference model did not know
# yet that the VMA is mlocked.
threads 3
preempt 1 t2
preempt 9 t0
mmap p0 1 1 rw
mlock p0 1 1 on
t1: mremap p0 1 1 0 1 fixed
t2: exclusive d0 p0 1 1
