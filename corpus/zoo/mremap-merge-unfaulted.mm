# mremap-merge-unfaulted (61f67c230a5e): a page moves beside an area without pages, which grows over it.
mmap p0 0 1 rw
write p0 0
mmap p0 8 1 rw
mremap p0 0 1 4 1 fixed
mremap p0 8 1 5 1 fixed
mmap p0 1 1 rw
mremap p0 4 1 0 1 fixed
