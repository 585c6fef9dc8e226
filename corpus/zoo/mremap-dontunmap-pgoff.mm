# mremap-dontunmap-pgoff (mm/mremap: reset unfaulted VMA page offset for MREMAP_DONTUNMAP (2026)): a
# VMA emptied by MREMAP_DONTUNMAP keeps the offsets of the pages that it had.
# The page moves twice, the second time by MREMAP_DONTUNMAP. The empty VMA at page 8 still has the
# offset of page 0.
mmap p0 0 1 rw
write p0 0
mremap p0 0 1 8 1 fixed
mremap p0 8 1 4 1 dontunmap
