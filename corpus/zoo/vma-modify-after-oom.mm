# vma-modify-after-oom (47b16d0462a4): a merge runs out of memory, and its caller then splits off
# the whole range that the merged VMA would have covered.
# mprotect would merge three VMAs, but the lowest cannot get the anon_vma of the highest. The lowest
# VMA gets the new flags, and page 1 keeps PROT_NONE.
mmap p0 0 3 rw
mmap p0 1 1 none
write p0 2
fail avc 1
mprotect p0 1 1 rw
