# Linux 6.12 warns in vma_iter_store: vma_merge_new_range clears vmg->vma before it compares
# vmg->vma with prev. An expansion for which there is no memory therefore leaves the iterator where
# it is. The judge accepts this warning (expansion-leaves-iterator).
fail avc 2
mmap p0 8 7 rw
mmap p0 0 1 rw
dev-write d1 p1 12
mmap p0 1 7 rw
