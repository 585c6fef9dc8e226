# Two devices and the CPU access a page while it migrates to the first device. All three wait for
# the end of the migration. Then the second device's write brings the page back.
geometry x86-64
threads 4
preempt 6 t1
preempt 9 t2
preempt 16 t3
preempt 35 t2
mmap p0 15 2 rw
write p0 15
migrate p0 15 2 d0
t1: dev-read d0 p0 15
t2: dev-write d1 p0 15
t3: read p0 15
dev-read d0 p0 15
t1: dev-write d0 p0 16
t2: write p0 16
t3: migrate p0 15 2 d1
read p0 15
t1: dev-read d1 p0 16
