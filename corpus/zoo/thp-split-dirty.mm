# thp-split-dirty (0ccf7f168e17): the split of a huge entry loses its dirty bit.
thp always
mmap p0 0 8 rw
write p0 0
munmap p0 0 1
