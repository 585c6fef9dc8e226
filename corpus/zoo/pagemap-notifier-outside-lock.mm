# pagemap-notifier-outside-lock (4cccb6221cae): an invalidation starts before mmap_lock is taken
# (here: in clear_refs).
# An empty address space is enough.
clear-soft-dirty p0
