# fork-link-after-copy (order rule of anon_vma_fork): a child's area is linked to the anon_vmas only after the entries were copied, and a walk misses them.
mmap p0 0 1 rw
pin p0 0 w
fork p0
