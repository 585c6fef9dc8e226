# migent-write-attr-from-swap-pte (mm/migrate: properly preserve write attribute (4.17)):
# migrate_vma_collect reads the write bit of a device-private entry as if the entry were present.
# The entry is read-only, and the CPU's read turns it into a writable migration entry.
mmap p0 0 1 rw
write p0 0
mprotect p0 0 1 r
migrate p0 0 1 d0
read p0 0
