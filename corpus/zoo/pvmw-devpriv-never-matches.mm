# pvmw-devpriv-never-matches (aab8d0520e6e): page_vma_mapped_walk never returns a device-private
# entry, so the page cannot be unmapped.
# Two processes map the page. The read's migration can only unmap the reader's entry, and is retried
# without end.
mmap p0 0 1 r
migrate p0 0 1 d0
fork p0
read p0 0
