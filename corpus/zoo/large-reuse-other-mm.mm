# large-reuse-other-mm: a write reuses a page of a large folio that another process maps as well.
thp always
mmap p0 0 8 rw
write p0 0
fork p0
write p0 0
