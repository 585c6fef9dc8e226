# hmm-tests double_map: two devices read the same read-only range. The range then migrates to the
# second device. The first device then reads two pages again, which brings these pages back to
# system memory.
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
