# Parents exit in a chain of forks. The anon_vma of a process in the middle has one child and no VMA
# of its own any more, so the next child reuses it, once. The root anon_vma is never reused. The
# rmap walk still finds pages of every generation, some of them on the device.
geometry x86-64
mmap p0 0 6 rw
write p0 0
write p0 1
fork p0
exit p0
write p1 1
fork p1 # a new anon_vma: the root of p0 is not reused
fork p0 # nor is p1's, while p1 lives
write p0 2
migrate p0 0 3 d0
exit p1
fork p0 # reuses p1's
fork p0 # cannot reuse it again
write p1 3
exit p0
write p2 4
fork p2
migrate p2 0 6 d1
exit p1
fork p2
evict d0 0 32
evict d1 0 32
read p0 0
read p1 1
read p2 2
read p0 4
write p1 0
exit p2
migrate p0 0 6 d0
read p1 2
