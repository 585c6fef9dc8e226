# A page that two processes map is unmapped from both, and comes back to each.
mmap p0 0 1 rw
write p0 0
fork p0
reclaim p0 0
write p1 0
read p0 0
exit p1
write p0 0
