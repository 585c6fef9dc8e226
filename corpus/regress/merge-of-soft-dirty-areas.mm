# VMAs merge. In 6.12 only the VMA that grows decides whether all of it counts as soft-dirty.
mmap p0 3 5 rw
uffd-register p0 3 1
clear-soft-dirty p0
mmap p0 6 1 rw
uffd-register p0 2 7
pagemap p0 1 5
