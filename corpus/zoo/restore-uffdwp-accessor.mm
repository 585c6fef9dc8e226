# restore-uffdwp-accessor (ebdf8321eeeb): remove_migration_pte sets uffd-wp of a device-private
# entry at the bit of a present entry.
# The page migrates to the device and is no longer write-protected.
mmap p0 2 1 rw
write p0 2
uffd-register p0 2 1
uffd-wp p0 2 1 on
migrate p0 2 1 d0
