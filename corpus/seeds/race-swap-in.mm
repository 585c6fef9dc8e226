# Two threads fault on the same swap slot. The second fault overtakes the first and maps the page.
# The first fault then finds the entry changed.
threads 2
preempt 8 t1
mmap p0 0 1 rw
write p0 0
reclaim p0 0
read p0 0
t1: write p0 0
