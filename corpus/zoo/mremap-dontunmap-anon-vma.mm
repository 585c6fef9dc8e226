# mremap-dontunmap-anon-vma (ee8ab1903e3d): a VMA emptied by MREMAP_DONTUNMAP names an anon_vma that
# it is not linked to.
# The page moves, and the empty VMA stays.
mmap p0 0 1 rw
write p0 0
mremap p0 0 1 8 1 dontunmap
