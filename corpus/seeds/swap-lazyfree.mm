# Reclaim drops a lazily freed page unless it was written since.
mmap p0 0 2 rw
write p0 0
write p0 1
lazyfree p0 0 2
write p0 1
reclaim p0 0
reclaim p0 1
read p0 0
read p0 1
