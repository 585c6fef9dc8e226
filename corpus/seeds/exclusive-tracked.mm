# Soft-dirty and uffd-wp change while a device has exclusive access to pages. An entry that is
# restored has the protection that was set meanwhile.
mmap p0 0 3 rw
write p0 0
write p0 1
exclusive d0 p0 0 2
clear-soft-dirty p0
read p0 0
pagemap p0 0 3
write p0 0
uffd-register p0 0 3
uffd-wp p0 0 3 on
pagemap p0 0 3
read p0 1
write p0 1
uffd-wp p0 0 3 off
exclusive d1 p0 1 1
uffd-wp p0 1 1 on
pagemap p0 0 3
exclusive d1 p0 1 1
