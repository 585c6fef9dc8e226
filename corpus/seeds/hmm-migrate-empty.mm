# hmm-tests migrate_anon_huge_empty and migrate_anon_huge_zero, in small pages: an untouched range
# and a range of zero pages migrate. They read as zero on the device and after they come back.
geometry x86-64
mmap p0 0 32 rw
migrate p0 0 8 d0
dev-read d0 p0 0
dev-read d0 p0 7
read p0 0
read p0 16
read p0 17
migrate p0 15 4 d0
dev-read d0 p0 16
dev-write d0 p0 17
read p0 15
read p0 16
read p0 17
