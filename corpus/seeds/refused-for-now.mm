# Operations that cannot do all their work. Compaction fails on a locked folio, on a pinned page,
# and without memory. mlock fails on a VMA that permits no access. mremap moves a page and cannot
# split the VMA that the page leaves. MADV_DONTFORK fails because there is no memory for a VMA.
# willneed finds nothing in swap, so the failure armed before it does not strike.
mmap p0 0 4 rw
write p0 0
lock p0 0
compact p0 0
unlock l0
write p0 1
pin p0 1 r
compact p0 1
fail page 1
compact p0 0
mmap p0 8 1 none
mlock p0 8 1 on
mmap p0 12 3 rw
write p0 13
fail vma 2
mremap p0 13 1 20 1 fixed
pageout p0 12 3
fail page 1
willneed p0 12 3
mmap p0 16 3 rw
fail vma 1
dontfork p0 17 1 on
