# A process of the family exits while another one's migration or eviction is under way, with the last
# reference to a page; in the end all are gone while an eviction has their pages unmapped.
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
