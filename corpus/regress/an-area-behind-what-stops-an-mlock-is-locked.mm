# mlock marks all areas before it populates one that a munmap takes away: the reference model thought that it stops there, and so did the core: Linux goes on.
threads 2
mmap p0 0 2 rw
exclusive d0 p0 0 1
lock p0 0
mlock p0 0 2 on
t1: munmap p0 0 1
