# Reclaim unmaps a page from two processes. Each process faults the page back in.
mmap p0 0 1 rw
write p0 0
fork p0
reclaim p0 0
write p1 0
read p0 0
exit p1
write p0 0
