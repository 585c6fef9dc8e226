# hmm-tests anon_read_prot: under PROT_NONE the device can read no page, neither in system memory
# nor in its own. After PROT_NONE is lifted the data are unchanged.
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
