# mlock has marked an area and not ended when it grows: the reference model had heard of no lock.
threads 2
mmap p0 0 1 rw
exclusive d0 p0 0 1
lock p0 0
mlock p0 0 1 on
t1: mremap p0 0 1 0 2 stay
