# migrate_anon_huge_zero_err: a huge hole and the huge zero page go over one by one.
thp always
mmap p0 0 16 rw
read p0 0
fail device-page 1
migrate p0 0 8 d0
fail device-page 1
migrate p0 8 8 d0 skip=0x04
read p0 3
read p0 10
