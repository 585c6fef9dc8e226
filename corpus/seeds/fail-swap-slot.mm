# The allocation of a swap slot fails, and the page stays in memory. The second reclaim swaps it
# out.
mmap p0 0 1 rw
write p0 0
fail swap-slot 1
reclaim p0 0
reclaim p0 0
read p0 0
