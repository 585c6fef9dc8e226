# restore-write-after-mkdirty (96a9c287e25d): marking the restored entry dirty also makes it
# writable.
# The reference makes the migration fail. The restored entries are writable, although a fork shares
# the page.
mmap p0 0 2 rw
get p0 1 w
fork p0
migrate p0 1 1 d0
