# A process exits, and drops its mappings, while another process migrates or evicts the pages that
# they share. In the end the last process exits while an eviction has unmapped its pages.
threads 3
preempt 29 t1
preempt 71 t2
preempt 92 t1
preempt 113 t2
mmap p0 0 4 rw
write p0 0
write p0 1
fork p0
fork p0
migrate p0 0 4 d0
t1: exit p1
evict d0 0 32
t2: exit p2
fork p0
migrate p0 0 2 d0
t1: exit p1
evict d0 0 32
t2: exit p0
