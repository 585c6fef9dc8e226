# hmm-tests migrate_mixed: the migration of a range with PROT_NONE fails, and so does that of a
# range with a gap between its VMAs. Then the zero page, read-only pages and read-write pages
# migrate together. A page on one device does not migrate to the other.
mmap p0 0 8 rw
write p0 0
write p0 1
write p0 2
write p0 3
mprotect p0 0 1 none
migrate p0 0 4 d1
munmap p0 5 1
migrate p0 4 3 d1
mprotect p0 0 1 rw
read p0 4 # the zero page
mprotect p0 2 1 r
migrate p0 0 5 d1
migrate p0 0 5 d0
dev-read d0 p0 0
dev-read d0 p0 2
read p0 3
read p0 4
