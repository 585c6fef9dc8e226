# Compaction moves a page that was read back from swap. Its swap slot, which no entry names any
# more, stays with the page.
mmap p0 0 3 rw
write p0 0
write p0 1
pageout p0 0 1
read p0 0
compact p0 0
pageout p0 0 3
