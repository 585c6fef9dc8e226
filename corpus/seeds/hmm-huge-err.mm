# migrate_anon_huge_err: no huge page is left on the device, so all pages go over one by one; none is
# left in system memory, so they come back one by one.
thp always
mmap p0 0 16 rw
write p0 3
write p0 9
fail device-page 1
migrate p0 0 8 d0
migrate p0 8 8 d0
read p0 3
fail page 1
read p0 9
read p0 10
migrate p0 8 8 d0
fail page 1
migrate-back p0 8 8 d0
