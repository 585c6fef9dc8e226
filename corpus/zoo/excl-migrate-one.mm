# excl-migrate-one (bf983108be0e): try_to_migrate_one computes the subpage of a device-exclusive
# entry as if the entry were present.
# Compaction uncounts a mapping of the wrong page, so the page's own mapcount is too high.
mmap p0 0 1 rw
exclusive d0 p0 0 1
compact p0 0
