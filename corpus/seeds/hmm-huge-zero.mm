# migrate_anon_huge_zero: the huge zero page becomes a huge page of the device.
thp always
mmap p0 0 8 rw
read p0 0
migrate p0 0 8 d0
dev-read d0 p0 3
write p0 4
read p0 5
