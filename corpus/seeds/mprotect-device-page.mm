# mprotect takes write permission, and later any access, from pages on the device, and gives the
# permission back. The entry stays read-only, and the next write fault brings the page back with its
# data.
mmap p0 0 4 rw
write p0 0
write p0 1
migrate p0 0 4 d0
mprotect p0 0 4 r
write p0 0 # refused
dev-write d0 p0 0
mprotect p0 0 4 rw
dev-write d0 p0 0 # through a write fault
write p0 1
migrate p0 0 4 d0
mprotect p0 0 2 none
read p0 0
migrate-back p0 0 4 d0
evict d0 0 32
mprotect p0 0 2 r
read p0 0
read p0 1
mprotect p0 0 2 rw
write p0 0
