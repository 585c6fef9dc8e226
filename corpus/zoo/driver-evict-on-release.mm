# driver-evict-on-release (249881232e14): the memory of a device is released with live pages in it.
# One page is on the device when the device is removed.
mmap p0 0 1 rw
migrate p0 0 1 d0
release d0
