# touch-after-folio-free (399289849560): free_zone_device_folio reads the order of the folio after
# the driver has it again.
thp always
mmap p0 0 8 rw
write p0 0
migrate p0 0 8 d0
dontneed p0 0 8
