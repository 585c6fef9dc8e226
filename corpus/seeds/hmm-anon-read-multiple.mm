# hmm-tests anon_read_multiple: several rounds, each with a fresh mapping. The device's mapping must
# not outlive the munmap.
geometry x86-64
mmap p0 14 4 rw
write p0 15
dev-read d0 p0 15
dev-read d0 p0 16
munmap p0 14 4
dev-read d0 p0 15
mmap p0 14 4 rw
dev-read d0 p0 15
write p0 15
dev-read d0 p0 15
mmap p0 14 4 r
dev-read d0 p0 15
munmap p0 14 4
