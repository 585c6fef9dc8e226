# swapin-skip-cache-aba (13ddaf26be32): a fault on a slot that only one entry names bypasses the
# swap cache, and takes an equal entry for an unchanged one.
# t1 has read the slot. Then t0 swaps the page in, writes to it, and swaps it out to the same slot.
# t1 maps the old contents.
threads 2
preempt 8 t1
preempt 11 t0
mmap p0 0 1 rw
write p0 0
reclaim p0 0
reclaim p0 0
write p0 0
reclaim p0 0
reclaim p0 0
t1: read p0 0
