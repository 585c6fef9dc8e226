# mremap-dontunmap-locked-vm: a page next to the one that moves is not locked any more, and is given up.
mmap p0 0 2 rw
mlock p0 0 2 on
mremap p0 0 1 8 1 dontunmap
dontneed p0 1 1
