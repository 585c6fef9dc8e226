# Two processes have a slot; the first fault puts the page into the swap cache, the second finds it there.
mmap p0 0 1 rw
write p0 0
reclaim p0 0
fork p0
read p0 0
write p1 0
read p0 0
write p0 0
