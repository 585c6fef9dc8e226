# mlock marks all VMAs of its range, and a munmap removes the one that mlock is populating. The
# reference model and the core stopped populating there. Linux goes on with the next VMA.
threads 2
mmap p0 0 2 rw
exclusive d0 p0 0 1
lock p0 0
mlock p0 0 2 on
t1: munmap p0 0 1
