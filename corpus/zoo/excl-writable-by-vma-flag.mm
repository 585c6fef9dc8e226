# excl-writable-by-vma-flag (9a914592140e): an entry restored from device-exclusive is writable
# because the VMA is, although writes are tracked.
# Soft-dirty is cleared while the device has the page. The CPU's read then restores a writable
# entry.
mmap p0 0 1 rw
exclusive d0 p0 0 1
clear-soft-dirty p0
read p0 0
