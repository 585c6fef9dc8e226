# pagemap-notifier-outside-lock (4cccb6221cae): the change is announced before mmap_lock is taken.
clear-soft-dirty p0
