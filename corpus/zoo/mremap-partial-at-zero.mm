# mremap-partial-at-zero (mm, mremap: fix mremap() expanding vma with addr inside vma (6.1.3)): a
# VMA does not grow if the old range begins inside it.
# mremap is to grow the second of two pages to two pages. It fails although there is room.
mmap p0 0 2 rw
mremap p0 1 1 0 2 stay
