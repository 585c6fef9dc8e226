# A hole that is filled on a device is writable and not soft-dirty.
mmap p0 0 1 rw
clear-soft-dirty p0
migrate p0 0 1 d0
