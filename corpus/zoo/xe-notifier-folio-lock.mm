# xe-notifier-folio-lock (2577b202458c): the driver is told of the unmap by the migration that holds the lock that it waits for.
mmap p0 0 1 rw
write p0 0
fork p0
dev-read d0 p0 0
migrate p1 0 1 d1
