# mremap-dontunmap-anon-vma (ee8ab1903e3d): an area stays where it was, without its page.
mmap p0 0 1 rw
write p0 0
mremap p0 0 1 8 1 dontunmap
