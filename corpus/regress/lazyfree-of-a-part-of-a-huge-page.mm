# MADV_FREE splits the folio first, and then cleans the entry and the page. An oracle took the clean
# page for one that lost the dirty bit of its migration entry.
thp always
mmap p0 0 8 rw
write p0 0
lazyfree p0 0 2
