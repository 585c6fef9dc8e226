# hmm-tests anon_read: the device reads a range whose first page is untouched and whose second is
# the zero page. It reads the range again after mprotect to read-only.
mmap p0 0 6 rw
read p0 1
write p0 2
write p0 3
write p0 4
write p0 5
dev-read d0 p0 0
dev-read d0 p0 1
dev-read d0 p0 2
dev-read d0 p0 5
mprotect p0 0 6 r
dev-read d0 p0 0
dev-read d0 p0 1
dev-read d0 p0 2
dev-read d0 p0 5
dev-write d0 p0 5 # refused
