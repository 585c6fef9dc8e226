# nouveau-zero-page-migrate (9d4296a7d4b3): the driver does not clear the device page that replaces
# a hole or the zero page.
# The second migration replaces a hole by a device page that still holds the first page's word.
mmap p0 0 1 rw
write p0 0
migrate p0 0 1 d0
mmap p0 0 1 r
migrate p0 0 1 d0
