# A huge page that two processes map goes over and comes back: whole, in part, while the child maps
# it by small entries, and by an eviction.
thp always
mmap p0 0 16 rw
write p0 1
fork p0
mprotect p1 0 2 r
migrate p0 0 8 d0
read p1 1
migrate p0 0 8 d0 skip=0x02
read p0 1
write p0 9
fork p0
migrate p0 8 8 d1
evict d1 0 8
migrate p2 8 8 d1
fail page 1
evict d1 0 8
clear-soft-dirty p2
mlock p0 8 8 on
exit p2
read p0 9
