# The process is gone when the write ends: the last user takes it apart. The page that was exclusive to it is free.
threads 2
mmap p0 0 1 rw
write p0 0
reclaim p0 0
willneed p0 0 1
t1: lock p0 0
write p0 0
t1: exit p0
