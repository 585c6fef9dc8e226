# A move of several VMAs runs out of memory after the first one has moved. A later fork copies the
# VMA that has moved. The VMA that was at the destination before had MADV_DONTFORK. The reference
# model was too sure of the flags there.
mmap p0 0 6 r
fail page-table 3
dontfork p0 3 3 on
read p0 0
mremap p0 0 4 5 4 fixed
fork p0
dontfork p1 5 1 off
