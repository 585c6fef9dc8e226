# hugezero-split-uffdwp (42b2af2c9b7e): the split of a huge zero page drops uffd-wp.
thp always
mmap p0 0 8 rw
uffd-register p0 0 8
read p0 0
uffd-wp p0 0 8 on
dontneed p0 0 1
