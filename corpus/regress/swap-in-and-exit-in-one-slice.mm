# The process exits while its write waits. The write is the last user of the address space and frees
# it. The page that was exclusive to the process is free then.
threads 2
mmap p0 0 1 rw
write p0 0
reclaim p0 0
willneed p0 0 1
t1: lock p0 0
write p0 0
t1: exit p0
