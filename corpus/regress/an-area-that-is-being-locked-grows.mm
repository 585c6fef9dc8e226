# A VMA grows after mlock has marked it and before mlock returns. The reference model did not know
# yet that the VMA is mlocked.
threads 2
mmap p0 0 1 rw
exclusive d0 p0 0 1
lock p0 0
mlock p0 0 1 on
t1: mremap p0 0 1 0 2 stay
