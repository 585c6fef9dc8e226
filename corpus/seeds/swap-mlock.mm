# A locked area is faulted in, copied where it is shared, not reclaimed, and refuses advice.
mmap p0 0 4 rw
write p0 0
write p0 1
reclaim p0 0
fork p0
mlock p0 0 3 on
reclaim p0 0
pageout p0 0 1
dontneed p0 0 1
mlock p0 0 5 on
mlock p0 0 4 off
reclaim p0 0
read p0 0
