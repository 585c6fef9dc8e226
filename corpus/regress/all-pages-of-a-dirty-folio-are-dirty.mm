# When a dirty large folio is split, each of its pages becomes dirty, although only one of them was
# written.
thp always
mmap p0 0 8 rw
write p0 0
lazyfree p0 0 8
uffd-register p0 0 1
write p0 0
pageout p0 0 1
