# swap/given-up had a false finding: madvise splits a large folio whose first page has no entry any
# more. The first page stays in the swap cache until it is reclaimed. The source of Linux says the
# same; no guest has shown it.
thp always
mmap p0 0 8 rw
write p0 0
mprotect p0 0 1 none
reclaim p0 0
read p0 1
lazyfree p0 0 2
