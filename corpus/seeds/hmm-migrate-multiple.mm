# hmm-tests migrate_multiple: several rounds, each with a fresh mapping. The pages migrate to the
# device and come back by the driver, by a fault, or not at all.
mmap p0 0 4 rw
write p0 0
write p0 1
migrate p0 0 4 d0
dev-read d0 p0 1
migrate-back p0 0 4 d0
read p0 1
munmap p0 0 4
mmap p0 0 4 rw
write p0 1
write p0 3
migrate p0 0 4 d0
dev-read d0 p0 3
read p0 1
read p0 0
munmap p0 0 4
mmap p0 2 4 rw
write p0 2
migrate p0 2 4 d0
dev-read d0 p0 2
munmap p0 2 4
mmap p0 2 4 rw
read p0 2
dev-read d0 p0 3
