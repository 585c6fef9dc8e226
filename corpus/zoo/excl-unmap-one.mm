# excl-unmap-one (65529295607f): try_to_unmap_one takes the subpage from the present-format pfn of a device-exclusive entry.
mmap p0 0 1 rw
exclusive d0 p0 0 1
reclaim p0 0
