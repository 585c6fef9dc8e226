# fork-link-after-copy (order rule of anon_vma_fork): a child's VMA is linked to the anon_vmas only
# after its entries were copied, so a walk misses them.
# The fork copies the pinned page for the child, whose VMA has no anon_vma yet.
mmap p0 0 1 rw
pin p0 0 w
fork p0
