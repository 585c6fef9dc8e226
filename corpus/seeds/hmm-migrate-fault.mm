# hmm-tests migrate_fault: the CPU's faults bring half of a range back. Then this half migrates
# again, and faults bring four pages of the range back.
mmap p0 4 8 rw
write p0 4
write p0 5
write p0 6
write p0 7
write p0 8
write p0 9
write p0 10
write p0 11
migrate p0 4 8 d0
read p0 4
read p0 5
write p0 6
write p0 7
migrate p0 4 8 d0
dev-read d0 p0 4
dev-read d0 p0 7
dev-read d0 p0 11
read p0 4
read p0 7
read p0 8
read p0 11
