# nouveau-zero-page-migrate (9d4296a7d4b3): the driver does not clear the device page that takes the place of a hole or of the zero page.
mmap p0 1 1 rw
write p0 1
migrate p0 1 1 d1
mmap p0 0 5 r
migrate p0 4 1 d1
read p0 4
