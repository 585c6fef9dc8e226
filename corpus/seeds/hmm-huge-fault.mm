# migrate_anon_huge_fault: a huge page goes over, is shown by snapshot and pagemap, and comes back at
# a touch.
thp always
mmap p0 0 8 rw
write p0 2
migrate p0 0 8 d0
snapshot d0 p0 0 8
snapshot d1 p0 0 8
pagemap p0 0 8
read p0 2
migrate p0 0 8 d0
migrate-back p0 0 8 d0
read p0 2
