# uprobe-pte-overwritten (2b12d06c37fd): a page goes back into the area that it came from, which is probed there.
mmap p0 0 2 rw
write p0 1
mremap p0 1 1 8 1 fixed
mremap p0 8 1 1 1 fixed
