# excl-unmap-one (65529295607f): try_to_unmap_one computes the subpage of a device-exclusive entry
# as if the entry were present.
# Reclaim uncounts a mapping of the zero page instead of the page's own.
mmap p0 0 1 rw
exclusive d0 p0 0 1
reclaim p0 0
