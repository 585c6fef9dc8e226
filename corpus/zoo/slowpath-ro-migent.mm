# slowpath-ro-migent (dfd8562c52a5): try_to_migrate_one installs a read-only migration entry for
# every device-private entry.
# The eviction takes the write permission from a writable entry.
mmap p0 0 1 rw
migrate p0 0 1 d0
evict d0 0 1
