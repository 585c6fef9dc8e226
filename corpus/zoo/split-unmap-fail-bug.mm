# split-unmap-fail-bug (504e070dc08f): the split of a folio goes on although a page is still mapped
# or held.
thp always
mmap p0 0 8 rw
write p0 0
pin p0 3 w
migrate p0 0 4 d0
