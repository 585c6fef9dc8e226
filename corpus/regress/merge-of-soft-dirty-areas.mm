# Areas that are merged: in 6.12 only the area that grows says whether all of it counts as soft-dirty.
mmap p0 3 5 rw
uffd-register p0 3 1
clear-soft-dirty p0
mmap p0 6 1 rw
uffd-register p0 2 7
pagemap p0 1 5
