# mremap-dontunmap-locked-vm (mm/mremap: fix locked_vm leak by splitting VMA for MREMAP_DONTUNMAP
# (2026)): MREMAP_DONTUNMAP of a part of an mlocked VMA unlocks all of it.
# Page 0 moves, and page 1 is no longer mlocked.
mmap p0 0 2 none
mlock p0 0 2 on
mremap p0 0 1 2 1 dontunmap
