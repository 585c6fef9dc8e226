# The split of a folio maps the shared zero page for its pages of zeroes in both processes. The
# pages go, and the entries keep soft-dirty and uffd-wp.
thp always
mmap p0 0 8 rw
uffd-register p0 0 8
write p0 3
uffd-wp p0 0 8 on
fork p0
migrate p0 0 4 d0
uffd-wp p0 0 8 off
write p0 0
read p1 0
write p1 3
