# collect-lost-dirty (fd35ca3d12cc): migrate_vma_collect clears a dirty entry without marking the
# folio dirty.
# Nothing but the entry says that the page was written.
mmap p0 5 1 rw
write p0 5
migrate p0 5 1 d0
