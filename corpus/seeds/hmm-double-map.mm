# hmm-tests double_map: two devices read the same read-only range; after it has moved to the second
# the first reads it again, which brings it home.
mmap p0 0 4 rw
write p0 0
write p0 1
mprotect p0 0 4 r
dev-read d0 p0 0
dev-read d1 p0 0
dev-read d1 p0 1
migrate p0 0 4 d1
dev-read d1 p0 0
dev-read d0 p0 0
dev-read d0 p0 1
dev-read d1 p0 0
migrate p0 0 4 d0
dev-read d1 p0 3
dev-read d0 p0 0
