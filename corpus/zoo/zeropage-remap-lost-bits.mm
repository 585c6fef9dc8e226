# zeropage-remap-lost-bits (9658d698a8a8): the split of a folio maps the shared zero page for a
# page of zeroes and drops soft-dirty and uffd-wp.
# MADV_COLD of one page splits the folio. Page 1 has only zeroes, and loses soft-dirty.
thp always
mmap p0 0 8 rw
write p0 0
cold p0 0 1
