# rmap-softdirty-uffd-copy (ad7df764b7e1): try_to_migrate_one reads soft-dirty and uffd-wp of a
# device-private entry as if the entry were present.
# The eviction of the third device page makes it soft-dirty.
mmap p0 0 3 r
migrate p0 0 3 d1
evict d1 2 1
