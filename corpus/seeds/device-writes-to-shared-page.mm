# A device writes to its own pages, which a fork shares. The CPU copies a page for the device first.
# The write waits while the folio is locked, goes to userfaultfd if the page is write-protected, and
# fails if memory runs out.
mmap p0 0 4 rw
write p0 0
write p0 1
write p0 2
uffd-register p0 2 1
migrate p0 0 4 d0
fork p0
lock p0 0
dev-write d0 p0 0
fail page 1
dev-write d0 p0 1
uffd-wp p0 2 1 on
dev-write d0 p0 2
