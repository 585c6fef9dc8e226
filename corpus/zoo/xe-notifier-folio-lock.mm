# xe-notifier-folio-lock (2577b202458c): the driver's invalidation waits for folio locks, which a
# migration holds when it invalidates.
# d0 maps the page of p0. p1's migration locks the folio and invalidates p0's mapping, and the
# driver waits for that lock.
mmap p0 0 1 rw
write p0 0
fork p0
dev-read d0 p0 0
migrate p1 0 1 d1
