# fork-uffdwp-special (8f34f1eac382): fork leaves uffd-wp on non-present entries of a child that is not registered.
mmap p0 0 15 r
uffd-register p0 14 1
migrate p0 14 1 d0
uffd-wp p0 14 1 on
fork p0
