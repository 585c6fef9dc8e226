# thp-uffdwp-migration (24bf08c4376b): a huge migration entry does not keep uffd-wp. The driver
# supplies no destination.
thp always
mmap p0 0 8 rw
uffd-register p0 0 8
write p0 0
uffd-wp p0 0 8 on
migrate p0 0 8 d0 skip=0xff
