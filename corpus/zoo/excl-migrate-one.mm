# excl-migrate-one (bf983108be0e): try_to_migrate_one takes the subpage from the present-format pfn of a device-exclusive entry.
mmap p0 0 1 rw
exclusive d0 p0 0 1
compact p0 0
