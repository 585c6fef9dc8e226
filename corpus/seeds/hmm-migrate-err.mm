# hmm-tests migrate_anon_huge_err and migrate_anon_huge_zero_err, in small pages: the device has no
# memory for one page of a range. On the way back the system has no memory for one page.
mmap p0 0 8 rw
write p0 0
write p0 1
write p0 2
read p0 3
fail device-page 2
migrate p0 0 5 d0
fail device-page 4
migrate p0 0 5 d0
fail page 1
read p0 0
fail page 2
migrate-back p0 0 5 d0
read p0 0
read p0 1
read p0 2
read p0 3
