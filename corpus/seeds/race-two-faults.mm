# Two threads touch the same device page. While the first thread brings the page back, the second
# waits. Then it finds the page in system memory.
threads 2
preempt 18 t1
preempt 25 t1
mmap p0 0 4 rw
write p0 0
write p0 1
migrate p0 0 2 d0
read p0 0
t1: read p0 0
read p0 1
t1: write p0 1
read p0 1
