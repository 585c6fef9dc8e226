# mremap-dontunmap-pgoff: an area has the offsets of the place that it came from, and then loses its page.
mmap p0 0 1 rw
write p0 0
mremap p0 0 1 8 1 fixed
mremap p0 8 1 4 1 dontunmap
