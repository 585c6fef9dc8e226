# mremap-dontunmap-locked-vm: a page next to the one that moves is not locked any more.
mmap p0 0 2 none
mlock p0 0 2 on
mremap p0 0 1 2 1 dontunmap
