# The folio stays in the swap cache: the last entries that `exit` takes from it are
# device-exclusive, and after such an entry nobody tries to free the folio's slots. The folio lost
# swap entries before, and the oracle swap/given-up took those for its last ones.
thp always
mmap p0 0 8 rw
write p0 0
reclaim p0 0
mmap p0 0 1 none
exclusive d0 p0 6 2
exit p0
