# mremap in its forms: in place, to another place with another length, with MREMAP_DONTUNMAP, and
# back into the gap that the range left. It moves present pages, device pages and holes. A fork
# skips the VMAs that MADV_DONTFORK names.
mmap p0 0 12 rw
write p0 0
write p0 6
write p0 9
read p0 8
fork p0
migrate p0 6 4 d0
mremap p0 4 6 20 6 fixed # across page tables, out of the middle of the VMA
read p0 25
write p0 22
mremap p0 20 6 4 6 fixed # merges again
mremap p0 0 4 16 2 fixed # shrinks first
read p0 16
mremap p0 16 2 24 4 fixed # grows on arrival
write p0 27
mremap p0 24 4 0 6 stay
mremap p0 24 6 0 3 stay
mremap p0 24 3 12 3 dontunmap
write p0 24
write p0 12
mremap p0 12 3 0 3 fixed
mremap p0 0 2 1 2 fixed # overlaps
mremap p0 30 1 0 1 fixed # nothing is mapped there
mremap p0 24 2 30 1 dontunmap # lengths differ
mremap p0 0 3 0 5 stay # no room
dontfork p0 0 6 on
write p0 5
fork p0
dontfork p0 0 3 off
dontfork p0 10 4 on # not all mapped
fork p0
read p2 1
read p3 1
evict d0 0 32
uffd-register p0 4 6
uffd-wp p0 4 6 on
mremap p0 6 2 18 2 dontunmap
write p0 18
write p0 6
write p0 9
fail page-table 2
mremap p0 4 6 13 6 fixed # refused: several VMAs, registered with userfaultfd
read p0 9
fail vma 1
mremap p0 9 1 14 2 fixed
fail avc 1
mremap p0 9 1 14 2 fixed
read p0 9
