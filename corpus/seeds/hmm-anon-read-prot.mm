# hmm-tests anon_read_prot: under PROT_NONE the device can read nothing, neither of a page in system
# memory nor of one in its own; when the protection is lifted the data are as they were.
mmap p0 0 4 rw
write p0 0
write p0 1
migrate p0 1 1 d0
mprotect p0 0 4 none
dev-read d0 p0 0
dev-read d0 p0 1
dev-read d0 p0 2
read p0 1
snapshot d0 p0 0 4
mprotect p0 0 4 rw
dev-read d0 p0 1
read p0 0
read p0 1
