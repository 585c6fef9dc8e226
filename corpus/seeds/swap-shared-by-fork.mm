# Two processes have entries for one swap slot. Reclaim has left the page in the swap cache. The
# first fault maps the page from there, and the write of the other process copies it.
mmap p0 0 1 rw
write p0 0
reclaim p0 0
fork p0
read p0 0
write p1 0
read p0 0
write p0 0
