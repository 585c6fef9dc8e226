# The allocation of a link between a VMA and an anon_vma fails: for the first write, for the clone
# at a split, at a fork, and at a fork of a fork.
mmap p0 0 8 rw
fail avc 1
write p0 0
write p0 0
write p0 3
migrate p0 3 1 d0
fail avc 1
mprotect p0 2 3 r
fail avc 1
fork p0
fail avc 2
fork p0
fork p0
fail avc 2
fork p1
fail avc 3
fork p1
read p1 3
mmap p0 10 2 rw
write p0 11
fail avc 1
mmap p0 8 2 rw # merges with one neighbour, and needs no link
write p0 9
fork p0 # fails: its first link is the next allocation
evict d0 0 32
read p2 3
read p0 11
