# Reclaim leaves a pinned page alone. It unmaps a page that somebody only holds, and a later write
# finds that page in the swap cache.
mmap p0 0 2 rw
write p0 0
write p0 1
pin p0 0 w
get p0 1 r
reclaim p0 0
reclaim p0 1
write p0 1
put r1
reclaim p0 1
read p0 1
