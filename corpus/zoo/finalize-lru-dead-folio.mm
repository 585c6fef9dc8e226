# finalize-lru-dead-folio (41cddf83d8b0): migrate_device_finalize puts a folio on the LRU that it is
# about to free.
# The page migrates to the device. Its old folio is put on the LRU and then freed.
mmap p0 5 1 rw
write p0 5
migrate p0 5 1 d0
