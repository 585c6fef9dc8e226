# excl-writable-by-vma-flag (9a914592140e): what comes back from a device is writable because the area is, although writes are tracked.
mmap p0 0 1 rw
exclusive d0 p0 0 1
clear-soft-dirty p0
read p0 0
