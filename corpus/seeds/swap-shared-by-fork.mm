# Two processes have entries for one swap slot. The first fault puts the page into the swap cache,
# and the second finds it there.
mmap p0 0 1 rw
write p0 0
reclaim p0 0
fork p0
read p0 0
write p1 0
read p0 0
write p0 0
