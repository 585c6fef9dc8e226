# migent-write-attr-from-swap-pte (mm/migrate: properly preserve write attribute (4.17)): migrate_vma_collect asks the raw device-private entry for its write bit.
mmap p0 0 1 rw
write p0 0
mprotect p0 0 1 r
migrate p0 0 1 d0
read p0 0
