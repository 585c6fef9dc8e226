# hmm-nonowner-devpriv-not-faulted (8a295dbbaf72): hmm_range_fault fails on a page that is on
# another device.
# The page is on d1, and the read of d0 fails although the VMA is readable.
mmap p0 0 1 r
migrate p0 0 1 d1
dev-read d0 p0 0
