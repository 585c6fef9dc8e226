# fork-uffdwp-special (8f34f1eac382): fork copies uffd-wp of non-present entries to a child that is
# not registered.
# The entry is a device-private one.
mmap p0 0 15 r
uffd-register p0 14 1
migrate p0 14 1 d0
uffd-wp p0 14 1 on
fork p0
