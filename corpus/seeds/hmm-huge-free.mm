# migrate_anon_huge_free: MADV_FREE leaves a huge page of the device alone.
thp always
mmap p0 0 8 rw
write p0 2
migrate p0 0 8 d0
lazyfree p0 0 8
read p0 2
